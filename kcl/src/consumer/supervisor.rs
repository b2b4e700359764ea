//! Starts a consumer for each lease that the worker comes to hold, and joins it.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

use crate::consumer::shard_consumer::{ConsumerEnd, ConsumerParts, ShardConsumer};
use crate::event::Event;
use crate::lease::guard::LeaseEpoch;
use crate::lease::model::LeaseKey;
use crate::lease::renewer::OwnedLease;
use crate::stream::ShardId;

/// What became of the shards that a worker held when it stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Their processors were asked to finish and their leases given back: others can take them at once.
    pub released: Vec<ShardId>,
    /// Those of the released ones that had been halted, because their handlers kept failing. Nothing of them was skipped:
    /// the next owner tries again from the last checkpoint.
    pub halted: Vec<ShardId>,
    /// Their processors were still at work when the time was over, or the lease could not be given back: others take
    /// them when the lease has expired.
    pub abandoned: Vec<ShardId>,
}

/// The consumers of one worker.
pub(crate) struct Supervisor {
    parts: ConsumerParts,
    rng: fastrand::Rng,
    consumers: JoinSet<ConsumerEnd>,
    running: BTreeMap<Id, (LeaseKey, LeaseEpoch)>,
    /// Leases that came back while the consumer of their earlier ownership is still at its last batch: one processor at
    /// a time.
    waiting: BTreeMap<LeaseKey, OwnedLease>,
    report: ShutdownReport,
}

impl Supervisor {
    pub(crate) fn new(parts: ConsumerParts, rng: fastrand::Rng) -> Self {
        let (consumers, running, waiting) = (JoinSet::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            parts,
            rng,
            consumers,
            running,
            waiting,
            report: ShutdownReport::default(),
        }
    }

    /// Runs until no more leases can come and every consumer has ended.
    pub(crate) async fn run(&mut self, mut owned: mpsc::Receiver<OwnedLease>) {
        let mut more = true;
        while more || !self.consumers.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.consumers.join_next_with_id() => self.on_ended(ended).await,
                lease = owned.recv(), if more => match lease {
                    Some(lease) => self.start(lease),
                    None => more = false,
                },
            }
        }
    }

    /// What became of the shards. Those whose consumers still run are abandoned, and their tasks stopped.
    pub(crate) fn finish(mut self) -> ShutdownReport {
        self.consumers.abort_all();
        self.report
            .abandoned
            .extend(self.running.values().map(|(key, _)| key.shard_id()));
        self.report
    }

    fn start(&mut self, owned: OwnedLease) {
        if self.running.values().any(|(key, _)| *key == owned.lease.key) {
            self.waiting.insert(owned.lease.key.clone(), owned);
            return;
        }
        let ownership = (owned.lease.key.clone(), owned.guard.epoch());
        let consumer = ShardConsumer::new(self.parts.clone(), owned, self.rng.fork());
        let task = self
            .consumers
            .spawn(self.parts.tasks.named("shard-consumer", consumer.run()));
        self.running.insert(task.id(), ownership);
    }

    async fn on_ended(&mut self, ended: Result<(Id, ConsumerEnd), JoinError>) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, Some(end)),
            Err(error) => (error.id(), None),
        };
        let Some((key, epoch)) = self.running.remove(&id) else {
            return;
        };
        // However the consumer ended, its lease must not be renewed without it.
        self.parts.renewer.consumer_ended(key.clone(), epoch).await;
        if let Some(again) = self.waiting.remove(&key) {
            self.start(again);
        }
        match end {
            Some(ConsumerEnd::Released) => self.report.released.push(key.shard_id()),
            Some(ConsumerEnd::ReleasedHalted) => {
                self.report.released.push(key.shard_id());
                self.report.halted.push(key.shard_id());
            }
            Some(ConsumerEnd::LeaseLost) if self.parts.draining.is_cancelled() => {
                self.report.abandoned.push(key.shard_id());
            }
            Some(ConsumerEnd::LeaseLost) => {}
            // Calls to the application are guarded one by one, so this is a fault of ours: the shard stands still,
            // visibly, as one whose handler keeps failing.
            None => {
                Event::ShardHalted { shard: &key.shard_id() }.emit();
                self.report.abandoned.push(key.shard_id());
            }
        }
    }
}
