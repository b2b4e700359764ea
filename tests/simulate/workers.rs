//! The workers of a run, with the options of its application.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use fastrand::Rng;
use kcl::event::{Event, HandlerEvent};
use kcl::{StartingPosition, Worker, WorkerBuilder};
use oracle::{self, Fact, WorkerFact};
use testkit::sim::Process;

use crate::fleet::{APPLICATION, Fleet};
use crate::forms::Handlers;
use crate::lookout::Lookout;
use crate::recorder::{place, shard_id};
use crate::scenario::{OnRecreated, STREAM, Start};
use crate::told;

impl Fleet {
    /// A worker of the process, and who looks after its shards.
    pub(crate) fn worker(&self, process: &Process, life: u64) -> (Worker, Arc<Lookout>) {
        let mut rng = self.rng(life);
        let id = self.worker_id(process.name(), life);
        let lookout = Arc::new(Lookout::new(self.clone(), &id));
        let handlers = Handlers {
            fleet: self.clone(),
            worker: id.clone(),
            rng: Arc::new(Mutex::new(rng.fork())),
            lookout: Arc::clone(&lookout),
        };
        let builder = Worker::builder(APPLICATION, STREAM)
            .aws(&process.sdk_config())
            .worker_id(id.clone())
            .seed(rng.u64(..))
            .start_at(self.starting_position())
            .on_recreated(match self.scenario.on_recreated {
                OnRecreated::Halt => kcl::OnRecreated::Halt,
                OnRecreated::Restart => kcl::OnRecreated::Restart,
            })
            .coordination(self.scenario.coordination.into())
            .clock(process.clock())
            .wrap_tasks(process.task_wrapper());
        let builder = handlers.give(self.with_options(builder, &id, rng));
        let worker = builder.build().expect("the options of a run are valid");
        lookout.begin(worker.control());
        (worker, lookout)
    }

    /// What the application sets of its handler.
    fn with_options(&self, builder: WorkerBuilder, worker: &str, mut rng: Rng) -> WorkerBuilder {
        let application = &self.scenario.application;
        let builder = match (application.policy, self.scenario.handlers.outage) {
            (Some(policy), _) => builder.error_policy(self.error_policy(policy, worker, rng.fork())),
            (None, Some(outage)) => builder.error_policy(kcl::ErrorPolicy::halt().attempts(outage.retries + 1)),
            (None, None) => builder,
        };
        let (witness, id) = (self.witness.clone(), oracle::Process::new(worker));
        let builder = builder.on_event(move |event| {
            told::hear(&witness, event);
            if let Some(fact) = skipped(event) {
                witness.tell(Fact::Worker(id.clone(), fact));
            }
        });
        let builder = match application.timeout {
            Some(timeout) => builder.handler_timeout(timeout),
            None => builder,
        };
        let builder = match application.max_batch {
            Some(records) => builder.max_batch_records(records),
            None => builder,
        };
        builder.checkpoint_interval(application.checkpoint_interval)
    }

    fn starting_position(&self) -> StartingPosition {
        match self.scenario.start {
            Start::TrimHorizon => StartingPosition::TrimHorizon,
            Start::Latest => StartingPosition::Latest,
            Start::AtTimestamp(after) => {
                let begun = self.sim.now().checked_sub(self.sim.elapsed());
                StartingPosition::AtTimestamp(begun.unwrap_or(SystemTime::UNIX_EPOCH) + after)
            }
        }
    }
}

/// The records that a worker says it passes over.
fn skipped(event: &Event) -> Option<WorkerFact> {
    match event {
        Event::Handler {
            shard,
            event: HandlerEvent::Skipped { last, count },
        } => Some(WorkerFact::Skipped {
            shard: shard_id(shard.shard.as_str()),
            through: place(last.sequence_number.as_str(), last.sub_sequence_number),
            count: *count,
        }),
        Event::Worker(_) | Event::Fleet(_) | Event::Lease(_) | Event::Shard { .. } | Event::Handler { .. } | _ => None,
    }
}
