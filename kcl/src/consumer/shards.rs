//! The shards that a worker reads, for its control: what they tell, and what is asked of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::consumer::status::{Reading, ShardStatus, StatusBoard, Wishes};
use crate::stream::ShardRef;

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
}

impl Shards {
    /// Adds a consumer, and returns what is asked of it.
    pub(crate) fn add(&self, shard: ShardRef, board: StatusBoard) -> watch::Receiver<Wishes> {
        let mut shared = self.lock();
        let (wishes, heard) = watch::channel(Wishes {
            reading: shared.reading,
            ..Wishes::default()
        });
        shared.shards.insert(shard, Entry { board, wishes });
        heard
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

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
