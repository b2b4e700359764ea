//! What a reader of one shard is told when it is made.

use std::time::SystemTime;

use service::Clock;

use crate::checkpoint::position::Position;
use crate::error::StreamError;
use crate::observers::ShardObserver;
use crate::retrieval::loss::Idle;
use crate::retrieval::pacer::PacerConfig;
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
    /// When there was nothing behind the position, if that is known.
    pub(crate) idle: Option<Idle>,
    /// Whether to look for missing records behind the position.
    pub(crate) losses: Losses,
    pub(crate) max_records: u32,
    pub(crate) pace: PacerConfig,
    pub(crate) rng: fastrand::Rng,
    pub(crate) clock: Clock,
}

/// Whether a reader looks for records that are missing behind the position that it begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Losses {
    Sought,
    /// They were reported already.
    Known,
}
