//! The task that writes this worker's lease rows, alone: renewals, checkpoints and releases cannot race on a counter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::error::{CallErrorKind, CheckpointError, TableError};
use crate::event::Event;
use crate::lease::guard::{LeaseEpoch, LeaseGuard, Validity};
use crate::lease::held::{Change, Effect, Held, Update, Write};
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::table::LeaseTable;
use crate::lease::write::WriteOutcome;

/// Requests that may wait for the renewer; whoever comes after them waits to hand its request over.
const REQUESTS: usize = 256;

/// The way to the renewer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Renewer {
    requests: mpsc::Sender<Request>,
    held: watch::Receiver<BTreeSet<LeaseKey>>,
}

/// A lease that this worker has just come to hold.
#[derive(Debug)]
pub(crate) struct OwnedLease {
    pub(crate) lease: Lease,
    pub(crate) guard: LeaseGuard,
}

type Waiter = oneshot::Sender<Result<(), CheckpointError>>;

#[derive(Debug)]
enum Request {
    Adopt {
        lease: Box<Lease>,
        sent: Instant,
        owned: oneshot::Sender<OwnedLease>,
    },
    Change {
        key: LeaseKey,
        epoch: LeaseEpoch,
        change: Change,
        waiter: Waiter,
    },
    /// Nobody reads for this ownership any more.
    ConsumerEnded { key: LeaseKey, epoch: LeaseEpoch },
}

/// The state of the task.
#[derive(Debug)]
pub(crate) struct RenewerTask {
    table: Arc<dyn LeaseTable>,
    timeout: Duration,
    requests: mpsc::Receiver<Request>,
    held: Held<Waiter>,
    held_keys: watch::Sender<BTreeSet<LeaseKey>>,
    validities: BTreeMap<LeaseKey, watch::Sender<Validity>>,
    writing: FuturesUnordered<BoxFuture<'static, EndedWrite>>,
}

#[derive(Debug)]
struct EndedWrite {
    write: Write,
    sent: Instant,
    result: Result<Update, TableError>,
}

/// How long leases last and how often they are renewed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenewalTimes {
    pub(crate) failover: Duration,
    pub(crate) renewal: Duration,
    pub(crate) write_timeout: Duration,
}

impl Renewer {
    /// A renewer and the task that has to run for it.
    pub(crate) fn new(table: Arc<dyn LeaseTable>, worker: WorkerId, times: RenewalTimes) -> (Self, RenewerTask) {
        let (requests, received) = mpsc::channel(REQUESTS);
        let (held_keys, held) = watch::channel(BTreeSet::new());
        let task = RenewerTask {
            table,
            timeout: times.write_timeout,
            requests: received,
            held: Held::new(worker, times.failover, times.renewal),
            held_keys,
            validities: BTreeMap::new(),
            writing: FuturesUnordered::new(),
        };
        (Self { requests, held }, task)
    }

    /// The keys of the leases held now.
    pub(crate) fn held_keys(&self) -> BTreeSet<LeaseKey> {
        self.held.borrow().clone()
    }

    /// Hands over a lease that was taken by a write sent at `sent`. `None` if the renewer has ended.
    pub(crate) async fn adopt(&self, lease: Lease, sent: Instant) -> Option<OwnedLease> {
        let (owned, adopted) = oneshot::channel();
        let lease = Box::new(lease);
        self.requests.send(Request::Adopt { lease, sent, owned }).await.ok()?;
        adopted.await.ok()
    }

    /// Ends the ownership `epoch`, because its consumer has ended: the lease is not renewed any more.
    pub(crate) async fn consumer_ended(&self, key: LeaseKey, epoch: LeaseEpoch) {
        // A renewer that has ended holds nothing any more.
        drop(self.requests.send(Request::ConsumerEnded { key, epoch }).await);
    }

    /// Makes a change as the holder of `epoch`.
    pub(crate) async fn change(
        &self,
        key: &LeaseKey,
        epoch: LeaseEpoch,
        change: Change,
    ) -> Result<(), CheckpointError> {
        let (waiter, changed) = oneshot::channel();
        let request = Request::Change {
            key: key.clone(),
            epoch,
            change,
            waiter,
        };
        // A renewer that has ended holds nothing any more.
        self.requests
            .send(request)
            .await
            .map_err(|_| CheckpointError::LeaseLost)?;
        changed.await.unwrap_or(Err(CheckpointError::LeaseLost))
    }
}

impl RenewerTask {
    /// Runs until every [`Renewer`] is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let now = clock::now();
            for effect in self.held.expire(now) {
                self.apply(effect, None);
            }
            for write in self.held.writes(now) {
                self.writing.push(self.write(write, now));
            }
            let next_at = self.held.next_at();
            tokio::select! {
                biased;
                Some(ended) = self.writing.next() => self.on_ended(ended),
                request = self.requests.recv() => match request {
                    Some(request) => self.on_request(request),
                    None => return,
                },
                () = clock::sleep_until(next_at) => {}
            }
        }
    }

    fn write(&self, write: Write, sent: Instant) -> BoxFuture<'static, EndedWrite> {
        let (table, timeout) = (Arc::clone(&self.table), self.timeout);
        Box::pin(async move {
            let result = match tokio::time::timeout(timeout, table.write(&write.of_row())).await {
                Ok(WriteOutcome::Applied(lease)) => Ok(Update::Applied(lease)),
                Ok(WriteOutcome::Refused(row)) => Ok(Update::Refused(row)),
                Ok(WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error)) => Err(error),
                Err(_) => Err(timed_out(timeout)),
            };
            EndedWrite { write, sent, result }
        })
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Adopt { lease, sent, owned } => {
                let key = lease.key.clone();
                let (epoch, until) = self.held.adopt(Lease::clone(&lease), sent);
                let (validity, watched) = watch::channel(Validity::Until(until));
                self.validities.insert(key, validity);
                self.publish_keys();
                let owned_lease = OwnedLease {
                    lease: *lease,
                    guard: LeaseGuard::new(epoch, watched),
                };
                if let Err(unread) = owned.send(owned_lease) {
                    self.end(&unread.lease.key, epoch);
                }
            }
            Request::ConsumerEnded { key, epoch } => self.end(&key, epoch),
            Request::Change {
                key,
                epoch,
                change,
                waiter,
            } => {
                if let Err(waiter) = self.held.request(&key, epoch, change, waiter) {
                    answer(waiter, Err(CheckpointError::LeaseLost));
                }
            }
        }
    }

    /// No consumer reads for this ownership.
    fn end(&mut self, key: &LeaseKey, epoch: LeaseEpoch) {
        for effect in self.held.consumer_ended(key, epoch) {
            self.apply(effect, None);
        }
    }

    fn on_ended(&mut self, ended: EndedWrite) {
        let EndedWrite { write, sent, result } = ended;
        let (update, error) = match result {
            Ok(update) => (Some(update), None),
            Err(error) => {
                Event::LeaseWriteFailed {
                    lease: &write.seen.key,
                    error: &error,
                }
                .emit();
                (None, Some(error))
            }
        };
        for effect in self.held.ended(write, sent, update, clock::now()) {
            self.apply(effect, error.as_ref());
        }
    }

    fn apply(&mut self, effect: Effect<Waiter>, error: Option<&TableError>) {
        match effect {
            Effect::Valid { key, until } => {
                if let Some(validity) = self.validities.get(&key) {
                    validity.send_replace(Validity::Until(until));
                }
            }
            Effect::Done { waiter } => answer(waiter, Ok(())),
            Effect::Failed { waiter } => {
                let error = error.cloned().unwrap_or_else(|| timed_out(self.timeout));
                answer(waiter, Err(CheckpointError::Table(error)));
            }
            Effect::Lost { key, waiters } => {
                Event::LeaseLost { lease: &key }.emit();
                self.forget(&key, waiters);
            }
            Effect::Released { key, done, waiters } => {
                self.forget(&key, waiters);
                if let Some(done) = done {
                    answer(done, Ok(()));
                }
            }
        }
    }

    /// The lease is no longer held: its guard says so, and whoever waits for a change of it is told.
    fn forget(&mut self, key: &LeaseKey, waiters: Vec<Waiter>) {
        if let Some(validity) = self.validities.remove(key) {
            validity.send_replace(Validity::Lost);
        }
        for waiter in waiters {
            answer(waiter, Err(CheckpointError::LeaseLost));
        }
        self.publish_keys();
    }

    fn publish_keys(&self) {
        self.held_keys.send_replace(self.held.keys());
    }
}

/// A caller that no longer waits has dropped its end.
fn answer(waiter: Waiter, result: Result<(), CheckpointError>) {
    drop(waiter.send(result));
}

fn timed_out(timeout: Duration) -> TableError {
    let message = format!("no answer within {timeout:?}, a fifth of the failover time");
    TableError {
        operation: "UpdateItem",
        kind: CallErrorKind::Unavailable {
            code: "Timeout".into(),
            message,
        },
    }
}
