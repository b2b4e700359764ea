//! Creates the leases that the planner asks for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use service::chain;

use crate::calls::{Calls, ShardsToList};
use crate::error::{TableError, WorkerError};
use crate::event::{LeaseEvent, WorkerEvent};
use crate::lease::layout::TableLayout;
use crate::lease::model::{Lease, OwnAttributes};
use crate::lease::table::{Creation, LeaseTable};
use crate::observers::Observers;
use crate::shard_sync::former::Sorted;
use crate::shard_sync::planner;
use crate::shard_sync::replacement::Former;
use crate::stream::{Shard, StartingPosition, StreamRef};

/// What leases are given that are created.
#[derive(Debug, Clone)]
pub(crate) struct NewLeases {
    /// Of which stream they are.
    pub(crate) stream: StreamRef,
    /// How their rows name their shards.
    pub(crate) layout: TableLayout,
    /// Where reading begins.
    pub(crate) start: StartingPosition,
    /// Of which incarnation of the stream they are. Written with the row, so that no worker takes it for another stream's.
    pub(crate) own: OwnAttributes,
}

/// The table in which a worker creates leases, and who is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creator<'a> {
    pub(crate) observers: &'a Observers,
    pub(crate) table: &'a Arc<dyn LeaseTable>,
}

impl Creator<'_> {
    async fn create(&self, lease: &Lease, reason: &str) -> Result<(), TableError> {
        let (lease, created) = (lease.key.clone(), self.table.create(lease).await?);
        let reason = reason.to_owned();
        match created {
            Creation::Created => self.observers.tell(LeaseEvent::Created { lease, reason }),
            // Another worker was quicker.
            Creation::Existed => {}
        }
        Ok(())
    }
}

/// Brings the lease table in line with the stream: each shard has a lease, or an ancestor that has one.
///
/// Workers may do this side by side: a lease is created only if there is none, and those of a former stream are replaced or
/// deleted only as they were read. A worker that stops half-way leaves what the next one completes.
pub(crate) async fn sync_shards(
    creator: Creator<'_>,
    calls: &Calls,
    all_shards: Vec<Shard>,
    leases: Sorted,
    new: NewLeases,
) -> Result<(), WorkerError> {
    let Sorted { kept: leases, former } = leases;
    let NewLeases {
        stream,
        layout,
        start,
        own,
    } = new;
    let shards = if leases.is_empty() {
        let first = not_later(start, creator.table.service_time());
        let listed = calls.list_shards(&stream, ShardsToList::ToStartAt(first)).await;
        listed.map_err(|source| WorkerError::Stream {
            stream: stream.to_string(),
            source,
        })?
    } else {
        all_shards
    };
    let rows = layout.rows_of(&stream);
    let plan = planner::plan(rows, &shards, &leases, start).map_err(|refused| WorkerError::InconsistentShards {
        stream: stream.to_string(),
        reason: refused.to_string(),
    })?;
    let mut former = Former::new(creator, &own.stream, former);
    for creation in plan.create {
        let lease = Lease {
            own: own.clone(),
            ..creation.lease
        };
        if former.replace(&lease).await? {
            continue;
        }
        let created = creator.create(&lease, &creation.because.to_string()).await;
        created.map_err(|source| WorkerError::LeaseTable {
            table: creator.table.name().to_owned(),
            source,
        })?;
    }
    // They are left out of the search for leases, and deleted later.
    if let Err(error) = former.discard().await {
        let error = chain(&error);
        let not_replaced = WorkerEvent::LeasesNotReplaced { error, repeated: 0 };
        creator.observers.tell(not_replaced);
    }
    Ok(())
}

/// By how much the service's clock may be behind its estimate: replies show whole seconds.
const ESTIMATE: Duration = Duration::from_secs(2);

/// Nobody knows the shards of a time to come, so those of `now` are asked for. Each record of that time is in one of them, or
/// in one that comes of them.
fn not_later(start: StartingPosition, now: Option<SystemTime>) -> StartingPosition {
    match (start, now.and_then(|now| now.checked_sub(ESTIMATE))) {
        (StartingPosition::AtTimestamp(time), Some(now)) => StartingPosition::AtTimestamp(time.min(now)),
        (StartingPosition::AtTimestamp(_) | StartingPosition::TrimHorizon | StartingPosition::Latest, _) => start,
    }
}

/// Creates the leases of an ended shard's children, for any worker to take.
pub(crate) async fn create_children(creator: Creator<'_>, children: &[Lease]) -> Result<(), TableError> {
    for lease in children {
        creator.create(lease, "its parent was read to the end").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn the_shards_of_a_time_to_come_are_those_of_now() {
        let first = |time| not_later(StartingPosition::AtTimestamp(at(time)), Some(at(100)));
        assert_eq!(first(1_000), StartingPosition::AtTimestamp(at(98)));
        assert_eq!(first(50), StartingPosition::AtTimestamp(at(50)));
        let unknown = not_later(StartingPosition::AtTimestamp(at(1_000)), None);
        assert_eq!(unknown, StartingPosition::AtTimestamp(at(1_000)));
    }
}
