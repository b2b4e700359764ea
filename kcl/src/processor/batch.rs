//! The records of one call.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::guard::LeaseGuard;
use crate::record::Record;
use crate::retrieval::permit::Permit;

/// Records of one shard, in its order.
///
/// The memory of its records counts against the worker's `read_budget` until the batch is dropped. Records that are kept
/// longer stay counted with its [`room`](Self::room).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// The records; at least one, and at most `max_batch_records`.
    pub records: Vec<Record>,
    /// How far behind the newest record of the shard the page of these records ends, if the service says so. It is 0 for a
    /// reader that has caught up.
    #[doc(alias = "millisBehindLatest")]
    pub lag: Option<Duration>,
    /// Whether the lease is still held. Work whose effect nobody would use can be stopped when it is not.
    pub lease: LeaseGuard,
    /// Room for the records in the read budget.
    pub(crate) _room: Option<Arc<Permit>>,
}

impl Batch {
    /// The room of its records in the read budget, for records that outlive their batch.
    pub fn room(&self) -> BatchRoom {
        BatchRoom {
            _permit: self._room.clone(),
        }
    }
}

/// Room in the worker's `read_budget`, kept until each clone and the [`Batch`] are dropped.
///
/// It is the room of a whole page, which several batches may share. While it is kept, the worker reads less.
#[derive(Debug, Clone)]
pub struct BatchRoom {
    _permit: Option<Arc<Permit>>,
}
