//! Pure: the states of a stream: what each allows, and how pending changes lead from one to the next.

use super::change::{Change, Pending};
use super::error::ServiceError;
use super::refusal;
use super::request::StreamMode;
use super::response::StreamStatus;
use super::stream::Stream;
use super::timestamp::Timestamp;

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

    /// Refuses all states but ACTIVE.
    pub(super) fn check_active(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active => Ok(()),
            status @ (StreamStatus::Creating | StreamStatus::Deleting | StreamStatus::Updating) => {
                Err(refusal::in_use(&self.identity, status))
            }
        }
    }

    /// Refuses the states in which there are no shards to list.
    pub(super) fn check_listable(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            status @ (StreamStatus::Creating | StreamStatus::Deleting) => Err(refusal::in_use(&self.identity, status)),
        }
    }

    /// Refuses, as not there, the states in which nothing can be written.
    pub(super) fn check_writable(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            StreamStatus::Creating | StreamStatus::Deleting => Err(refusal::not_found(&self.identity)),
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
