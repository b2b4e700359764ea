//! Pure: the name of a shard, with that of its stream.

use std::fmt;

use crate::{ShardId, StreamRef};

/// A shard and its stream. Two streams can have shards with the same id.
///
/// Cheap to clone: a copy shares the texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardRef {
    /// The stream.
    pub stream: StreamRef,
    /// The shard's id in that stream.
    pub shard: ShardId,
}

impl ShardRef {
    /// The shard `shard` of `stream`.
    pub fn new(stream: StreamRef, shard: ShardId) -> Self {
        Self { stream, shard }
    }
}

/// Writes `stream/shard`; the stream by its name or ARN, as it was given.
impl fmt::Display for ShardRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_with_one_id_in_two_streams_are_two_shards() {
        let [orders, returns] =
            ["orders", "returns"].map(|stream| ShardRef::new(StreamRef::parse(stream), ShardId::new("shardId-7")));
        assert_ne!(orders, returns);
        assert_eq!(
            [orders, returns].map(|shard| shard.to_string()),
            ["orders/shardId-7", "returns/shardId-7"]
        );
    }
}
