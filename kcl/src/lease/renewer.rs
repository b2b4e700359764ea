//! The task that writes this worker's lease rows, alone: renewals, checkpoints and releases cannot race on a counter.
//!
//! This file is the way to it; `task` is the task; `progress` goes between it and a consumer without messages.

mod progress;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::Clock;
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::Position;
use crate::error::TableError;
use crate::lease::guard::LeaseGuard;
use crate::lease::holdings::{OwnershipId, Request};
use crate::lease::listings::Listings;
use crate::lease::model::{IdlePosition, Lease, LeaseKey, PendingCheckpoint, WorkerId};
use crate::lease::ownership::{Drain, Terms, Waiter};
use crate::lease::table::LeaseTable;
use crate::observers::Observers;
use crate::stream::{Incarnation, ShardId};
use crate::trouble::Trouble;
pub(crate) use progress::ProgressPort;
pub(crate) use task::{RenewerTask, timed_out};

/// Requests that may wait for the renewer. A caller with another one waits until there is room.
const REQUESTS: usize = 256;

/// The way to the renewer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Renewer {
    messages: mpsc::Sender<Message>,
}

/// A lease that this worker has just come to hold.
#[derive(Debug)]
pub(crate) struct OwnedLease {
    pub(crate) lease: Lease,
    pub(crate) guard: LeaseGuard,
    pub(crate) progress: ProgressPort,
}

impl OwnedLease {
    /// Which ownership of which lease it is.
    pub(crate) fn id(&self) -> OwnershipId {
        OwnershipId {
            key: self.lease.key.clone(),
            epoch: self.guard.epoch(),
        }
    }
}

type Answer = oneshot::Sender<Result<(), CheckpointError>>;

impl Waiter for Answer {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

#[derive(Debug)]
enum Message {
    Adopt {
        row: Box<Lease>,
        sent: Instant,
        owned: oneshot::Sender<OwnedLease>,
    },
    Request {
        id: OwnershipId,
        request: Request<Answer>,
    },
    ConsumerEnded(OwnershipId),
    Drain(Drain),
    Occupied(oneshot::Sender<BTreeSet<LeaseKey>>),
}

/// The parts of a renewer.
#[derive(Debug)]
pub(crate) struct RenewerParts {
    pub(crate) table: Arc<dyn LeaseTable>,
    pub(crate) worker: WorkerId,
    pub(crate) terms: Terms,
    /// How long a write may take.
    pub(crate) write_timeout: Duration,
    /// Where writes that fail are noted until one is answered.
    pub(crate) writes: Trouble<TableError>,
    /// By which it learns whether a shard still exists.
    pub(crate) listings: Listings,
    pub(crate) clock: Clock,
    pub(crate) rng: fastrand::Rng,
    pub(crate) observers: Observers,
}

impl Renewer {
    /// A renewer and the task that has to run for it.
    pub(crate) fn new(parts: RenewerParts) -> (Self, RenewerTask) {
        let (messages, received) = mpsc::channel(REQUESTS);
        let task = RenewerTask::new(parts, received);
        (Self { messages }, task)
    }

    /// Hands over a lease that was taken by a write sent at `sent`. `None` if it is not held: the renewer has ended, or the
    /// consumer of an earlier ownership still runs.
    pub(crate) async fn adopt(&self, row: Lease, sent: Instant) -> Option<OwnedLease> {
        let (owned, adopted) = oneshot::channel();
        let row = Box::new(row);
        self.messages.send(Message::Adopt { row, sent, owned }).await.ok()?;
        adopted.await.ok()
    }

    /// The keys that must not be taken: the keys of held leases, and of leases whose consumers still run.
    pub(crate) async fn occupied(&self) -> BTreeSet<LeaseKey> {
        let (answer, occupied) = oneshot::channel();
        drop(self.messages.send(Message::Occupied(answer)).await);
        occupied.await.unwrap_or_default()
    }

    /// Writes a checkpoint.
    pub(crate) async fn checkpoint(&self, id: &OwnershipId, position: Position) -> Result<(), CheckpointError> {
        self.ask(id, |answer| Request::Checkpoint(position, answer)).await
    }

    /// Writes a checkpoint soon, without waiting for it.
    pub(crate) async fn checkpoint_soon(&self, id: &OwnershipId, position: Position) {
        let (id, request) = (id.clone(), Request::Checkpoint(position, oneshot::channel().0));
        drop(self.messages.send(Message::Request { id, request }).await);
    }

    /// Writes a prepared checkpoint.
    pub(crate) async fn prepare(&self, id: &OwnershipId, pending: PendingCheckpoint) -> Result<(), CheckpointError> {
        self.ask(id, |answer| Request::Prepare(pending, answer)).await
    }

    /// Notes the children of a shard in its row, together with the next write.
    pub(crate) async fn set_children(&self, id: &OwnershipId, children: BTreeSet<ShardId>) {
        let (id, request) = (id.clone(), Request::Children(children));
        drop(self.messages.send(Message::Request { id, request }).await);
    }

    /// Notes the stream of a shard in its row, if that does not say it, together with the next write.
    pub(crate) async fn set_stream(&self, id: &OwnershipId, stream: Incarnation) {
        let (id, request) = (id.clone(), Request::Stream(stream));
        drop(self.messages.send(Message::Request { id, request }).await);
    }

    /// Notes in a row that the shard had no records behind a checkpoint, together with the next write.
    pub(crate) async fn set_idle(&self, id: &OwnershipId, idle: IdlePosition) {
        let (id, request) = (id.clone(), Request::Idle(idle));
        drop(self.messages.send(Message::Request { id, request }).await);
    }

    /// Gives a lease up, released or handed over. Waits until that is certain.
    pub(crate) async fn leave(&self, id: &OwnershipId) -> Result<(), CheckpointError> {
        self.ask(id, Request::Leave).await
    }

    /// Gives a lease up with its checkpoint at `position`, also back. Waits until that is certain; an error leaves it open.
    pub(crate) async fn leave_at(&self, id: &OwnershipId, position: Position) -> Result<(), CheckpointError> {
        self.ask(id, |answer| Request::LeaveAt(position, answer)).await
    }

    /// Gives a lease up without waiting for it. Its key stays occupied until its consumer has ended.
    pub(crate) async fn give_up(&self, id: &OwnershipId) {
        let (id, request) = (id.clone(), Request::Leave(oneshot::channel().0));
        drop(self.messages.send(Message::Request { id, request }).await);
    }

    /// Notes that a consumer has ended: its lease is given up, if it is still held.
    pub(crate) async fn consumer_ended(&self, id: OwnershipId) {
        drop(self.messages.send(Message::ConsumerEnded(id)).await);
    }

    /// Asks every consumer to finish.
    pub(crate) async fn drain(&self, drain: Drain) {
        drop(self.messages.send(Message::Drain(drain)).await);
    }

    async fn ask(
        &self,
        id: &OwnershipId,
        request: impl FnOnce(Answer) -> Request<Answer>,
    ) -> Result<(), CheckpointError> {
        let (answer, answered) = oneshot::channel();
        let (id, request) = (id.clone(), request(answer));
        let sent = self.messages.send(Message::Request { id, request }).await;
        // A renewer that has ended holds nothing any more.
        sent.map_err(|_| CheckpointError::LeaseLost)?;
        answered.await.unwrap_or(Err(CheckpointError::LeaseLost))
    }
}
