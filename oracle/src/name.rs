//! Pure: what the facts call processes, records and ownerships.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use testkit::kinesis::ShardId;

/// The name of a simulated process: a producer, or a worker as `leaseOwner` names it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(Arc<str>);

impl Process {
    /// The process `name`.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record that some producer accepted. The number is the caller's, used once in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.0)
    }
}

/// A fault. The number is the caller's, used once in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u64);

/// 64 bits that stand for a payload, so that a long run need not keep its payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

impl Digest {
    /// The digest of `bytes`; the same in each run. Among 50,000 different payloads the chance that any two share one
    /// is below one in 10^10.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self(hasher.finish())
    }
}

/// One ownership of a shard: from the moment a worker takes its lease until it loses it, ends it or gives it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ownership {
    /// The shard.
    pub shard: ShardId,
    /// The fencing token: larger in each later ownership of the shard.
    pub token: u64,
    /// The worker, as `leaseOwner` names it.
    pub worker: Process,
}

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (token {}) on {}", self.worker, self.token, self.shard)
    }
}
