//! The application of a run: processors that tell the witness what they are given, and fail now and then.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use fastrand::Rng;
use futures::FutureExt as _;
use kcl::{
    Batch, CheckpointError, Checkpointer, HandlerError, LeaseGuard, Position, Record, RecordProcessor, ShardContext,
};
use oracle::{self, Asks, ConsumerFact, Digest, Fact, LeaseClaim, OfferedRecord, Ownership, Place, Process};
use testkit::kinesis::ShardId;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::poison::Stumble;
use crate::scenario::Handlers;

/// How long a handler takes that takes long, in seconds: half to two and a half lives of a lease.
pub(crate) const STALL: Range<u64> = 5..25;

/// The records of a batch that takes as long, and fails as often, as the run says.
const FULL: usize = 20;

/// How often a handler that fails is called again, by default.
const HANDLER_RETRIES: u32 = 7;

/// How a call to the application ended.
enum Called {
    Done,
    Failed,
    /// By the lease table, or because the lease is lost.
    Uncounted,
}

/// Processes one ownership of a shard.
pub(crate) struct Recorder {
    ownership: Ownership,
    fleet: Fleet,
    handlers: Handlers,
    rng: Rng,
    batches: u32,
    lease: Option<LeaseGuard>,
    /// Calls in a row that failed while the lease was held.
    failures: u32,
    /// The last record of the batch that it is at.
    last: Option<Place>,
    /// What its error asks for.
    asks: Option<Asks>,
    phases: Phases,
}

/// In how many phases it checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phases {
    One,
    Two,
}

impl Recorder {
    pub(crate) fn new(worker: &str, shard: &ShardContext, fleet: Fleet, rng: Rng) -> Self {
        Self::of(ownership(worker, shard), fleet, rng)
    }

    /// One for an ownership that has begun.
    pub(crate) fn of(ownership: Ownership, fleet: Fleet, rng: Rng) -> Self {
        Self {
            ownership,
            handlers: fleet.scenario.handlers,
            fleet,
            rng,
            batches: 0,
            lease: None,
            failures: 0,
            last: None,
            asks: None,
            phases: Phases::One,
        }
    }

    pub(crate) fn in_phases(self, phases: Phases) -> Self {
        Self { phases, ..self }
    }

    /// The task of a stream begins, perhaps anew.
    pub(crate) fn begin_task(&mut self, shard: &ShardContext) {
        let checkpoint = position(&shard.checkpoint);
        if self.fleet.begins_anew(&self.ownership) {
            self.tell(ConsumerFact::BegunAnew { checkpoint });
        } else {
            self.tell(ConsumerFact::Initialized { checkpoint });
        }
    }

    /// Is called with a batch, and may checkpoint it.
    pub(crate) async fn batch(
        &mut self,
        batch: &Batch,
        checkpointer: Option<&Checkpointer>,
    ) -> Result<(), HandlerError> {
        let records = batch.records.iter().map(offered).collect();
        let lease = claim(&batch.lease);
        self.last = batch.records.last().map(|record| offered(record).place);
        self.tell(ConsumerFact::Offered { records, lease });
        let worked = AssertUnwindSafe(self.work(batch, checkpointer)).catch_unwind().await;
        let failed = self
            .asks
            .take()
            .map_or(ConsumerFact::Failed, |asks| ConsumerFact::GaveUp { asks });
        let (outcome, fact) = match &worked {
            Ok(Ok(())) => (Called::Done, ConsumerFact::Processed { through: None }),
            // The table failed, or the lease is lost: such failures are not counted.
            Ok(Err(error)) if error.error().is::<CheckpointError>() => (Called::Uncounted, failed),
            Ok(Err(_)) | Err(_) => (Called::Failed, failed),
        };
        self.tell(fact);
        self.count(outcome, &batch.lease);
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Is told that the shard has ended.
    pub(crate) async fn end_of_shard(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.tell(ConsumerFact::ShardEnded);
        self.checkpoint(checkpointer).await
    }

    /// Is asked to stop.
    pub(crate) async fn shutdown(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.tell(ConsumerFact::ShutdownRequested);
        self.checkpoint(checkpointer).await
    }

    /// Is told that the lease is lost.
    pub(crate) fn lose(&self) {
        self.tell(ConsumerFact::LeaseLost);
    }

    fn tell(&self, fact: ConsumerFact) {
        self.fleet.witness.tell(Fact::Consumer(self.ownership.clone(), fact));
    }

    /// Works on a batch for a while, with or without success, and checkpoints now and then.
    async fn work(&mut self, batch: &Batch, checkpointer: Option<&Checkpointer>) -> Result<(), HandlerError> {
        // Records are delivered one by one at times: a batch of a few takes less, and has fewer mishaps.
        let is_spared = self.is_spared(batch.records.len());
        if !is_spared {
            let longest = u64::try_from(self.handlers.work.as_millis()).unwrap_or(0);
            sleep(Duration::from_millis(self.rng.u64(0..=longest))).await;
        }
        if !is_spared && self.chance(self.handlers.stalls) {
            self.stall(&batch.lease).await?;
        }
        self.work_on_poison(batch, checkpointer).await?;
        if !is_spared && self.rng.u8(..100) < self.handlers.failures || self.fleet.is_out() {
            return Err("the handler failed on purpose".into());
        }
        if !is_spared && self.chance(self.handlers.panics) {
            // Past the hook that counts the panics which nobody meant.
            std::panic::resume_unwind(Box::new("the handler panicked on purpose"));
        }
        self.batches += 1;
        let Some(checkpointer) = checkpointer else {
            return Ok(());
        };
        if self.batches.is_multiple_of(self.handlers.checkpoint_every) {
            let through = self.last;
            self.tell(ConsumerFact::Processed { through });
            if self.chance(self.handlers.deferred) {
                self.defer(through, checkpointer);
            } else {
                self.checkpoint(checkpointer).await?;
            }
        }
        Ok(())
    }

    /// Checkpoints inside of the batch now and then, and fails if it has a record that cannot be processed.
    async fn work_on_poison(&mut self, batch: &Batch, checkpointer: Option<&Checkpointer>) -> Result<(), HandlerError> {
        let poison = (0..)
            .zip(&batch.records)
            .find_map(|(at, record)| Some((at, self.fleet.fails_on(record)?)));
        if self.chance(self.handlers.checkpoints_inside)
            && let Some(checkpointer) = checkpointer
        {
            // What lies behind a record that cannot be processed is not either.
            let end = poison.map_or(batch.records.len(), |(at, _)| at);
            let records = batch.records.get(..end).unwrap_or_default();
            self.checkpoint_inside(records, checkpointer).await?;
        }
        let Some((at, how)) = poison else { return Ok(()) };
        let watched = Some(&batch.lease).filter(|_| self.rng.bool());
        let Stumble { error, asks } = self.fleet.stumble(how, watched).await;
        self.asks = asks;
        // Every other record is named. No number is drawn for that: the runs of earlier seeds stay what they are.
        match batch.records.get(at).filter(|_| at % 2 == 0) {
            Some(record) => {
                let place = offered(record).place;
                self.tell(ConsumerFact::RecordNamed { place, asks });
                Err(error.at(record))
            }
            None => Err(error),
        }
    }

    /// Whether nothing befalls the handler with so few records: the fewer there are, the more likely.
    fn is_spared(&mut self, records: usize) -> bool {
        let application = &self.fleet.scenario.application;
        // What would be one batch comes in many, which must not take many times as long.
        let full = application.max_batch.map_or(FULL, |_| FULL * 10);
        application.is_looked_after() && self.rng.usize(..full) >= records
    }

    /// Takes about as long as a lease lasts, or longer. Half of the time it stops when the lease is lost.
    async fn stall(&mut self, lease: &LeaseGuard) -> Result<(), HandlerError> {
        let stops = self.rng.bool();
        for _ in 0..self.rng.u64(STALL) {
            tokio::select! {
                biased;
                () = lease.cancelled(), if stops => return Err("the lease was lost".into()),
                () = sleep(Duration::from_secs(1)) => {}
            }
            self.tell(ConsumerFact::AtWork { lease: claim(lease) });
        }
        Ok(())
    }

    /// Is done with some of the records, and says so.
    async fn checkpoint_inside(&mut self, records: &[Record], checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let Some(record) = self.rng.choice(records) else {
            return Ok(());
        };
        let through = Some(offered(record).place);
        self.tell(ConsumerFact::Processed { through });
        let before = checkpointer.last();
        checkpointer.checkpoint_at(record).await?;
        if checkpointer.last() > before {
            self.failures = 0;
        }
        self.acknowledged(checkpointer);
        Ok(())
    }

    /// Counts the failures in a row, as the worker does: after the last attempt that its policy allows, the shard is halted.
    fn count(&mut self, outcome: Called, lease: &LeaseGuard) {
        match outcome {
            Called::Done => self.failures = 0,
            Called::Failed if lease.is_valid() => self.failures += 1,
            Called::Failed | Called::Uncounted => {}
        }
        let allowed = self.handlers.outage.map_or(HANDLER_RETRIES, |outage| outage.retries);
        if self.failures > allowed && !self.fleet.scenario.application.is_looked_after() {
            self.tell(ConsumerFact::ShardHalted);
            self.fleet.halted(self.ownership.worker.as_str());
        }
    }

    /// Draws only if there is something to decide: a run that was written down before a choice came up stays the same.
    fn chance(&mut self, percent: u8) -> bool {
        percent > 0 && self.rng.u8(..100) < percent
    }

    fn acknowledged(&self, checkpointer: &Checkpointer) {
        let position = position(&checkpointer.last());
        self.tell(ConsumerFact::CheckpointAcknowledged { position });
    }

    fn defer(&self, through: Option<Place>, checkpointer: &Checkpointer) {
        if let Some(place) = through {
            let position = oracle::Position::At(place);
            self.tell(ConsumerFact::CheckpointDeferred { position });
        }
        checkpointer.defer();
    }

    async fn checkpoint(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        match self.phases {
            Phases::One => checkpointer.checkpoint().await?,
            Phases::Two => {
                let prepared = checkpointer.prepare("the batch").await?;
                // What the application does between the phases, now and then for longer.
                let longest = if self.rng.u8(..10) == 0 { 2_000 } else { 10 };
                sleep(Duration::from_millis(self.rng.u64(0..longest))).await;
                prepared.commit().await?;
            }
        }
        self.acknowledged(checkpointer);
        Ok(())
    }
}

impl RecordProcessor for Recorder {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        self.lease = Some(shard.lease.clone());
        let checkpoint = position(&shard.checkpoint);
        self.tell(ConsumerFact::Initialized { checkpoint });
        if self.phases == Phases::Two {
            let position = shard.pending.as_ref().map(|pending| position(&pending.position));
            self.tell(ConsumerFact::PendingFound { position });
        }
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.batch(&batch, Some(checkpointer)).await
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.end_of_shard(checkpointer).await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.shutdown(checkpointer).await
    }

    async fn lease_lost(&mut self, _: kcl::LeaseLost) {
        self.lose();
    }
}

pub(crate) fn claim(lease: &LeaseGuard) -> LeaseClaim {
    if lease.is_valid() {
        LeaseClaim::Held
    } else {
        LeaseClaim::Lost
    }
}

pub(crate) fn offered(record: &Record) -> OfferedRecord {
    OfferedRecord {
        place: place(record.sequence_number().as_str(), record.sub_sequence_number()),
        payload: Digest::of(record.data()),
    }
}

/// The ownership for which a processor is made.
pub(crate) fn ownership(worker: &str, shard: &ShardContext) -> Ownership {
    Ownership {
        shard: shard_id(&shard.shard_id().to_string()),
        token: shard.lease.epoch().value(),
        worker: Process::new(worker),
    }
}

pub(crate) fn position(position: &Position) -> oracle::Position {
    let read = oracle::Position::from_row(position.checkpoint_text(), position.sub_sequence_number());
    read.expect("a position that a row can hold")
}

/// A place as the service numbers it.
pub(crate) fn place(sequence_number: &str, sub_sequence_number: u64) -> Place {
    Place {
        sequence_number: sequence_number.parse().expect("a sequence number of the service"),
        sub_sequence_number,
    }
}

/// A shard as the service names it.
pub(crate) fn shard_id(text: &str) -> ShardId {
    text.parse().expect("a shard of the service")
}
