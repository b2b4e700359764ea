//! What a reader of one shard is told when it is made.

use std::time::{Duration, SystemTime};

use service::Clock;

use crate::checkpoint::position::{Position, SequenceNumber};
use crate::error::StreamError;
use crate::observers::ShardObserver;
use crate::retrieval::loss::Idle;
use crate::retrieval::pacer::PacerConfig;
use crate::shard_sync::former::OnRecreated;
use crate::stream::ShardRef;
use crate::trouble::Trouble;

/// Where a reader starts and how it behaves.
#[derive(Debug)]
pub(crate) struct PollerConfig {
    pub(crate) shard: ShardRef,
    pub(crate) observer: ShardObserver,
    /// Where failures to read are noted until one read succeeds.
    pub(crate) reads: Trouble<StreamError>,
    pub(crate) from: Position,
    /// What `AT_TIMESTAMP` means, where the row says that.
    pub(crate) timestamp: SystemTime,
    /// By how much this host's clock is ahead of the service's, as far as is known.
    pub(crate) clock_ahead: Duration,
    /// When there was nothing behind the position, if that is known.
    pub(crate) idle: Option<Idle>,
    /// Whether to look for missing records behind the position.
    pub(crate) losses: Losses,
    pub(crate) on_recreated: OnRecreated,
    pub(crate) max_records: u32,
    pub(crate) pace: PacerConfig,
    pub(crate) rng: fastrand::Rng,
    pub(crate) clock: Clock,
}

/// Whether a reader looks for records that are missing behind the position that it begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Losses {
    Sought,
    /// Those behind this position were reported already: what was missing then.
    Known {
        behind: Position,
        loss: KnownLoss,
    },
}

/// What is known since a loss was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownLoss {
    /// The oldest record that the shard had then. What is missing in front of it is known, and it is not.
    pub(crate) oldest: Option<SequenceNumber>,
    /// When that was.
    pub(crate) at: Idle,
}

/// Whether a reader had everything that the shard had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaughtUp {
    Yes,
    No,
}

impl CaughtUp {
    /// By how far a reply is behind the newest record.
    pub(super) fn by(millis_behind_latest: Option<u64>) -> Self {
        match millis_behind_latest {
            Some(0) => Self::Yes,
            Some(_) | None => Self::No,
        }
    }
}
