//! Handlers of single records, which tell the witness what they are given.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use futures::FutureExt as _;
use kcl::{Batch, Checkpointer, HandlerError, LeaseGuard, LeaseLost, PerKey, Record, RecordProcessor, ShardContext};
use oracle::{ConsumerFact, Fact, LeaseClaim, Ownership, Place};
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::lookout::Lookout;
use crate::poison::Stumble;
use crate::recorder::{STALL, claim, offered, ownership, position};
use crate::sometimes::DRAINED;

/// Records fail so much more seldom than batches, which have several of them, in percent.
const RARER: u8 = 10;

/// What is done with single records.
pub(crate) struct RecordHandler {
    fleet: Fleet,
    rng: Mutex<Rng>,
    /// How often it has stalled: twice at most, as the time to recover allows for two batches of a shard.
    stalls: AtomicUsize,
}

impl RecordHandler {
    pub(crate) fn new(fleet: Fleet, rng: Rng) -> Self {
        let rng = Mutex::new(rng);
        Self {
            fleet,
            rng,
            stalls: AtomicUsize::new(0),
        }
    }

    /// Works on a record for a while, with or without success.
    async fn work(&self, record: &Record, lease: Option<&LeaseGuard>) -> Result<(), Stumble> {
        let handlers = self.fleet.scenario.handlers;
        // Records that run at once may take longer.
        let (percent, share) = match lease {
            Some(_) => (30, 3),
            None => (10, 10),
        };
        // Of the time that each of thousands of records takes, the time to recover knows nothing.
        if self.fleet.is_producing() && self.chance(percent) {
            let longest = u64::try_from(handlers.work.as_millis()).unwrap_or(0) / share;
            let work = self.rng().u64(0..=longest);
            sleep(Duration::from_millis(work)).await;
        }
        let stalls = self.chance(handlers.stalls) && self.chance(RARER);
        if stalls && self.stalls.fetch_add(1, Ordering::Relaxed) < 2 {
            let stall = self.rng().u64(STALL);
            sleep(Duration::from_secs(stall)).await;
        }
        if let Some(how) = self.fleet.fails_on(record) {
            let watched = lease.filter(|_| self.chance(50));
            return Err(self.fleet.stumble(how, watched).await);
        }
        if self.fleet.is_out() || self.chance(handlers.failures) && self.chance(RARER) {
            return Err("the handler failed on purpose".into());
        }
        if self.chance(handlers.panics) && self.chance(RARER) {
            std::panic::resume_unwind(Box::new("the handler panicked on purpose"));
        }
        Ok(())
    }

    fn chance(&self, percent: u8) -> bool {
        percent > 0 && self.rng().u8(..100) < percent
    }

    fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is called with one record after the other: the form of a closure.
    pub(crate) async fn one_by_one(&self, record: Record, lookout: &Lookout) -> Result<(), HandlerError> {
        let ownership = lookout.ownership_of(&record);
        let tell = |fact| self.fleet.witness.tell(Fact::Consumer(ownership.clone(), fact));
        tell(ConsumerFact::Offered {
            records: vec![offered(&record)],
            lease: LeaseClaim::Held,
        });
        let worked = AssertUnwindSafe(self.work(&record, None)).catch_unwind().await;
        tell(match &worked {
            Ok(Ok(())) => ConsumerFact::Processed { through: None },
            Ok(Err(Stumble { asks: Some(asks), .. })) => ConsumerFact::GaveUp { asks: *asks },
            Ok(Err(_)) | Err(_) => ConsumerFact::Failed,
        });
        let worked = worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        worked.map_err(|stumble| stumble.error)
    }
}

/// A `PerKey` whose calls, and the records that it runs, are told.
pub(crate) struct Concurrent {
    inner: PerKey,
    shard: Arc<Running>,
}

/// The records of a shard that run.
struct Running {
    handler: RecordHandler,
    ownership: Ownership,
    lease: LeaseGuard,
    count: AtomicUsize,
}

impl Concurrent {
    pub(crate) fn new(worker: &str, shard: &ShardContext, fleet: &Fleet, rng: Rng) -> Self {
        let running = Arc::new(Running {
            handler: RecordHandler::new(fleet.clone(), rng),
            ownership: ownership(worker, shard),
            lease: shard.lease.clone(),
            count: AtomicUsize::new(0),
        });
        let (application, shard) = (&fleet.scenario.application, Arc::clone(&running));
        let inner = PerKey::new(move |record| {
            let running = Arc::clone(&running);
            async move { running.run(record).await }
        });
        Self {
            inner: inner
                .max_in_flight(application.in_flight)
                .window(application.window)
                .checkpoint_interval(application.checkpoint_interval),
            shard,
        }
    }
}

impl Running {
    async fn run(&self, record: Record) -> Result<(), HandlerError> {
        let lease = claim(&self.lease);
        let begun = offered(&record);
        self.tell(ConsumerFact::RecordBegun { record: begun, lease });
        // A record that panics or is dropped has failed.
        let mut end = End {
            running: self,
            fact: Some(failed(begun.place, None)),
        };
        self.count.fetch_add(1, Ordering::Relaxed);
        let worked = self.handler.work(&record, Some(&self.lease)).await;
        end.fact = Some(match &worked {
            Ok(()) => ConsumerFact::RecordDone { place: begun.place },
            Err(stumble) => failed(begun.place, stumble.asks),
        });
        worked.map_err(|stumble| stumble.error)
    }

    fn tell(&self, fact: ConsumerFact) {
        let fact = Fact::Consumer(self.ownership.clone(), fact);
        self.handler.fleet.witness.tell(fact);
    }
}

fn failed(place: Place, asks: Option<oracle::Asks>) -> ConsumerFact {
    ConsumerFact::RecordFailed { place, asks }
}

/// Tells how a record ended.
struct End<'a> {
    running: &'a Running,
    fact: Option<ConsumerFact>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.running.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(fact) = self.fact.take() {
            self.running.tell(fact);
        }
    }
}

impl RecordProcessor for Concurrent {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        let checkpoint = position(&shard.checkpoint);
        self.shard.tell(ConsumerFact::Initialized { checkpoint });
        self.inner.initialize(shard).await
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let processed = self.inner.process(batch, checkpointer).await;
        let position = position(&checkpointer.last());
        self.shard.tell(ConsumerFact::CheckpointAcknowledged { position });
        processed
    }

    async fn idle(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.inner.idle(checkpointer).await
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.inner.shard_ended(checkpointer).await?;
        self.shard.tell(ConsumerFact::ShardEnded);
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let running = self.shard.count.load(Ordering::Relaxed);
        let drained = self.inner.shutdown_requested(checkpointer).await;
        self.shard.tell(ConsumerFact::ShutdownRequested);
        if running > 0 && self.shard.lease.is_valid() {
            self.shard.handler.fleet.sim.note(DRAINED);
        }
        drained
    }

    async fn lease_lost(&mut self, reason: LeaseLost) {
        self.inner.lease_lost(reason).await;
        self.shard.tell(ConsumerFact::LeaseLost);
    }
}
