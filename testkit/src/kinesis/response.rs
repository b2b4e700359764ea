//! Pure: the responses, one struct for each operation that answers more than "done", as the API reference declares them.
//!
//! By subject: `streams`, `shards`, `records`, `configuration`.

use serde::Serialize;

use super::wire;

/// Declares an output, or a part of one; members are named as in the API reference.
macro_rules! output {
    ($(#[$attribute:meta])* $name:ident { $($(#[$member_attribute:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($(#[$member_attribute])* pub $member: $type,)*
        }
    };
}

mod configuration;
mod records;
mod shards;
mod streams;

pub use configuration::{
    DescribeLimits, EnhancedMonitoring, ListTagsForResource, ListTagsForStream, Tag, UpdateStreamWarmThroughput,
    WarmThroughput,
};
pub use records::{ChildShard, GetRecords, GetShardIterator, PutRecord, PutRecords, PutRecordsResult, Record};
pub use shards::{HashKeyRange, ListShards, SequenceNumberRange, Shard, UpdateShardCount};
pub use streams::{
    DescribeStream, DescribeStreamSummary, EnhancedMetrics, ListStreams, StreamDescription, StreamDescriptionSummary,
    StreamFacts, StreamStatus, StreamSummary,
};

macro_rules! answers {
    ($($answer:ident),+ $(,)?) => {
        /// One answer.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Response {
            /// Of the operations without an output.
            Done(Done),
            $(#[doc = concat!("`", stringify!($answer), "`")] $answer($answer),)+
        }

        $(
            impl From<$answer> for Response {
                fn from(answer: $answer) -> Self {
                    Self::$answer(answer)
                }
            }
        )+
    };
}

answers! {
    DescribeLimits,
    DescribeStream,
    DescribeStreamSummary,
    EnhancedMonitoring,
    GetRecords,
    GetShardIterator,
    ListShards,
    ListStreams,
    ListTagsForResource,
    ListTagsForStream,
    PutRecord,
    PutRecords,
    UpdateShardCount,
    UpdateStreamWarmThroughput,
}

impl From<()> for Response {
    fn from((): ()) -> Self {
        Self::Done(Done {})
    }
}

impl Response {
    /// Encodes the answer as AWS JSON 1.1.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }
}

output! {
    /// Nothing to say.
    Done {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::kinesis::request::EncryptionType;
    use crate::kinesis::timestamp::Timestamp;

    #[test]
    fn an_answer_without_content_is_an_empty_object() {
        assert_eq!(Response::from(()).encode(), b"{}");
    }

    #[test]
    fn a_record_carries_base64_and_milliseconds() {
        let record = Record {
            sequence_number: "7".parse().unwrap(),
            approximate_arrival_timestamp: Timestamp::from_millis(1_459_799_926_480),
            data: Bytes::from_static(b"hi"),
            partition_key: Some("k".to_owned()),
            encryption_type: EncryptionType::None,
        };
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"SequenceNumber":"7","ApproximateArrivalTimestamp":1459799926.48,"Data":"aGk=","PartitionKey":"k"}"#
        );
    }
}
