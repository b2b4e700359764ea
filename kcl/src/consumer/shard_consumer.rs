//! The task of one lease, from the wait for its parents to its end.

use std::sync::Arc;
use std::time::SystemTime;

use service::{Clock, Tasks};
use tokio::sync::{Notify, mpsc};

use crate::calls::Calls;
use crate::checkpoint::checkpointer::Checkpointer;
use crate::checkpoint::position::Position;
use crate::config::Config;
use crate::consumer::handler::{Attempted, GivenUp, HandlerRetries};
use crate::consumer::mailbox::{Mailbox, Report, Woken};
use crate::event::ShardEvent;
use crate::lease::guard::{LeaseGuard, Signal};
use crate::lease::holdings::OwnershipId;
use crate::lease::layout::{StreamRows, TableLayout};
use crate::lease::model::{Lease, WorkerId};
use crate::lease::renewer::{OwnedLease, Renewer};
use crate::lease::table::LeaseTable;
use crate::processor::{AnyProcessor, Batch, ProcessorFactory, ShardContext};
use crate::record::Record;
use crate::retrieval::deaggregate::{Form, RangePolicy, RawRecord, deaggregate, skip_up_to};
use crate::retrieval::polling::{Fetched, Poller, PollerConfig};
use crate::shard_sync::surveyor::Surveyor;
use crate::stream::{ShardRef, StartingPosition};

/// What every consumer of a worker is given.
#[derive(Clone)]
pub(crate) struct ConsumerParts {
    pub(crate) worker: WorkerId,
    pub(crate) calls: Calls,
    pub(crate) surveyor: Arc<Surveyor>,
    pub(crate) table: Arc<dyn LeaseTable>,
    /// How the rows of the table name their shards.
    pub(crate) layout: TableLayout,
    pub(crate) renewer: Renewer,
    pub(crate) factory: ProcessorFactory,
    pub(crate) config: Config,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    /// Wakes the search for leases.
    pub(crate) new_leases: Arc<Notify>,
}

/// How a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerEnd {
    /// The lease is another worker's, or anybody's.
    LeaseLost,
    /// The worker stops; the lease was given back.
    Released,
    /// The same, and the shard had been halted.
    ReleasedHalted,
}

/// Why a phase of a consumer's life was left early.
pub(super) enum Interrupted {
    LeaseLost,
    Draining,
    Halted,
}

impl From<Signal> for Interrupted {
    /// What a signal other than [`Signal::Run`] means.
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Run | Signal::Drain(_) => Self::Draining,
            Signal::Lost(_) => Self::LeaseLost,
        }
    }
}

impl From<GivenUp> for Interrupted {
    fn from(_: GivenUp) -> Self {
        Self::Halted
    }
}

/// One lease that is being read.
pub(crate) struct ShardConsumer {
    pub(super) parts: ConsumerParts,
    pub(super) shard: ShardRef,
    pub(super) lease: Lease,
    /// Where reading begins.
    start: Position,
    guard: LeaseGuard,
    pub(super) ownership: OwnershipId,
    mailbox: Mailbox,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) checkpointer: Checkpointer,
    pub(super) retries: HandlerRetries,
    pub(super) rng: fastrand::Rng,
}

impl ShardConsumer {
    pub(crate) fn new(
        parts: ConsumerParts,
        owned: OwnedLease,
        mailbox: Mailbox,
        reports: mpsc::Sender<Report>,
        mut rng: fastrand::Rng,
    ) -> Self {
        let ownership = owned.id();
        let OwnedLease { lease, guard } = owned;
        let shard = parts.layout.shard_of(&lease);
        // A row without a checkpoint was written by another library, or edited by hand.
        let start = lease.checkpoint.clone().unwrap_or_else(|| parts.config.start_at.into());
        let checkpointer = Checkpointer::new(ownership.clone(), parts.renewer.clone(), start.clone());
        let retries = HandlerRetries::new(shard.clone(), guard.clone(), &parts, rng.fork());
        Self {
            parts,
            shard,
            lease,
            start,
            guard,
            ownership,
            mailbox,
            reports,
            checkpointer,
            retries,
            rng,
        }
    }

    /// Reads the shard until its end, and holds the lease until it is lost or given back.
    pub(crate) async fn run(mut self) -> ConsumerEnd {
        let mut processor = None;
        let mut released = ConsumerEnd::Released;
        let interrupted = match self.read(&mut processor).await {
            // The lease of an ended shard is kept alive until its children have progressed.
            Ok(()) => self.hold().await,
            Err(Interrupted::Halted) => {
                ShardEvent::Halted.emit(&self.shard);
                released = ConsumerEnd::ReleasedHalted;
                self.hold().await
            }
            Err(interrupted) => interrupted,
        };
        match interrupted {
            Interrupted::Draining if self.guard.is_valid() => self.give_back(processor, released).await,
            Interrupted::Draining | Interrupted::LeaseLost | Interrupted::Halted => {
                // The lease must not be renewed while `lease_lost` runs, should an answer have extended it meanwhile.
                self.parts.renewer.give_up(&self.ownership).await;
                if let Some(mut processor) = processor {
                    let told = async {
                        processor.lease_lost().await;
                        Ok(())
                    };
                    self.retries.once(told).await;
                }
                ConsumerEnd::LeaseLost
            }
        }
    }

    async fn read(&mut self, made: &mut Option<Box<dyn AnyProcessor>>) -> Result<(), Interrupted> {
        if self.lease.is_finished() {
            return Ok(());
        }
        self.wait_for_parents().await?;
        self.check()?;
        let context = self.context();
        let processor = made.insert(self.retries.make(|| (self.parts.factory)(&context))?);
        while self.retries.attempt(processor.initialize(&context)).await? == Attempted::Again {
            self.check()?;
        }
        let mut poller = self.poller();
        loop {
            let fetched = tokio::select! {
                biased;
                signal = self.guard.interrupted() => return Err(signal.into()),
                fetched = poller.next() => fetched,
            };
            match fetched {
                Fetched::Records {
                    records,
                    millis_behind_latest,
                } => {
                    let records = self.user_records(records);
                    self.deliver(processor.as_mut(), records, millis_behind_latest).await?;
                }
                Fetched::ShardEnd(children) => {
                    self.end_shard(processor.as_mut(), children).await?;
                    // The processor's life is over: nothing more is to be told to it.
                    *made = None;
                    return Ok(());
                }
            }
        }
    }

    fn user_records(&self, raw: Vec<RawRecord>) -> Vec<Record> {
        let mut records = Vec::with_capacity(raw.len());
        for record in raw {
            let sequence_number = record.sequence_number.clone();
            let outcome = deaggregate(record, None, RangePolicy::Deliver, &mut records);
            if let Some((place, damage)) = &outcome.first_damage {
                ShardEvent::DamagedRecord {
                    position: format!("{sequence_number}:{place}"),
                    damage,
                }
                .emit(&self.shard);
            }
            if let Form::Unreadable(reason) = outcome.form {
                let (sequence_number, reason) = (sequence_number.to_string(), reason.to_string());
                ShardEvent::DamagedAggregate {
                    sequence_number,
                    reason,
                }
                .emit(&self.shard);
            }
        }
        records
    }

    /// Passes records on until the application has processed them. What it has checkpointed is not passed on again.
    async fn deliver(
        &mut self,
        processor: &mut dyn AnyProcessor,
        mut records: Vec<Record>,
        millis_behind_latest: Option<u64>,
    ) -> Result<(), Interrupted> {
        loop {
            skip_up_to(&mut records, &self.checkpointer.last());
            let Some(last) = records.last() else { return Ok(()) };
            self.check()?;
            self.checkpointer.delivered(last.position());
            let batch = Batch {
                records: records.clone(),
                millis_behind_latest,
                lease: self.guard.clone(),
            };
            let attempted = self.retries.attempt(processor.process(batch, &self.checkpointer)).await;
            if attempted == Ok(Attempted::Done) {
                self.checkpointer.processed();
                return Ok(());
            }
            // No later checkpoint, of shutdown_requested say, may pass over these records.
            self.checkpointer.failed();
            attempted?;
        }
    }

    /// Keeps the lease until something ends that.
    async fn hold(&self) -> Interrupted {
        self.guard.interrupted().await.into()
    }

    async fn give_back(self, processor: Option<Box<dyn AnyProcessor>>, released: ConsumerEnd) -> ConsumerEnd {
        if let Some(mut processor) = processor {
            self.retries
                .once(processor.shutdown_requested(&self.checkpointer))
                .await;
        }
        match self.parts.renewer.leave(&self.ownership).await {
            Ok(()) => released,
            Err(_) => ConsumerEnd::LeaseLost,
        }
    }

    /// Whether to begin anything more: not once another worker could have taken the lease (C3).
    pub(super) fn check(&self) -> Result<(), Interrupted> {
        match self.guard.signal() {
            Signal::Run => Ok(()),
            signal @ (Signal::Drain(_) | Signal::Lost(_)) => Err(signal.into()),
        }
    }

    /// Waits until it is time to look again for what this shard waits for.
    pub(super) async fn wait_for_change(&mut self) -> Result<(), Interrupted> {
        let again = self.parts.clock.now() + self.parts.config.parent_shard_poll_interval;
        match self.mailbox.wait(again, &self.guard).await {
            Woken::LookAgain => Ok(()),
            Woken::By(signal) => Err(signal.into()),
        }
    }

    /// The rows of the shard's stream.
    pub(super) fn rows(&self) -> StreamRows<'_> {
        self.parts.layout.rows_of(&self.shard.stream)
    }

    fn context(&self) -> ShardContext {
        ShardContext {
            shard: self.shard.clone(),
            checkpoint: self.start.clone(),
            lease: self.guard.clone(),
        }
    }

    fn poller(&mut self) -> Poller {
        let config = &self.parts.config;
        let timestamp = match config.start_at {
            StartingPosition::AtTimestamp(time) => time,
            StartingPosition::TrimHorizon | StartingPosition::Latest => SystemTime::UNIX_EPOCH,
        };
        let config = PollerConfig {
            shard: self.shard.clone(),
            from: self.start.clone(),
            timestamp,
            max_records: config.max_records,
            idle: config.idle_time_between_reads,
            rng: self.rng.fork(),
            clock: self.parts.clock.clone(),
        };
        Poller::new(self.parts.calls.clone(), Arc::clone(&self.parts.surveyor), config)
    }
}
