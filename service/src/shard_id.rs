//! Pure: the names of shards.

use std::fmt;
use std::sync::Arc;

use crate::stream_ref::is_name;

/// A shard's id, as the service spells it. Ids need not be numeric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// The id `id`.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as shared text: a copy without an allocation.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Whether the service could give this id.
    ///
    /// Source: Amazon Kinesis Data Streams API reference, the pattern of `ShardId` in `GetShardIterator`, which is that of a
    /// stream's name.
    pub(crate) fn is_valid(&self) -> bool {
        is_name(&self.0)
    }

    /// Whether the service gave no id.
    pub fn is_nameless(&self) -> bool {
        self.0.is_empty()
    }

    /// The number in an id of the form `shardId-000000000007`.
    ///
    /// The service spells all ids so today. Of two shards of one stream, the later one has the greater number.
    pub fn number(&self) -> Option<u64> {
        self.0.strip_prefix("shardId-")?.parse().ok()
    }
}

impl From<Arc<str>> for ShardId {
    fn from(id: Arc<str>) -> Self {
        Self(id)
    }
}

impl PartialEq<str> for ShardId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for ShardId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_usual_form_has_a_number_and_another_id_has_none() {
        assert_eq!(ShardId::new("shardId-000000000012").number(), Some(12));
        for other in ["12", "shardId-", "shardId-12a", "shard-12", ""] {
            assert_eq!(ShardId::new(other).number(), None, "{other}");
        }
    }
}
