//! The shards that a worker reads, for its control: what they tell, and what is asked of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::consumer::seek::{SeekError, SeekRequest, SeekTo};
use crate::consumer::status::{Reading, ShardStatus, StatusBoard, Wishes};
use crate::stream::ShardRef;

/// Seeks that may wait for one consumer. A caller with another one waits until there is room.
const SEEKS: usize = 1;

/// The consumers of a worker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shards {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Of consumers that are added later.
    reading: Reading,
    shards: BTreeMap<ShardRef, Entry>,
}

#[derive(Debug)]
struct Entry {
    board: StatusBoard,
    wishes: watch::Sender<Wishes>,
    seeks: mpsc::Sender<SeekRequest>,
}

/// What is asked of one consumer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wishes: watch::Receiver<Wishes>,
    pub(crate) seeks: mpsc::Receiver<SeekRequest>,
}

impl Shards {
    /// Adds a consumer, and returns what is asked of it.
    pub(crate) fn add(&self, shard: ShardRef, board: StatusBoard) -> Asked {
        let mut shared = self.lock();
        let (seeks, received) = mpsc::channel(SEEKS);
        let (wishes, heard) = watch::channel(Wishes {
            reading: shared.reading,
            ..Wishes::default()
        });
        shared.shards.insert(shard, Entry { board, wishes, seeks });
        Asked {
            wishes: heard,
            seeks: received,
        }
    }

    /// Removes a consumer that has ended.
    pub(crate) fn remove(&self, shard: &ShardRef) {
        self.lock().shards.remove(shard);
    }

    /// Removes all consumers: the worker has ended.
    pub(crate) fn clear(&self) {
        self.lock().shards.clear();
    }

    /// What each consumer tells, by shard.
    pub(crate) fn statuses(&self) -> Vec<ShardStatus> {
        self.lock().shards.values().map(|entry| entry.board.status()).collect()
    }

    /// How far the shard is behind that is furthest behind.
    pub(crate) fn max_lag(&self) -> Option<Duration> {
        let shared = self.lock();
        shared.shards.values().filter_map(|entry| entry.board.behind()).max()
    }

    /// Pauses or resumes all consumers, and those that are added later.
    pub(crate) fn set_reading(&self, reading: Reading) {
        let mut shared = self.lock();
        shared.reading = reading;
        for entry in shared.shards.values() {
            entry.wishes.send_modify(|wishes| wishes.reading = reading);
        }
    }

    /// Asks one consumer for something. Whether there is such a consumer.
    pub(crate) fn ask(&self, shard: &ShardRef, change: impl FnOnce(&mut Wishes)) -> bool {
        let shared = self.lock();
        let entry = shared.shards.get(shard);
        entry.map(|entry| entry.wishes.send_modify(change)).is_some()
    }

    /// Asks one consumer to move its shard, and waits until its row says so.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether it is moved.
    pub(crate) async fn seek(&self, shard: &ShardRef, to: SeekTo) -> Result<(), SeekError> {
        let seeks = self.lock().shards.get(shard).map(|entry| entry.seeks.clone());
        let (answer, answered) = oneshot::channel();
        let asked = seeks.ok_or(SeekError::NotHeld)?.send(SeekRequest { to, answer }).await;
        asked.map_err(|_| SeekError::NotHeld)?;
        answered.await.unwrap_or(Err(SeekError::LeaseLost))
    }

    /// The shards of all consumers.
    pub(crate) fn held(&self) -> Vec<ShardRef> {
        self.lock().shards.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
