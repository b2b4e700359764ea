//! The consuming side: two workers of one application, which share the shards between them.

use std::time::Duration;

use kcl::{RunError, ShutdownReport, Worker, WorkerControl};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::error::Error;
use crate::reader::{Reader, Sighting};
use crate::service::Service;

/// The workers, by number.
const WORKERS: [usize; 2] = [1, 2];

/// A worker that is to crash does so when it has read so many batches, in the midst of its work.
const BATCHES_BEFORE_CRASH: u32 = 5;

/// How long a lease outlives its worker. Short, so that a crash costs a demonstration little; the default is 10 s.
pub(crate) const FAILOVER_TIME: Duration = Duration::from_secs(3);

/// How long the workers may take to give their leases back.
const GRACE: Duration = Duration::from_secs(10);

/// A worker's number, and what its task returned.
type Ended = (usize, Result<ShutdownReport, RunError>);

/// Workers that run, each in a task of its own.
#[derive(Debug)]
pub(crate) struct Workers {
    running: JoinSet<Ended>,
    controls: Vec<WorkerControl>,
    crash: Option<Crash>,
}

impl Workers {
    /// Starts them. They tell `sightings` what they read.
    pub(crate) fn start(service: &Service, sightings: mpsc::Sender<Sighting>) -> Result<Self, Error> {
        let mut workers = Self {
            running: JoinSet::new(),
            controls: Vec::new(),
            crash: None,
        };
        for number in WORKERS {
            let worker = build(number, service, sightings.clone())?;
            workers.controls.push(worker.control());
            let task = workers.running.spawn(async move { (number, worker.run().await) });
            workers.crash = Some(Crash {
                worker: number,
                task,
                batches_left: BATCHES_BEFORE_CRASH,
            });
        }
        Ok(workers)
    }

    /// The crash of the last worker, for whoever wants it to happen.
    pub(crate) fn crash_last(&mut self) -> Option<Crash> {
        self.crash.take()
    }

    /// Waits for a worker to end, which none should before it is asked to; a crash on purpose does not count.
    pub(crate) async fn failure(&mut self) -> Error {
        while let Some(ended) = self.running.join_next().await {
            match end_of(ended) {
                Ok(End::Crashed) => {}
                Ok(End::Orderly { worker }) => return Error::WorkerLeft { worker },
                Err(error) => return error,
            }
        }
        std::future::pending().await
    }

    /// Shuts the workers down in an orderly way, and waits until they have ended.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        for control in &self.controls {
            control.shutdown(GRACE);
        }
        let mut result = Ok(());
        while let Some(ended) = self.running.join_next().await {
            result = result.and(end_of(ended).map(drop));
        }
        result
    }
}

/// A crash to come.
#[derive(Debug)]
pub(crate) struct Crash {
    worker: usize,
    task: AbortHandle,
    batches_left: u32,
}

impl Crash {
    /// Counts a batch that `worker` read; whether it was the last one before the crash.
    pub(crate) fn is_due_at(&mut self, worker: usize) -> bool {
        self.batches_left -= u32::from(worker == self.worker);
        self.batches_left == 0
    }

    /// Ends all tasks of the worker on the spot, as when its process is killed. It gives nothing back: the other worker
    /// has to find out.
    pub(crate) fn now(self) {
        self.task.abort();
    }
}

/// A worker that did not fail.
#[derive(Debug, Clone, Copy)]
enum End {
    Orderly { worker: usize },
    Crashed,
}

fn end_of(ended: Result<Ended, JoinError>) -> Result<End, Error> {
    match ended {
        Ok((worker, Ok(_))) => Ok(End::Orderly { worker }),
        Ok((worker, Err(source))) => Err(Error::Worker { worker, source }),
        Err(crashed) if crashed.is_cancelled() => Ok(End::Crashed),
        Err(panicked) => Err(panicked.into()),
    }
}

/// One worker. The times are those of a demonstration: the defaults are slower, and cost fewer calls.
fn build(number: usize, service: &Service, sightings: mpsc::Sender<Sighting>) -> Result<Worker, Error> {
    let worker = Worker::builder(&service.application, service.stream.name())
        .aws(&service.config)
        .worker_id(format!("worker-{number}"))
        .start_at(service.start_at)
        .failover_time(FAILOVER_TIME)
        .lease_assignment_interval(Duration::from_secs(1))
        .parent_shard_poll_interval(Duration::from_millis(500))
        .idle_time_between_reads(Duration::from_millis(250))
        .initialization_timeout(Duration::from_secs(20))
        .processor(move |shard| Reader::new(number, shard, sightings.clone()))
        .build()?;
    Ok(worker)
}
