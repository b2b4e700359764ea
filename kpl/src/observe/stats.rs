//! What a producer holds and has done, as a snapshot.
//!
//! ```no_run
//! # fn show(producer: &kpl::Producer) {
//! let stats = producer.stats();
//! println!("{} records wait, the oldest for {:?}", stats.outstanding.records, stats.oldest_outstanding);
//! for shard in &stats.shards {
//!     println!("{}: {:.0} bytes a second, {:.0} % throttled", shard.shard_id, shard.bytes_per_second, shard.throttled_percent);
//! }
//! # }
//! ```
//!
//! For series over time there is [`metrics`](crate::metrics).
//!
//! Inside, in the order of the data: `totals` are counted in the pipeline, `rate` keeps the last seconds of a shard, and
//! `board` is where `stats()` reads both.

mod board;
mod rate;
mod totals;

use std::time::Duration;

pub(crate) use self::board::{Board, Load};
pub(crate) use self::rate::Counts;
pub(crate) use self::totals::Totals;
pub use crate::budget::BudgetUse;
pub use crate::lanes::contents::Volume;
use service::ShardId;

/// What a producer holds and has done since it was built. [`Producer::stats`](crate::Producer::stats) makes it.
///
/// Each record that was put is outstanding, delivered or failed: `put` is the sum of the three volumes.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// What `put` and its kin have accepted.
    pub put: Volume,
    /// What the service has stored.
    pub delivered: Volume,
    /// What was given back.
    pub failed: Volume,
    /// The same user records by their reasons.
    pub failures: Failures,
    /// What has no outcome yet.
    pub outstanding: Volume,
    /// The part of it that the producer's task has not got yet: open aggregates, and those on their way to it.
    pub buffered: Volume,
    /// The part of it that is in requests under way. What is neither this nor buffered waits: for the rate of its shard,
    /// for others to share its request, for its next attempt, or for the shard map.
    pub in_flight: Volume,
    /// How long ago the oldest record that is outstanding was put. Records that share an aggregate count as old as the
    /// first of them.
    pub oldest_outstanding: Option<Duration>,
    /// Requests with records under way.
    pub requests_in_flight: usize,
    /// Requests that were sent: with records, and for the stream's shards and description.
    pub requests: u64,
    /// Requests that failed as a whole, as all do while nothing answers. A description that the caller may not have is
    /// none of them.
    pub requests_failed: u64,
    /// How often a Kinesis record was in a request that was not its first, and how often a request for the shards or the
    /// description was sent after one that failed.
    pub retries: u64,
    /// Calls that wait for room right now: of `put`, and of `put_all` with a piece of their records each.
    pub puts_waiting: usize,
    /// How often such a call has had to wait.
    pub puts_waited: u64,
    /// The use of the budget, by all producers that share it.
    pub budget: BudgetUse,
    /// The shards to which something was sent, in the order of their ids. A shard that was closed leaves with the next
    /// shard map.
    pub shards: Vec<ShardStats>,
}

/// User records that were given back, by their reasons: the kinds of [`PutErrorKind`](crate::PutErrorKind).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures {
    /// `Expired`.
    pub expired: u64,
    /// `Throttled`.
    pub throttled: u64,
    /// `StreamNotFound`.
    pub stream_not_found: u64,
    /// `AccessDenied`.
    pub access_denied: u64,
    /// `CredentialsRefused`.
    pub credentials_refused: u64,
    /// `Intercepted`.
    pub intercepted: u64,
    /// `RequestTooLarge`.
    pub request_too_large: u64,
    /// `Rejected`.
    pub rejected: u64,
    /// `RecordCountMismatch`.
    pub record_count_mismatch: u64,
    /// `ShutDown`.
    pub shut_down: u64,
    /// `TaskEnded`.
    pub task_ended: u64,
    /// Any other kind.
    pub other: u64,
}

impl Failures {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self {
            expired,
            throttled,
            stream_not_found,
            access_denied,
            credentials_refused,
            intercepted,
            request_too_large,
            rejected,
            record_count_mismatch,
            shut_down,
            task_ended,
            other,
        } = *self;
        let on_the_way = credentials_refused + intercepted + request_too_large;
        let refused = throttled + stream_not_found + access_denied + on_the_way + rejected + record_count_mismatch;
        expired + refused + shut_down + task_ended + other
    }
}

/// What one shard was sent, over the last ten seconds, or since it was first sent something if that is less; over one
/// second at least.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShardStats {
    /// The shard for which the records were meant.
    pub shard_id: ShardId,
    /// User records stored in a second.
    pub user_records_per_second: f64,
    /// Kinesis records stored in a second. A shard takes
    /// [`SHARD_RECORDS_PER_SECOND`](crate::limits::SHARD_RECORDS_PER_SECOND).
    pub kinesis_records_per_second: f64,
    /// Bytes stored in a second, as the service counts them: data and partition keys of the Kinesis records. A shard takes
    /// [`SHARD_BYTES_PER_SECOND`](crate::limits::SHARD_BYTES_PER_SECOND).
    pub bytes_per_second: f64,
    /// Of 100 Kinesis records that the service answered, how many it throttled. 0 if it answered none.
    pub throttled_percent: f64,
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
