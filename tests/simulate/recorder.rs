//! The application of a run: processors that tell the witness what they are given, and fail now and then.

use std::time::Duration;

use fastrand::Rng;
use kcl::{Batch, Checkpointer, HandlerError, Position, Record, RecordProcessor, ShardContext};
use testkit::kinesis::ShardId;
use testkit::oracle::{
    self, ConsumerFact, Digest, Fact, LeaseClaim, OfferedRecord, Ownership, Place, Process, Witness,
};
use tokio::time::sleep;

use crate::scenario::Handlers;

/// Processes one ownership of a shard.
pub(crate) struct Recorder {
    ownership: Ownership,
    witness: Witness,
    handlers: Handlers,
    rng: Rng,
    batches: u32,
    /// The last record of the batch that it is at.
    last: Option<Place>,
}

impl Recorder {
    pub(crate) fn new(worker: &str, shard: &ShardContext, witness: Witness, handlers: Handlers, rng: Rng) -> Self {
        let ownership = Ownership {
            shard: shard_id(&shard.shard_id.to_string()),
            token: shard.lease.epoch().value(),
            worker: Process::new(worker),
        };
        Self {
            ownership,
            witness,
            handlers,
            rng,
            batches: 0,
            last: None,
        }
    }

    fn tell(&self, fact: ConsumerFact) {
        self.witness.tell(Fact::Consumer(self.ownership.clone(), fact));
    }

    /// Works on a batch for a while, with or without success, and checkpoints now and then.
    async fn work(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let longest = u64::try_from(self.handlers.work.as_millis()).unwrap_or(0);
        sleep(Duration::from_millis(self.rng.u64(0..=longest))).await;
        if self.rng.u8(..100) < self.handlers.failures {
            return Err("the handler failed on purpose".into());
        }
        self.batches += 1;
        if self.batches.is_multiple_of(self.handlers.checkpoint_every) {
            let through = self.last;
            self.tell(ConsumerFact::Processed { through });
            self.checkpoint(checkpointer).await?;
        }
        Ok(())
    }

    async fn checkpoint(&self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        checkpointer.checkpoint().await?;
        let position = position(&checkpointer.last());
        self.tell(ConsumerFact::CheckpointAcknowledged { position });
        Ok(())
    }
}

impl RecordProcessor for Recorder {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        let checkpoint = position(&shard.checkpoint);
        self.tell(ConsumerFact::Initialized { checkpoint });
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let records = batch.records.iter().map(offered).collect();
        let lease = if batch.lease.is_valid() {
            LeaseClaim::Held
        } else {
            LeaseClaim::Lost
        };
        self.last = batch.records.last().map(|record| offered(record).place);
        self.tell(ConsumerFact::Offered { records, lease });
        let worked = self.work(checkpointer).await;
        self.tell(match worked {
            Ok(()) => ConsumerFact::Processed { through: None },
            Err(_) => ConsumerFact::Failed,
        });
        worked
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.tell(ConsumerFact::ShardEnded);
        self.checkpoint(checkpointer).await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.tell(ConsumerFact::ShutdownRequested);
        self.checkpoint(checkpointer).await
    }

    async fn lease_lost(&mut self) {
        self.tell(ConsumerFact::LeaseLost);
    }
}

fn offered(record: &Record) -> OfferedRecord {
    OfferedRecord {
        place: place(record.sequence_number().as_str(), record.sub_sequence_number()),
        payload: Digest::of(record.data()),
    }
}

fn position(position: &Position) -> oracle::Position {
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
