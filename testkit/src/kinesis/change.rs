//! Pure: changes of a stream, which are asked for now and happen later.

use std::time::Duration;

use aggregation::HashKey;

use super::request::StreamMode;
use super::response::StreamStatus;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::timestamp::Timestamp;

/// A change that was asked for and has not happened yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) due: Timestamp,
    pub(super) change: Change,
}

/// What happens to a stream, some time after it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It gets its first shards.
    Create { shards: u32 },
    /// It disappears.
    Delete,
    /// A shard becomes two, the upper of which starts `at`.
    Split { shard: ShardId, at: HashKey },
    /// Two shards become one.
    Merge { shard: ShardId, adjacent: ShardId },
    /// Rounds of splits and merges, each of which takes `round`.
    Scale { target: u32, round: Duration },
    /// Its shards become the owner's or the service's to decide.
    Mode(StreamMode),
    /// It takes records of so many KiB.
    RecordKib(u32),
    /// Its records are encrypted by this key, or not at all.
    EncryptionKey(Option<String>),
}

impl Stream {
    /// The state that the pending change puts it in.
    pub(super) fn status(&self) -> StreamStatus {
        match self.pending.as_ref().map(|pending| &pending.change) {
            None => StreamStatus::Active,
            Some(Change::Create { .. }) => StreamStatus::Creating,
            Some(Change::Delete) => StreamStatus::Deleting,
            Some(Change::Split { .. } | Change::Merge { .. } | Change::Scale { .. }) => StreamStatus::Updating,
            Some(Change::Mode(_) | Change::RecordKib(_) | Change::EncryptionKey(_)) => StreamStatus::Updating,
        }
    }

    /// Lets pending changes happen that are due, at the moment they were due, and forgets expired records.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(pending) = self
            .pending
            .take_if(|pending| pending.due <= now && pending.change != Change::Delete)
        {
            self.pending = self.apply(pending);
        }
        self.trim(now);
    }

    /// Tells whether its deletion is complete.
    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.change == Change::Delete && pending.due <= now)
    }

    /// Makes a change happen, and returns what it leaves to do.
    fn apply(&mut self, Pending { due, change }: Pending) -> Option<Pending> {
        match change {
            Change::Create { shards } => self.create_shards(shards),
            Change::Split { shard, at } => {
                self.begin_era(due);
                self.split(shard, at, due);
            }
            Change::Merge { shard, adjacent } => {
                self.begin_era(due);
                self.merge(shard, adjacent, due);
            }
            Change::Scale { target, round } => {
                self.begin_era(due);
                self.scale(target, due);
                let more = !self.is_uniform(target);
                return more.then_some(Pending {
                    due: due + round,
                    change,
                });
            }
            Change::Mode(mode) => self.config.mode = mode,
            Change::RecordKib(kib) => self.config.record_kib = kib,
            Change::EncryptionKey(key) => self.config.encryption_key = key,
            Change::Delete => {}
        }
        None
    }

    /// Open shards, counting those that are still to come.
    pub(super) fn promised_shard_count(&self) -> usize {
        let open = self.open_shard_count();
        match self.pending.as_ref().map(|pending| &pending.change) {
            Some(Change::Create { shards }) => *shards as usize,
            Some(Change::Split { .. }) => open + 1,
            Some(Change::Scale { target, .. }) => open.max(*target as usize),
            Some(Change::Merge { .. } | Change::Delete) | None => open,
            Some(Change::Mode(_) | Change::RecordKib(_) | Change::EncryptionKey(_)) => open,
        }
    }

    /// The capacity mode that it has or is about to get.
    pub(super) fn promised_mode(&self) -> StreamMode {
        if let Some(Pending {
            change: Change::Mode(mode),
            ..
        }) = self.pending
        {
            return mode;
        }
        self.config.mode
    }
}
