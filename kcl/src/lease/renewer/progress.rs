//! The progress of one consumer, between it and the renewer: the newest value each way, and nobody waits.

use tokio::sync::watch;

use crate::checkpoint::position::Position;

/// The consumer's end.
#[derive(Debug)]
pub(crate) struct ProgressPort {
    deferred: watch::Sender<Option<Position>>,
    reached: watch::Receiver<Option<Position>>,
}

/// The renewer's end.
#[derive(Debug)]
pub(super) struct ProgressView {
    deferred: watch::Receiver<Option<Position>>,
    reached: watch::Sender<Option<Position>>,
}

/// Both ends, for one ownership.
pub(super) fn progress() -> (ProgressPort, ProgressView) {
    let (deferred, deferred_view) = watch::channel(None);
    let (reached_view, reached) = watch::channel(None);
    let port = ProgressPort { deferred, reached };
    let view = ProgressView {
        deferred: deferred_view,
        reached: reached_view,
    };
    (port, view)
}

impl ProgressPort {
    /// Leaves `position` for the next write, unless a further one is there.
    pub(crate) fn defer(&self, position: Position) {
        self.deferred.send_if_modified(|deferred| {
            let is_further = deferred.as_ref().is_none_or(|deferred| *deferred < position);
            if is_further {
                *deferred = Some(position);
            }
            is_further
        });
    }

    /// The same as [`reached`](Self::reached), for somebody else to look at.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Position>> {
        self.reached.clone()
    }

    /// The furthest checkpoint of this ownership that was in the row, as far as is known. `None` before the first.
    pub(crate) fn reached(&self) -> Option<Position> {
        self.reached.borrow().clone()
    }
}

impl ProgressView {
    /// What the consumer has left for the next write. Nothing that was in the row before: somebody may have moved it back since.
    pub(super) fn deferred(&self) -> Option<Position> {
        let (deferred, reached) = (self.deferred.borrow().clone(), self.reached.borrow());
        deferred.filter(|deferred| reached.as_ref().is_none_or(|reached| deferred > reached))
    }

    /// Tells the consumer of the row's checkpoint.
    pub(super) fn reach(&self, position: Position) {
        self.reached.send_if_modified(|reached| {
            let is_further = reached.as_ref().is_none_or(|reached| *reached < position);
            if is_further {
                *reached = Some(position);
            }
            is_further
        });
    }
}
