//! Pure: how long the consumers took to recover from what went wrong.

use std::time::Duration;

use super::coverage;
use super::fleet::Fleet;
use super::leases::Leases;
use super::stream::Stream;
use testkit::kinesis::ShardId;

/// The time that the consumers took to recover from the last fault.
#[derive(Debug, Default)]
pub(crate) enum RecoveryTime {
    /// There was nothing to recover from, or a fault lasts.
    #[default]
    NotDue,
    /// Since this time, until so many records of each shard are done.
    Pending {
        since: Duration,
        backlog: Vec<(ShardId, usize)>,
    },
    Took(Duration),
}

impl RecoveryTime {
    /// The last fault is over: what is stored by now has to be done.
    pub(crate) fn pending(stream: &Stream, now: Duration) -> Self {
        let backlog = stream.shards().map(|(id, shard)| (id, shard.len())).collect();
        Self::Pending { since: now, backlog }
    }

    /// Notes if what was stored when the last fault ended is processed, and each open shard is owned.
    pub(crate) fn observe(&mut self, stream: &Stream, leases: &Leases, fleet: &Fleet, now: Duration) {
        let Self::Pending { since, backlog } = self else {
            return;
        };
        // What is done stays done, so that no shard is looked at twice.
        while let Some((shard, due)) = backlog.last() {
            if stream.get(*shard).is_some_and(|shard| shard.done() < *due) {
                return;
            }
            backlog.pop();
        }
        if coverage::is_complete(stream, leases, fleet) {
            *self = Self::Took(now.saturating_sub(*since));
        }
    }

    /// The time from the end of the last fault to the recovery; `None` if there was none of either.
    pub(crate) fn took(&self) -> Option<Duration> {
        match self {
            Self::Took(time) => Some(*time),
            Self::NotDue | Self::Pending { .. } => None,
        }
    }
}
