//! The leases of the children of an ended shard, created for the worker that has read their parent.
//!
//! They are created by the search for leases, because it alone decides what this worker has: a lease that is created for
//! this worker beside it would be found as one that names this worker and is not held, and be taken a second time.

use tokio::sync::{mpsc, oneshot};

use crate::assignment::task::Assignment;
use crate::error::TableError;
use crate::event::LeaseEvent;
use crate::lease::model::Lease;
use crate::lease::renewer::timed_out;
use crate::lease::table::Creation;

/// Requests that may wait for the search for leases. A consumer with another one waits until there is room.
const REQUESTS: usize = 64;

/// The way from consumers to the search for leases. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ChildLeases {
    requests: mpsc::Sender<NewChildren>,
}

/// The leases of the children of one shard, which are to be created.
#[derive(Debug)]
pub(crate) struct NewChildren {
    leases: Vec<Lease>,
    created: oneshot::Sender<Result<(), TableError>>,
}

impl NewChildren {
    /// The leases, and where the result goes.
    pub(crate) fn into_parts(self) -> (Vec<Lease>, oneshot::Sender<Result<(), TableError>>) {
        (self.leases, self.created)
    }
}

impl ChildLeases {
    /// The two ends of the way.
    pub(crate) fn new() -> (Self, mpsc::Receiver<NewChildren>) {
        let (requests, received) = mpsc::channel(REQUESTS);
        (Self { requests }, received)
    }

    /// Creates the leases that do not exist, as this worker's if it may have them. `None`: the search for leases has ended,
    /// so they are not created, or not all of them.
    pub(crate) async fn create(&self, leases: Vec<Lease>) -> Option<Result<(), TableError>> {
        let (created, answered) = oneshot::channel();
        self.requests.send(NewChildren { leases, created }).await.ok()?;
        answered.await.ok()
    }
}

impl Assignment {
    /// Creates the leases of an ended shard's children.
    pub(super) async fn create_children(&mut self, children: NewChildren) {
        let mut created = Ok(());
        for lease in children.leases {
            if created.is_ok() {
                created = self.create_child(lease).await;
            }
        }
        // The consumer that asked has ended.
        drop(children.created.send(created));
    }

    async fn create_child(&mut self, child: Lease) -> Result<(), TableError> {
        let held = self.unfinished().await;
        let mut child = child;
        if self.taker.may_have_child(&child, &held) {
            child.owner = Some(self.worker.clone());
            // No take raises the counter of this ownership.
            let base = self.own_attributes(&child.key).token_base;
            child.own.token_base = base.map(|base| base.saturating_add(1));
        }
        // A creation without an answer may have worked: then the row has our name, and the next search recovers it.
        let sent = self.clock.now();
        let created = self.clock.timeout(self.write_timeout, self.table.create(&child)).await;
        match created.ok_or_else(|| timed_out("PutItem", self.write_timeout))?? {
            Creation::Created => {}
            // Another worker was quicker, or an earlier attempt.
            Creation::Existed => return Ok(()),
        }
        self.observers.tell(LeaseEvent::Created {
            lease: child.key.clone(),
            reason: "its parent was read to the end".to_owned(),
        });
        if child.owner.is_some() {
            self.hand_over(child, sent).await;
        }
        Ok(())
    }
}
