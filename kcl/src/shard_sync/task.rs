//! Creates the leases that the planner asks for.

use std::sync::Arc;

use crate::calls::{Calls, ShardsToList};
use crate::error::{TableError, WorkerError};
use crate::event::LeaseEvent;
use crate::lease::layout::TableLayout;
use crate::lease::model::{Lease, OwnAttributes};
use crate::lease::table::{Creation, LeaseTable};
use crate::observers::Observers;
use crate::shard_sync::planner;
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
/// Workers may do this side by side: a lease is created only if there is none.
pub(crate) async fn sync_shards(
    creator: Creator<'_>,
    calls: &Calls,
    all_shards: Vec<Shard>,
    leases: &[Lease],
    new: NewLeases,
) -> Result<(), WorkerError> {
    let NewLeases {
        stream,
        layout,
        start,
        own,
    } = new;
    let shards = if leases.is_empty() {
        let listed = calls.list_shards(&stream, ShardsToList::ToStartAt(start)).await;
        listed.map_err(|source| WorkerError::Stream {
            stream: stream.to_string(),
            source,
        })?
    } else {
        all_shards
    };
    let rows = layout.rows_of(&stream);
    let plan = planner::plan(rows, &shards, leases, start).map_err(|refused| WorkerError::InconsistentShards {
        stream: stream.to_string(),
        reason: refused.to_string(),
    })?;
    for creation in plan.create {
        let lease = Lease {
            own: own.clone(),
            ..creation.lease
        };
        let created = creator.create(&lease, &creation.because.to_string()).await;
        created.map_err(|source| WorkerError::LeaseTable {
            table: creator.table.name().to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Creates the leases of an ended shard's children, for any worker to take.
pub(crate) async fn create_children(creator: Creator<'_>, children: &[Lease]) -> Result<(), TableError> {
    for lease in children {
        creator.create(lease, "its parent was read to the end").await?;
    }
    Ok(())
}
