//! What callers have put, counted at the lanes where they put it.

use std::sync::Arc;
use std::time::Instant;

use crate::lanes::Lanes;
use crate::lanes::contents::Volume;

/// The counts of all lanes that a producer has and had.
#[derive(Debug)]
pub(crate) struct Intake {
    /// What went into lanes that are gone.
    before: Volume,
    /// Those in use; while they are replaced, also those that still may be.
    lanes: Vec<Arc<Lanes>>,
}

impl Intake {
    pub(crate) fn new(lanes: Arc<Lanes>) -> Self {
        Self {
            before: Volume::default(),
            lanes: vec![lanes],
        }
    }

    /// With lanes that are about to be used.
    pub(crate) fn with(&self, lanes: Arc<Lanes>) -> Self {
        let lanes = self.lanes.iter().cloned().chain([lanes]).collect();
        Self {
            before: self.before,
            lanes,
        }
    }

    /// Without the lanes that were retired: all but the last.
    pub(crate) fn without_retired(&self) -> Self {
        let (last, retired) = self
            .lanes
            .split_last()
            .map_or((None, &[][..]), |(last, others)| (Some(last), others));
        Self {
            before: self.before.plus(retired.iter().map(|lanes| lanes.volume()).sum()),
            lanes: last.cloned().into_iter().collect(),
        }
    }

    /// What was put.
    pub(crate) fn volume(&self) -> Volume {
        self.before.plus(self.lanes.iter().map(|lanes| lanes.volume()).sum())
    }

    /// When the oldest open aggregate was begun.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|lanes| lanes.oldest()).min()
    }
}
