//! The task behind the renewer: it carries out what the holdings decide.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use service::Clock;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::checkpoint::error::CheckpointError;
use crate::error::{CallErrorKind, TableError, WorkerError};
use crate::event::LeaseEvent;
use crate::lease::guard::{LeaseGuard, LeaseState, Signal};
use crate::lease::holdings::{Adopted, Holdings, OwnershipId};
use crate::lease::listings::Listings;
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::ownership::{Effect, End, Listing};
use crate::lease::renewer::progress::{ProgressView, progress};
use crate::lease::renewer::{Answer, Message, OwnedLease, RenewerParts};
use crate::lease::table::LeaseTable;
use crate::lease::write::{LeaseWrite, OwnerWrite, Then, WriteOutcome};
use crate::metrics::Outcome;
use crate::observers::Observers;
use crate::trouble::Trouble;

/// Writes that may be in flight at once. Our choice: each takes a connection, and a table that answers within 100 ms lets
/// that many renew 10,000 leases in time.
const WRITES_IN_FLIGHT: usize = 512;

/// The state of the task.
#[derive(Debug)]
pub(crate) struct RenewerTask {
    clock: Clock,
    table: Arc<dyn LeaseTable>,
    worker: WorkerId,
    timeout: Duration,
    messages: mpsc::Receiver<Message>,
    holdings: Holdings<Answer>,
    published: BTreeMap<LeaseKey, Published>,
    writing: FuturesUnordered<BoxFuture<'static, Written>>,
    room: Arc<Semaphore>,
    writes: Trouble<TableError>,
    listings: Listings,
    /// Rows that are gone, and whether the service lists their shards.
    doubted: FuturesUnordered<BoxFuture<'static, (OwnershipId, Listing)>>,
    observers: Observers,
}

/// What the consumer of a lease is told, and tells.
#[derive(Debug)]
struct Published {
    state: watch::Sender<LeaseState>,
    progress: ProgressView,
}

/// A write that has ended.
#[derive(Debug)]
struct Written {
    /// `None`: a lease that was given back as soon as it was taken.
    id: Option<OwnershipId>,
    outcome: WriteOutcome,
    sent: Instant,
    measured_as: Outcome,
}

impl RenewerTask {
    pub(super) fn new(parts: RenewerParts, messages: mpsc::Receiver<Message>) -> Self {
        Self {
            holdings: Holdings::new(parts.worker.clone(), parts.terms, parts.rng),
            clock: parts.clock,
            table: parts.table,
            worker: parts.worker,
            timeout: parts.write_timeout,
            messages,
            published: BTreeMap::new(),
            writing: FuturesUnordered::new(),
            room: Arc::new(Semaphore::new(WRITES_IN_FLIGHT)),
            writes: parts.writes,
            listings: parts.listings,
            doubted: FuturesUnordered::new(),
            observers: parts.observers,
        }
    }

    /// Runs until every [`Renewer`](crate::lease::renewer::Renewer) is gone.
    ///
    /// # Errors
    ///
    /// [`WorkerError::WorkerIdInUse`] if another process writes rows under this worker's id.
    pub(crate) async fn run(mut self) -> Result<(), WorkerError> {
        loop {
            let now = self.clock.now();
            for (key, effect) in self.holdings.handle_timeout(now) {
                self.apply(&key, effect)?;
            }
            let published = &self.published;
            let deferred = |lease: &LeaseKey| published.get(lease)?.progress.deferred();
            while let Some((id, write)) = self.holdings.poll_write(now, deferred) {
                self.writing.push(self.write(Some(id), write));
            }
            let next = self.holdings.poll_timeout();
            tokio::select! {
                biased;
                Some(written) = self.writing.next() => self.on_written(written)?,
                Some((id, listing)) = self.doubted.next() => {
                    let now = self.clock.now();
                    for effect in self.holdings.listed(&id, listing, now) {
                        self.apply(&id.key, effect)?;
                    }
                }
                message = self.messages.recv() => match message {
                    Some(message) => self.on_message(message)?,
                    None => return Ok(()),
                },
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    fn write(&self, id: Option<OwnershipId>, write: LeaseWrite) -> BoxFuture<'static, Written> {
        let (table, timeout, room) = (Arc::clone(&self.table), self.timeout, Arc::clone(&self.room));
        let clock = self.clock.clone();
        let measured_as = match write.checkpoint() {
            Some(_) => Outcome::CHECKPOINT,
            None => Outcome::RENEW,
        };
        Box::pin(async move {
            let written = |outcome, sent| Written {
                id,
                outcome,
                sent,
                measured_as,
            };
            let begun = clock.now();
            let Some(Ok(_room)) = clock.timeout(timeout, room.acquire()).await else {
                return written(WriteOutcome::NotApplied(not_sent()), begun);
            };
            let sent = clock.now();
            let outcome = clock.timeout(timeout, table.write(&write)).await;
            let outcome = outcome.unwrap_or_else(|| WriteOutcome::Unknown(timed_out(write.operation(), timeout)));
            written(outcome, sent)
        })
    }

    fn on_message(&mut self, message: Message) -> Result<(), WorkerError> {
        let now = self.clock.now();
        match message {
            Message::Adopt { row, sent, owned } => self.adopt(*row, sent, owned),
            Message::Request { id, request } => match self.holdings.request(&id, request, now) {
                Ok(effects) => {
                    for effect in effects {
                        self.apply(&id.key, effect)?;
                    }
                }
                Err(waiter) => answer(waiter, Err(CheckpointError::LeaseLost)),
            },
            Message::ConsumerEnded(id) => self.holdings.consumer_ended(&id, now),
            Message::Drain(drain) => {
                for (key, effect) in self.holdings.drain(&drain) {
                    self.apply(&key, effect)?;
                }
            }
            // Nobody waits for the answer any more: the search for leases has been stopped.
            Message::Occupied(answer) => drop(answer.send(self.holdings.occupied())),
        }
        Ok(())
    }

    fn adopt(&mut self, row: Lease, sent: Instant, owned: oneshot::Sender<OwnedLease>) {
        let adopted = match self.holdings.adopt(row.clone(), sent) {
            Ok(adopted) => adopted,
            Err(row) => {
                let give_back = OwnerWrite {
                    then: Then::Release,
                    ..OwnerWrite::renewal(*row)
                };
                return self.writing.push(self.write(None, LeaseWrite::Owner(give_back)));
            }
        };
        let Adopted { id, valid_until, drain } = adopted;
        let signal = drain.map_or(Signal::Run, Signal::Drain);
        let (state, watched) = watch::channel(LeaseState { valid_until, signal });
        let (port, progress) = progress();
        self.published.insert(id.key.clone(), Published { state, progress });
        let guard = LeaseGuard::new(id.epoch, watched, self.clock.clone());
        if owned
            .send(OwnedLease {
                lease: row,
                guard,
                progress: port,
            })
            .is_err()
        {
            self.holdings.consumer_ended(&id, self.clock.now());
        }
    }

    fn on_written(&mut self, written: Written) -> Result<(), WorkerError> {
        let result = written.outcome.result();
        self.observers.ended(written.measured_as, written.sent, &result);
        match &result {
            Ok(()) | Err(None) => self.writes.over(),
            Err(Some(error)) => self.writes.met((*error).clone(), self.clock.now()),
        }
        let Some(id) = written.id else {
            return Ok(());
        };
        if let Err(Some(error)) = result {
            let event = LeaseEvent::write_failed(self.table.name(), &id.key, error.clone());
            self.observers.tell(event);
        }
        let (outcome, now) = (written.outcome, self.clock.now());
        for effect in self.holdings.handle_outcome(&id, outcome, now) {
            self.apply(&id.key, effect)?;
        }
        Ok(())
    }

    fn apply(&mut self, key: &LeaseKey, effect: Effect<Answer>) -> Result<(), WorkerError> {
        match effect {
            Effect::Valid { until } => self.change_state(key, |state| state.valid_until = until),
            Effect::Drain(drain) => self.change_state(key, |state| state.signal = Signal::Drain(drain)),
            Effect::Vanished { epoch, shard, stream } => {
                let (listings, clock, timeout) = (self.listings.clone(), self.clock.clone(), self.timeout);
                let id = OwnershipId {
                    key: key.clone(),
                    epoch,
                };
                self.doubted.push(Box::pin(async move {
                    let listing = listings.of(shard, stream, timeout, &clock).await;
                    (id, listing)
                }));
            }
            Effect::MadeAgain => self.observers.tell(LeaseEvent::MadeAgain {
                table: self.table.name().to_owned(),
                lease: key.clone(),
                repeated: 0,
            }),
            Effect::Reached(position) => {
                if let Some(published) = self.published.get(key) {
                    published.progress.reach(position);
                }
            }
            Effect::Checkpointed { waiter } => answer(waiter, Ok(())),
            Effect::NotCheckpointed { waiter, error } => answer(waiter, Err(error.into())),
            Effect::Ended { end, waiters, leaver } => return self.ended(key, end, waiters, leaver),
        }
        Ok(())
    }

    fn change_state(&self, key: &LeaseKey, change: impl FnOnce(&mut LeaseState)) {
        if let Some(published) = self.published.get(key) {
            published.state.send_modify(change);
        }
    }

    fn ended(
        &mut self,
        key: &LeaseKey,
        end: End,
        waiters: Vec<Answer>,
        leaver: Option<Answer>,
    ) -> Result<(), WorkerError> {
        let left = matches!(end, End::Released | End::HandedOver { .. });
        self.observers.tell(LeaseEvent::end_of(key.clone(), end.clone()));
        self.change_state(key, |state| state.signal = Signal::Lost(end.clone()));
        self.published.remove(key);
        for waiter in waiters {
            answer(waiter, Err(CheckpointError::LeaseLost));
        }
        if let Some(leaver) = leaver {
            answer(leaver, if left { Ok(()) } else { Err(CheckpointError::LeaseLost) });
        }
        match end {
            End::WorkerIdInUse => Err(WorkerError::WorkerIdInUse {
                worker: self.worker.clone(),
                lease: key.clone(),
            }),
            End::Lapsed
            | End::Taken { .. }
            | End::Released
            | End::HandedOver { .. }
            | End::Gone
            | End::StreamCreatedAgain => Ok(()),
        }
    }
}

/// A caller that no longer waits has dropped its end.
fn answer(waiter: Answer, result: Result<(), CheckpointError>) {
    drop(waiter.send(result));
}

fn not_sent() -> TableError {
    let message = format!("not sent: {WRITES_IN_FLIGHT} other writes of this worker are in flight");
    TableError {
        operation: "UpdateItem",
        kind: CallErrorKind::Unavailable {
            code: "NotSent".into(),
            message,
        },
    }
}

/// The error of a call to the lease table that got no answer within `timeout`.
pub(crate) fn timed_out(operation: &'static str, timeout: Duration) -> TableError {
    let message = format!("no answer within {timeout:?}: the lease table is slow, or out of reach");
    TableError {
        operation,
        kind: CallErrorKind::Unavailable {
            code: "Timeout".into(),
            message,
        },
    }
}
