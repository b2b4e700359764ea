//! Leases that are, or may be, of an earlier or another stream: their checkpoints mean nothing in this one.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::assignment::origin::{Name, Origin, StreamAtStart};
use crate::event::LeaseEvent;
use crate::lease::model::Lease;
use crate::observers::Observers;
use crate::shard_sync::former::{Age, OnRecreated, age};

/// Tells the leases of this stream from the others.
#[derive(Debug, Clone)]
pub(crate) struct OtherStreams {
    /// The stream whose shards are read.
    pub(crate) stream: Arc<StreamAtStart>,
    /// Cancelled once another stream of the same name was seen.
    pub(crate) replaced: CancellationToken,
    pub(crate) on_recreated: OnRecreated,
    /// Is told of leases of a former or a later stream that are to be replaced.
    pub(crate) found: Arc<Notify>,
}

/// The leases of one look at the table that were left out.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    others: usize,
    unmarked: usize,
    former: usize,
}

impl OtherStreams {
    /// Whether `lease` is of this stream. One that is not is counted in `left_out`.
    pub(crate) fn is_of_this(&self, lease: &Lease, left_out: &mut LeftOut) -> bool {
        let name = match self.replaced.is_cancelled() {
            true => Name::Replaced,
            false => Name::Kept,
        };
        match self.stream.origin(lease, name) {
            Origin::ThisStream => return true,
            Origin::AnotherStream => {
                let age = age(&lease.own.stream, &self.stream.incarnation);
                match (self.on_recreated, age) {
                    (OnRecreated::Restart, Age::Former) => left_out.former += 1,
                    (OnRecreated::Restart, Age::Later) => self.found.notify_one(),
                    (OnRecreated::Restart, Age::Same | Age::Other) | (OnRecreated::Halt, _) => left_out.others += 1,
                }
            }
            Origin::Unmarked => left_out.unmarked += 1,
        }
        false
    }

    /// Tells of the leases of the table `table` that were left out.
    pub(crate) fn tell(&self, left_out: &LeftOut, table: &str, observers: &Observers) {
        let table = || table.to_owned();
        let repeated = 0;
        if left_out.former > 0 {
            let (table, leases) = (table(), left_out.former);
            observers.tell(LeaseEvent::OfFormerStream {
                table,
                leases,
                repeated,
            });
            self.found.notify_one();
        }
        if left_out.others > 0 {
            let (table, leases) = (table(), left_out.others);
            observers.tell(LeaseEvent::OfAnotherStream {
                table,
                leases,
                repeated,
            });
        }
        if left_out.unmarked > 0 {
            let (table, leases) = (table(), left_out.unmarked);
            observers.tell(LeaseEvent::Unmarked {
                table,
                leases,
                repeated,
            });
        }
    }
}
