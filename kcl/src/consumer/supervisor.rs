//! Starts a consumer for each lease that the worker comes to hold, and joins it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::consumer::mailbox::{Mail, Mailbox, Report, reports};
use crate::consumer::shard_consumer::{ConsumerEnd, ConsumerParts, ConsumerPorts, ShardConsumer};
use crate::consumer::shards::Shards;
use crate::consumer::status::StatusBoard;
use crate::event::ShardEvent;
use crate::lease::holdings::OwnershipId;
use crate::lease::renewer::OwnedLease;
use crate::observers::ShardObserver;
use crate::spans::worker_span;
use crate::stream::ShardRef;

/// What became of the shards that a worker held when it stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Their processors were asked to finish and their leases given back: others can take them at once.
    pub released: Vec<ShardRef>,
    /// Those of the released ones that had been halted, because their handlers kept failing. Their next owner tries again behind
    /// the last checkpoint; without any checkpoint, at `start_at`. A shard that leaves while a
    /// [`skip`](crate::WorkerControl::skip) of it is not done is not among them: that tries its handler again.
    pub halted: Vec<ShardRef>,
    /// Their processors were still at work when the time was over, or the lease could not be given back: others take
    /// them when the lease has expired.
    pub abandoned: Vec<ShardRef>,
}

/// The consumers of one worker.
pub(crate) struct Supervisor {
    parts: ConsumerParts,
    /// Set when the worker is asked to stop.
    draining: CancellationToken,
    shards: Shards,
    rng: fastrand::Rng,
    consumers: JoinSet<ConsumerEnd>,
    running: BTreeMap<Id, Running>,
    report: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    shutdown: ShutdownReport,
}

/// A consumer that has not ended.
struct Running {
    ownership: OwnershipId,
    shard: ShardRef,
    mailbox: mpsc::Sender<Mail>,
    observer: ShardObserver,
}

impl Supervisor {
    pub(crate) fn new(parts: ConsumerParts, draining: CancellationToken, shards: Shards, rng: fastrand::Rng) -> Self {
        let (report, reports) = reports();
        Self {
            parts,
            draining,
            shards,
            rng,
            consumers: JoinSet::new(),
            running: BTreeMap::new(),
            report,
            reports,
            shutdown: ShutdownReport::default(),
        }
    }

    /// Runs until no more leases can come and every consumer has ended.
    pub(crate) async fn run(&mut self, mut owned: mpsc::Receiver<OwnedLease>) {
        let mut more = true;
        while more || !self.consumers.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.consumers.join_next_with_id() => self.on_ended(ended).await,
                Some(report) = self.reports.recv() => self.on_report(report),
                lease = owned.recv(), if more => match lease {
                    Some(lease) => self.start(lease),
                    None => more = false,
                },
            }
        }
    }

    /// What became of the shards. Those whose consumers still run are abandoned, and their tasks stopped. A handler that blocks
    /// its thread for longer than `patience` runs on.
    pub(crate) async fn finish(mut self, patience: Duration) -> ShutdownReport {
        let _stopped = self.parts.clock.timeout(patience, self.consumers.shutdown()).await;
        let running = self.running.into_values().map(|running| running.shard);
        self.shutdown.abandoned.extend(running);
        self.shutdown
    }

    fn start(&mut self, owned: OwnedLease) {
        let (sender, mailbox) = Mailbox::new(self.parts.clock.clone());
        let shard = self.parts.layout.shard_of(&owned.lease);
        let running = Running {
            ownership: owned.id(),
            mailbox: sender,
            observer: self.parts.observers.of_shard(shard.clone(), owned.lease.key.clone()),
            shard,
        };
        let start = owned.lease.checkpoint.clone();
        let start = start.unwrap_or_else(|| self.parts.config.start_at.into());
        let board = StatusBoard::new(
            running.shard.clone(),
            owned.guard.epoch(),
            start,
            owned.progress.watch(),
            self.parts.clock.clone(),
        );
        let asked = self.shards.add(running.shard.clone(), board.clone(), &running.observer);
        let ports = ConsumerPorts {
            wishes: asked.wishes,
            requests: asked.requests,
            mailbox,
            reports: self.report.clone(),
            observer: running.observer.clone(),
            board,
        };
        let consumer = ShardConsumer::new(self.parts.clone(), owned, ports, self.rng.fork());
        let consuming = consumer.run().instrument(worker_span(&self.parts.worker));
        let task = self
            .consumers
            .spawn(self.parts.tasks.vital("shard-consumer", consuming));
        self.running.insert(task.id(), running);
    }

    fn on_report(&self, report: Report) {
        match report {
            Report::ShardEnded => {
                self.parts.new_leases.notify_one();
                for running in self.running.values() {
                    // A full mailbox wakes its consumer all the same.
                    drop(running.mailbox.try_send(Mail::ShardEnded));
                }
            }
        }
    }

    async fn on_ended(&mut self, ended: Result<(Id, ConsumerEnd), JoinError>) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, Some(end)),
            Err(error) => (error.id(), None),
        };
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let Running {
            ownership,
            shard,
            observer,
            ..
        } = running;
        self.shards.remove(&shard);
        // Before the wait for the renewer: the grace of a shutdown may be over meanwhile.
        self.report_end(shard, end, &observer);
        // However the consumer ended, its lease must not be renewed without it.
        self.parts.renewer.consumer_ended(ownership).await;
        if end == Some(ConsumerEnd::Moved) {
            // Its next owner is sought at once.
            self.parts.new_leases.notify_one();
        }
    }

    fn report_end(&mut self, shard: ShardRef, end: Option<ConsumerEnd>, observer: &ShardObserver) {
        let is_shutdown = self.draining.is_cancelled();
        match end {
            Some(_) if !is_shutdown => {}
            Some(ConsumerEnd::Released | ConsumerEnd::Moved) => self.shutdown.released.push(shard),
            Some(ConsumerEnd::ReleasedHalted) => {
                self.shutdown.halted.push(shard.clone());
                self.shutdown.released.push(shard);
            }
            Some(ConsumerEnd::LeaseLost) => self.shutdown.abandoned.push(shard),
            // Calls to the application are guarded one by one, so this is a fault of ours. The shard is read again by the
            // next owner of its lease.
            None => {
                observer.tell_in_span(ShardEvent::Panicked);
                self.shutdown.abandoned.extend(is_shutdown.then_some(shard));
            }
        }
    }
}
