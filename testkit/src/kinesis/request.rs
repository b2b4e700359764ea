//! Pure: the requests, one struct for each operation, as the API reference declares them.
//!
//! Members that are reserved (`StreamId`) or unknown are accepted and ignored.
//!
//! By subject: `streams`, `shards`, `resharding`, `records`, `configuration`, `tags`.

use super::error::ServiceError;
use super::wire;

/// Declares the input of an operation; members are named as in the API reference.
macro_rules! input {
    ($(#[$attribute:meta])* $name:ident { $($(#[$member_attribute:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($(#[$member_attribute])* pub $member: $type,)*
        }
    };
}

/// Declares the input of an operation on one stream, which is told by its name, its ARN or both.
macro_rules! stream_input {
    ($(#[$attribute:meta])* $name:ident { $($members:tt)* }) => {
        input! {
            $(#[$attribute])*
            $name {
                /// The name, unless the ARN is given.
                stream_name: Option<String>,
                /// The ARN, unless the name is given.
                #[serde(rename = "StreamARN")]
                stream_arn: Option<String>,
                $($members)*
            }
        }
    };
}

mod configuration;
mod records;
mod resharding;
mod shards;
mod streams;
mod tags;

pub use configuration::{
    DescribeLimits, DisableEnhancedMonitoring, EnableEnhancedMonitoring, EncryptionType, MetricsName,
    RecordDistributionStrategy, StartStreamEncryption, StopStreamEncryption, UpdateMaxRecordSize, UpdateStreamMode,
    UpdateStreamRecordDistributionStrategy, UpdateStreamWarmThroughput,
};
pub use records::{GetRecords, GetShardIterator, PutRecord, PutRecords, PutRecordsEntry, ShardIteratorType};
pub use resharding::{MergeShards, ScalingType, SplitShard, UpdateShardCount};
pub use shards::{ListShards, ShardFilter, ShardFilterType};
pub use streams::{
    CreateStream, DecreaseStreamRetentionPeriod, DeleteStream, DescribeStream, DescribeStreamSummary,
    IncreaseStreamRetentionPeriod, ListStreams, StreamMode, StreamModeDetails,
};
pub use tags::{
    AddTagsToStream, ListTagsForResource, ListTagsForStream, RemoveTagsFromStream, TagResource, UntagResource,
};

macro_rules! operations {
    ($($operation:ident),+ $(,)?) => {
        /// One decoded call.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($operation), "`")] $operation($operation),)+
        }

        impl Request {
            /// Decodes the AWS JSON 1.1 body of `operation` (`PutRecords`, without its service prefix).
            ///
            /// # Errors
            ///
            /// `UnknownOperationException` if the operation is not modelled, `SerializationException` if the body is
            /// not JSON or a member has the wrong type, `ValidationException` if a required member is missing.
            pub fn decode(operation: &str, body: &[u8]) -> Result<Self, ServiceError> {
                match operation {
                    $(stringify!($operation) => wire::decode(body).map(Self::$operation),)+
                    _ => Err(ServiceError::unknown_operation(format!("The operation {operation} is not modelled."))),
                }
            }

            /// The name of the operation.
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Self::$operation(_) => stringify!($operation),)+
                }
            }
        }
    };
}

operations! {
    AddTagsToStream,
    CreateStream,
    DecreaseStreamRetentionPeriod,
    DeleteStream,
    DescribeLimits,
    DescribeStream,
    DescribeStreamSummary,
    DisableEnhancedMonitoring,
    EnableEnhancedMonitoring,
    GetRecords,
    GetShardIterator,
    IncreaseStreamRetentionPeriod,
    ListShards,
    ListStreams,
    ListTagsForResource,
    ListTagsForStream,
    MergeShards,
    PutRecord,
    PutRecords,
    RemoveTagsFromStream,
    SplitShard,
    StartStreamEncryption,
    StopStreamEncryption,
    TagResource,
    UntagResource,
    UpdateMaxRecordSize,
    UpdateShardCount,
    UpdateStreamMode,
    UpdateStreamRecordDistributionStrategy,
    UpdateStreamWarmThroughput,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_is_not_modelled_is_refused_loudly() {
        for operation in ["SubscribeToShard", "RegisterStreamConsumer", "CreateChannel", "Fly"] {
            let error = Request::decode(operation, b"{}").unwrap_err();
            assert_eq!(error.code, "UnknownOperationException");
            assert!(error.message.contains(operation));
        }
    }

    #[test]
    fn a_request_knows_its_operation() {
        let request = Request::decode("DeleteStream", br#"{"StreamName":"orders"}"#).unwrap();
        assert_eq!(request.operation(), "DeleteStream");
    }

    #[test]
    fn the_reserved_stream_id_is_ignored() {
        let body = br#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","StreamId":"x"}"#;
        let Request::DescribeStreamSummary(request) = Request::decode("DescribeStreamSummary", body).unwrap() else {
            panic!("decoded as another operation");
        };
        assert!(request.stream_arn.unwrap().ends_with("/orders"));
    }

    #[test]
    fn a_name_outside_of_its_set_is_a_validation_exception_that_lists_the_set() {
        let body = br#"{"StreamName":"orders","ShardId":"shardId-000000000000","ShardIteratorType":"OLDEST"}"#;
        let error = Request::decode("GetShardIterator", body).unwrap_err();
        assert_eq!(error.code, "ValidationException");
        assert_eq!(
            error.message,
            "1 validation error detected: Value 'OLDEST' at 'shardIteratorType' failed to satisfy constraint: Member must \
             satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"
        );
    }
}
