//! Pure: the names of shards.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The name of a shard, `shardId-` and a number of twelve digits. Numbers increase in the order of creation and are not
/// used twice in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u32);

impl ShardId {
    /// The first shard of every stream.
    pub const FIRST: Self = Self(0);

    /// Names the shard with this number; the service counts in 31 bits.
    pub const fn new(number: u32) -> Option<Self> {
        if number > i32::MAX.unsigned_abs() {
            None
        } else {
            Some(Self(number))
        }
    }

    /// Returns the number in the name.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The name that is given after this one.
    pub(super) const fn following(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

/// Tells that a text names no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shard is named shardId- and twelve digits")]
pub struct InvalidShardId;

impl FromStr for ShardId {
    type Err = InvalidShardId;

    fn from_str(text: &str) -> Result<Self, InvalidShardId> {
        let digits = text.strip_prefix("shardId-").ok_or(InvalidShardId)?;
        if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidShardId);
        }
        digits.parse().ok().and_then(Self::new).ok_or(InvalidShardId)
    }
}

impl Serialize for ShardId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        let id = ShardId::new(42).unwrap();
        assert_eq!(id.to_string(), "shardId-000000000042");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "",
            "shardId-",
            "shardId-42",
            "shardId-00000000004x",
            "shard-000000000042",
            "shardId-002147483648",
        ] {
            assert_eq!(text.parse::<ShardId>(), Err(InvalidShardId), "{text}");
        }
    }
}
