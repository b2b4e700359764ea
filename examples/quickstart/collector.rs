//! Where receipts and reads meet, and where it is decided that a run is over.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::error::Error;
use crate::ledger::{Identity, Ledger};
use crate::progress::Progress;
use crate::reader::Sighting;
use crate::workers::{Crash, FAILOVER_TIME};

/// How long nothing new may be read before what is missing counts as lost: the time that a crashed worker's leases take
/// to be found, and plenty.
const PATIENCE: Duration = FAILOVER_TIME.saturating_add(Duration::from_secs(15));

/// How often that is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Keeps the ledger. It owns it, and everybody else sends messages.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) ledger: Ledger,
    pub(crate) acknowledged: mpsc::Receiver<Vec<Identity>>,
    pub(crate) sightings: mpsc::Receiver<Sighting>,
    pub(crate) crash: Option<Crash>,
    pub(crate) progress: Progress,
}

impl Collector {
    /// Collects until everything was put and read, or nothing new was read for a long time. Returns how many records
    /// were put.
    pub(crate) async fn run(&mut self, putting: &mut JoinSet<Result<u64, Error>>) -> Result<u64, Error> {
        let mut put = None;
        let (mut glance, mut quiet, mut found) = (tokio::time::interval(GLANCE), Duration::ZERO, 0);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = glance.tick(), if put.is_some() => {
                    quiet = if self.ledger.found() > found { Duration::ZERO } else { quiet + GLANCE };
                    found = self.ledger.found();
                }
                batch = self.acknowledged.recv(), if put.is_none() => match batch {
                    Some(batch) => batch.into_iter().for_each(|record| self.ledger.acknowledge(record)),
                    None => {
                        put = Some(outcome(putting).await?);
                        self.crash.take().into_iter().for_each(Crash::now);
                    }
                },
                Some(sighting) = self.sightings.recv() => self.note(sighting),
            }
            self.progress.read(&self.ledger);
            if let Some(put) = put
                && (self.ledger.is_complete() || quiet > PATIENCE)
            {
                return Ok(put);
            }
        }
    }

    /// Notes what the workers still read while they stop, so that none of them waits for room in the channel. Ends with
    /// the last of them.
    pub(crate) async fn drain(&mut self) {
        while let Some(sighting) = self.sightings.recv().await {
            self.note(sighting);
        }
    }

    fn note(&mut self, sighting: Sighting) {
        if let Some(crash) = self.crash.take_if(|crash| crash.is_due_at(sighting.worker)) {
            crash.now();
        }
        sighting.records.into_iter().for_each(|record| self.ledger.read(record));
    }
}

/// How putting ended.
async fn outcome(putting: &mut JoinSet<Result<u64, Error>>) -> Result<u64, Error> {
    match putting.join_next().await {
        Some(ended) => ended?,
        None => Ok(0),
    }
}
