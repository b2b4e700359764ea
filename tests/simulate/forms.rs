//! The handler of a run, in its form.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use kcl::{Batch, BoxProcessor, HandlerError, ShardContext, ShardStream, WorkerBuilder};
use oracle::Ownership;

use crate::fleet::Fleet;
use crate::lookout::Lookout;
use crate::pull::pull;
use crate::recorder::{Phases, Recorder};
use crate::records::{Concurrent, RecordHandler};
use crate::scenario::application::Form;

/// The handlers of one life of a worker.
#[derive(Clone)]
pub(crate) struct Handlers {
    pub(crate) fleet: Fleet,
    pub(crate) worker: String,
    pub(crate) rng: Arc<Mutex<Rng>>,
    pub(crate) lookout: Arc<Lookout>,
}

impl Handlers {
    /// Gives the worker its handler.
    pub(crate) fn give(self, builder: WorkerBuilder) -> WorkerBuilder {
        match self.fleet.scenario.application.form {
            Form::Explicit | Form::Deferring => {
                builder.processor(move |shard: &ShardContext| self.recorder(shard, Phases::One))
            }
            Form::TwoPhase => builder.processor(move |shard: &ShardContext| self.recorder(shard, Phases::Two)),
            Form::Boxed => builder.processor(move |shard: &ShardContext| -> BoxProcessor {
                match shard.parents.is_empty() {
                    true => Box::new(self.recorder(shard, Phases::One)),
                    false => Box::new(self.concurrent(shard)),
                }
            }),
            Form::EachBatch => {
                let batches = Arc::new(Batches {
                    handlers: self,
                    recorders: Mutex::default(),
                });
                builder.for_each_batch(move |batch| {
                    let batches = Arc::clone(&batches);
                    async move { batches.handle(batch).await }
                })
            }
            Form::EachRecord => {
                let handler = Arc::new(RecordHandler::new(self.fleet.clone(), self.fork()));
                let lookout = self.lookout;
                builder.for_each_record(move |record| {
                    let (handler, lookout) = (Arc::clone(&handler), Arc::clone(&lookout));
                    async move { handler.one_by_one(record, &lookout).await }
                })
            }
            Form::PerKey => builder.processor(move |shard: &ShardContext| self.concurrent(shard)),
            Form::Pull => builder.stream(move |stream: ShardStream| {
                let (fleet, worker, rng) = (self.fleet.clone(), self.worker.clone(), self.fork());
                pull(stream, fleet, worker, rng)
            }),
        }
    }

    fn recorder(&self, shard: &ShardContext, phases: Phases) -> Recorder {
        Recorder::new(&self.worker, shard, self.fleet.clone(), self.fork()).in_phases(phases)
    }

    fn concurrent(&self, shard: &ShardContext) -> Concurrent {
        Concurrent::new(&self.worker, shard, &self.fleet, self.fork())
    }

    fn fork(&self) -> Rng {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

/// A closure for each batch.
struct Batches {
    handlers: Handlers,
    /// While no batch of theirs is being processed.
    recorders: Mutex<BTreeMap<Ownership, Recorder>>,
}

impl Batches {
    async fn handle(&self, batch: Batch) -> Result<(), HandlerError> {
        let first = batch.records.first().expect("a batch has a record");
        let ownership = self.handlers.lookout.ownership_of(first);
        let known = self.lock().remove(&ownership);
        let mut recorder =
            known.unwrap_or_else(|| Recorder::of(ownership.clone(), self.handlers.fleet.clone(), self.handlers.fork()));
        let handled = recorder.batch(&batch, None).await;
        self.lock().insert(ownership, recorder);
        handled
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Ownership, Recorder>> {
        self.recorders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
