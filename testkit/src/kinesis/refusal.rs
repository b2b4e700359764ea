//! Pure: what the service says when a stream or a shard is not there, not ready or too busy.
//!
//! Source of the wording: kinesalite, which was compared with the service.

use std::fmt::Display;

use super::error::ServiceError;
use super::response::StreamStatus;
use super::shard_id::ShardId;
use super::stream::Stream;

/// Says that a stream is not there.
pub(super) fn no_stream(name: &str, account_id: &str) -> ServiceError {
    ServiceError::resource_not_found(format!("Stream {name} under account {account_id} not found."))
}

/// Says that a shard is not there.
pub(super) fn no_shard(shard: &str, stream: &str, account_id: &str) -> ServiceError {
    let message = format!("Shard {shard} in stream {stream} under account {account_id} does not exist");
    ServiceError::resource_not_found(message)
}

impl Stream {
    /// "stream orders under account 000000000000".
    pub(super) fn label(&self) -> String {
        format!("stream {} under account {}", self.name, self.account_id)
    }

    /// Refuses all states but ACTIVE.
    pub(super) fn check_active(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active => Ok(()),
            StreamStatus::Creating | StreamStatus::Deleting | StreamStatus::Updating => Err(self.in_use()),
        }
    }

    /// Refuses the states in which there are no shards to list.
    pub(super) fn check_listable(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            StreamStatus::Creating | StreamStatus::Deleting => Err(self.in_use()),
        }
    }

    /// Refuses, as not there, the states in which nothing can be written.
    pub(super) fn check_writable(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            StreamStatus::Creating | StreamStatus::Deleting => Err(no_stream(&self.name, &self.account_id)),
        }
    }

    /// The message for a record that a shard has no throughput for.
    pub(super) fn write_rate_exceeded(&self, shard: ShardId) -> String {
        format!("Rate exceeded for shard {shard} in {}.", self.label())
    }

    /// The error for a read that a shard has no throughput for. Source: reports of users, since 2023.
    pub(super) fn read_rate_exceeded(&self, shard: impl Display) -> ServiceError {
        let message = format!("Rate exceeded for Shard - {}/{}/{shard}", self.account_id, self.name);
        ServiceError::throughput_exceeded(message)
    }

    /// The error for a listing or a description too many.
    pub(super) fn call_rate_exceeded(&self) -> ServiceError {
        ServiceError::limit_exceeded(format!("Rate exceeded for {}.", self.label()))
    }

    fn in_use(&self) -> ServiceError {
        let Self { name, account_id, .. } = self;
        let status = self.status().name();
        let message = format!("Stream {name} under account {account_id} not ACTIVE, instead in state {status}");
        ServiceError::resource_in_use(message)
    }
}
