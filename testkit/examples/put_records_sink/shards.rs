//! The shards that every stream of the sink has: equal parts of the hash keys, with the parts of their answers.

use std::fmt::Write as _;

use aggregation::{HashKey, HashKeyRange};

/// The shards of every stream.
#[derive(Debug)]
pub(crate) struct Shards {
    ranges: Vec<HashKeyRange>,
    /// The answer to an entry of each shard.
    stored: Vec<String>,
}

impl Shards {
    pub(crate) fn new(count: u32) -> Self {
        let stored = |n| format!(r#"{{"SequenceNumber":"49{n:054}","ShardId":"{}"}}"#, name(n));
        Self {
            ranges: HashKeyRange::FULL.split_evenly(count).collect(),
            stored: (0..count as usize).map(stored).collect(),
        }
    }

    /// The answer to an entry with this hash key.
    pub(crate) fn stored(&self, key: HashKey) -> &str {
        let index = self.ranges.partition_point(|range| range.end() < key);
        self.stored.get(index).map_or("{}", String::as_str)
    }

    /// The answer to ListShards.
    pub(crate) fn listed(&self) -> String {
        let mut listed = String::from(r#"{"Shards":["#);
        for (n, range) in self.ranges.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(
                listed,
                r#"{comma}{{"ShardId":"{}","HashKeyRange":{{"StartingHashKey":"{}","EndingHashKey":"{}"}},"SequenceNumberRange":{{"StartingSequenceNumber":"0"}}}}"#,
                name(n),
                range.start(),
                range.end()
            );
        }
        listed + "]}"
    }
}

fn name(shard: usize) -> String {
    format!("shardId-{shard:012}")
}
