//! Pure: the worker ids that a lease table cannot have.
//!
//! Worker ids, lease keys and the keys of the fleet's own rows share one space of keys. A worker whose id is one of the
//! other keys would overwrite that row with its metrics.

use super::{CLIENT_VERSION_KEY, LEADER_KEY, TABLE_MIGRATION_KEY};
use crate::lease::model::WorkerId;

/// The most bytes of a key.
///
/// Source: Amazon DynamoDB Developer Guide, "Quotas", partition keys.
const MAX_BYTES: usize = 2_048;

/// How the ids of shards begin.
///
/// Source: Amazon Kinesis Data Streams API reference, `Shard`.
const SHARD_PREFIX: &str = "shardId-";

/// Why a worker cannot have an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the worker id {id:?} {reason}; worker ids are keys of the lease table: choose one that no other row can have, such as \
     a host name with a UUID"
)]
pub(crate) struct UnusableWorkerId {
    /// The id, shortened.
    pub(crate) id: String,
    pub(crate) reason: Collision,
}

/// What an id collides with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Collision {
    #[error("is empty")]
    Empty,
    #[error("has more than 2,048 bytes")]
    TooLong,
    #[error("is the key of a row by which the fleet coordinates itself")]
    Reserved,
    #[error("has the form of a shard's lease key")]
    LeaseKey,
    #[error("has the form of a key that KCL gives to a stream")]
    StreamKey,
}

/// Refuses an id that is the key of another row of the table of `stream`, or may become one.
///
/// # Errors
///
/// The reason, and what to do.
pub(crate) fn check(worker: &WorkerId, stream: &str) -> Result<(), UnusableWorkerId> {
    let id = worker.as_str();
    let reason = if id.is_empty() {
        Collision::Empty
    } else if id.len() > MAX_BYTES {
        Collision::TooLong
    } else if [LEADER_KEY, CLIENT_VERSION_KEY, TABLE_MIGRATION_KEY].contains(&id) {
        Collision::Reserved
    } else if id.starts_with(SHARD_PREFIX) || is_of_several_streams(id, 4) {
        Collision::LeaseKey
    } else if id == stream || is_of_several_streams(id, 3) {
        Collision::StreamKey
    } else {
        return Ok(());
    };
    let id = id.chars().take(80).collect();
    Err(UnusableWorkerId { id, reason })
}

/// Whether `id` has `parts` parts that begin with `account:stream:created`.
fn is_of_several_streams(id: &str, parts: usize) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut split = id.split(':');
    let begins = split.next().is_some_and(is_number)
        && split.next().is_some_and(|name| !name.is_empty())
        && split.next().is_some_and(is_number);
    begins && split.count() + 3 == parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collision(id: &str) -> Option<Collision> {
        check(&WorkerId::new(id), "orders").err().map(|error| error.reason)
    }

    #[test]
    fn a_worker_id_that_is_a_reserved_key_is_refused() {
        for id in ["Leader", "Migration3.0", "TableMigration3.5"] {
            assert_eq!(collision(id), Some(Collision::Reserved), "{id}");
        }
    }

    #[test]
    fn a_worker_id_that_looks_like_a_lease_key_is_refused() {
        for id in [
            "shardId-000000000000",
            "shardId-a",
            "123456789012:orders:1700000000:shardId-000000000003",
        ] {
            assert_eq!(collision(id), Some(Collision::LeaseKey), "{id}");
        }
    }

    #[test]
    fn a_worker_id_that_is_the_key_of_a_stream_is_refused() {
        for id in ["orders", "123456789012:payments:1700000000"] {
            assert_eq!(collision(id), Some(Collision::StreamKey), "{id}");
        }
    }

    #[test]
    fn a_worker_id_that_cannot_be_a_key_is_refused() {
        assert_eq!(collision(""), Some(Collision::Empty));
        assert_eq!(collision(&"w".repeat(MAX_BYTES + 1)), Some(Collision::TooLong));
        assert_eq!(collision(&"w".repeat(MAX_BYTES)), None);
    }

    #[test]
    fn usual_worker_ids_are_accepted() {
        for id in [
            "w1",
            "leader",
            "ip-10-0-0-1:5c68130f-f5b9-4190-be8d-c3dacc44dfe2",
            "10.0.0.1:8080:3",
            "7:b:c",
            "my-shardId-7",
        ] {
            assert_eq!(collision(id), None, "{id}");
        }
    }

    #[test]
    fn the_refusal_names_the_id_and_says_what_to_do() {
        let error = check(&WorkerId::new("Leader"), "orders").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the worker id \"Leader\" is the key of a row by which the fleet coordinates itself; worker ids are keys of the \
             lease table: choose one that no other row can have, such as a host name with a UUID"
        );
    }
}
