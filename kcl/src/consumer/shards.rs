//! The shards that a worker reads, for its control: what they tell, and what is asked of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::checkpoint::position::Position;
use crate::consumer::seek::{SeekError, SeekRequest, SeekTo};
use crate::consumer::skip::{SkipError, SkipRequest, Skipped};
use crate::consumer::status::{Reading, ShardStatus, StatusBoard, Wishes};
use crate::event::ShardEvent;
use crate::observers::ShardObserver;
use crate::stream::ShardRef;

/// Requests that may wait for one consumer. A caller with another one waits until there is room.
const REQUESTS: usize = 1;

/// The consumers of a worker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shards {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What the application wants, also of consumers that are added later.
    reading: Reading,
    /// Whether a caller tells of changes, and goes on until none is left. There is one at a time, so that events come in the
    /// order of the changes.
    is_telling: bool,
    shards: BTreeMap<ShardRef, Entry>,
}

#[derive(Debug)]
struct Entry {
    board: StatusBoard,
    observer: ShardObserver,
    /// What was told last.
    told: Reading,
    wishes: watch::Sender<Wishes>,
    requests: mpsc::Sender<Request>,
}

/// What is asked of one consumer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) wishes: watch::Receiver<Wishes>,
    pub(crate) requests: mpsc::Receiver<Request>,
}

/// Something that is asked of one consumer, and answered.
#[derive(Debug)]
pub(crate) enum Request {
    Seek(SeekRequest),
    Skip(SkipRequest),
}

impl Shards {
    /// Adds a consumer, and returns what is asked of it.
    pub(crate) fn add(&self, shard: ShardRef, board: StatusBoard, observer: &ShardObserver) -> Asked {
        let mut shared = self.lock();
        let (requests, received) = mpsc::channel(REQUESTS);
        let (wishes, heard) = watch::channel(Wishes {
            reading: shared.reading,
            ..Wishes::default()
        });
        let entry = Entry {
            board,
            observer: observer.clone(),
            told: Reading::Running,
            wishes,
            requests,
        };
        shared.shards.insert(shard, entry);
        drop(shared);
        self.tell();
        Asked {
            wishes: heard,
            requests: received,
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
        if std::mem::replace(&mut shared.reading, reading) == reading {
            return;
        }
        for entry in shared.shards.values() {
            entry.wishes.send_modify(|wishes| wishes.reading = reading);
        }
        drop(shared);
        self.tell();
    }

    /// Tells of each shard whose reading has changed. If another caller does so at the moment, that one tells of it.
    fn tell(&self) {
        if std::mem::replace(&mut self.lock().is_telling, true) {
            return;
        }
        // A listener may look at the shards, pause and resume, so it is told without the lock.
        while let Some((observers, event)) = self.untold() {
            for observer in observers {
                observer.tell_in_span(event.clone());
            }
        }
    }

    /// What to tell, and of which shards. `None` if nothing is left to tell.
    fn untold(&self) -> Option<(Vec<ShardObserver>, ShardEvent)> {
        let mut shared = self.lock();
        let reading = shared.reading;
        let entries = shared.shards.values_mut();
        let untold = entries.filter(|entry| entry.told != reading && is_read(&entry.board));
        let observers: Vec<_> = untold
            .map(|entry| {
                entry.told = reading;
                entry.observer.clone()
            })
            .collect();
        shared.is_telling = !observers.is_empty();
        let event = match reading {
            Reading::Paused => ShardEvent::Paused,
            Reading::Running => ShardEvent::Resumed,
        };
        shared.is_telling.then_some((observers, event))
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
        let (answer, answered) = oneshot::channel();
        let request = Request::Seek(SeekRequest { to, answer });
        self.request(shard, request).await.ok_or(SeekError::NotHeld)?;
        answered.await.unwrap_or(Err(SeekError::LeaseLost))
    }

    /// Asks one consumer to pass over the records on which its handler fails, and waits until it has.
    ///
    /// # Cancellation
    ///
    /// A dropped future leaves open whether they are passed over.
    pub(crate) async fn skip(&self, shard: &ShardRef) -> Result<Skipped, SkipError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Skip(SkipRequest { answer });
        self.request(shard, request).await.ok_or(SkipError::NotHeld)?;
        answered.await.unwrap_or(Err(SkipError::LeaseLost))
    }

    /// Hands a request to one consumer. `None`: there is no such consumer.
    async fn request(&self, shard: &ShardRef, request: Request) -> Option<()> {
        let requests = self.lock().shards.get(shard).map(|entry| entry.requests.clone());
        requests?.send(request).await.ok()
    }

    /// The shards of all consumers.
    pub(crate) fn held(&self) -> Vec<ShardRef> {
        self.lock().shards.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is anything left to read of a shard.
fn is_read(board: &StatusBoard) -> bool {
    board.status().checkpoint != Position::ShardEnd
}
