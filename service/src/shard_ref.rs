//! Pure: the name of a shard, with that of its stream.

use std::fmt;
use std::str::FromStr;

use crate::{ShardId, StreamFault, StreamRef};

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

/// Reads `stream/shard` as [`Display`](fmt::Display) writes it; the stream by its name or its ARN.
///
/// ```
/// # use service as kcl;
/// let shard: kcl::ShardRef = "orders/shardId-000000000007".parse()?;
/// assert_eq!(shard.shard, "shardId-000000000007");
/// # Ok::<(), kcl::InvalidShardRef>(())
/// ```
///
/// # Errors
///
/// [`InvalidShardRef`].
impl FromStr for ShardRef {
    type Err = InvalidShardRef;

    fn from_str(text: &str) -> Result<Self, InvalidShardRef> {
        let refused = |fault| InvalidShardRef {
            text: text.to_owned(),
            fault,
        };
        // The name of a stream in an ARN stands behind a slash too.
        let (stream, shard) = text.rsplit_once('/').ok_or_else(|| refused(ShardRefFault::NoSlash))?;
        let (stream, shard) = (StreamRef::parse(stream), ShardId::new(shard));
        match stream.fault() {
            Some(fault) => Err(refused(ShardRefFault::Stream(fault))),
            None if !shard.is_valid() => Err(refused(ShardRefFault::Shard)),
            None => Ok(Self { stream, shard }),
        }
    }
}

/// A text that names no shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not STREAM/SHARD")]
pub struct InvalidShardRef {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub fault: ShardRefFault,
}

/// Why a text names no shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardRefFault {
    /// Nothing separates a stream from a shard.
    #[error("it has no slash between a stream and a shard")]
    NoSlash,
    /// No stream can have that name or ARN.
    #[error(transparent)]
    Stream(StreamFault),
    /// No shard can have that id.
    #[error("no shard can have that id: an id is 1 to 128 of the characters a-z, A-Z, 0-9, `_`, `.` and `-`")]
    Shard,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn a_text_that_names_no_shard_is_refused_with_the_part_that_is_wrong() {
        let fault = |text: &str| text.parse::<ShardRef>().unwrap_err().fault;
        assert_eq!(fault("shardId-7"), ShardRefFault::NoSlash);
        assert_eq!(fault("/shardId-7"), ShardRefFault::Stream(StreamFault::Empty));
        for text in [
            "arn:aws:kinesis:eu-central-1:123456789012:stream/orders",
            "a/b/shardId-7",
        ] {
            assert!(matches!(fault(text), ShardRefFault::Stream(_)), "{text}");
        }
        for text in ["orders/", "orders/shard 7", "orders/größe"] {
            assert_eq!(fault(text), ShardRefFault::Shard, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shard_is_read_back_from_its_text(
            is_arn: bool,
            name in "[a-zA-Z0-9_.-]{1,128}",
            shard in "[a-zA-Z0-9_.-]{1,128}",
        ) {
            let stream = match is_arn {
                true => format!("arn:aws:kinesis:eu-central-1:123456789012:stream/{name}"),
                false => name,
            };
            let shard = ShardRef::new(StreamRef::parse(&stream), ShardId::new(&shard));
            prop_assert_eq!(shard.to_string().parse(), Ok(shard));
        }

        #[test]
        fn whatever_is_read_is_written_as_it_was(text in "(arn:aws:kinesis:[a-z]{2}:123456789012:stream/)?[a-z/ :]{0,6}") {
            if let Ok(shard) = text.parse::<ShardRef>() {
                prop_assert_eq!(shard.to_string(), text);
            }
        }
    }
}
