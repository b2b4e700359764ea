//! Pure: every constant of the service, with its unit and its source.
//!
//! "API reference" and "developer guide" are those of Amazon Kinesis Data Streams, by page name.

use std::time::Duration;

use super::call::Scope;

/// Bytes in a mebibyte.
const MIB: u64 = 1024 * 1024;

/// Entries of one PutRecords call. Source: API reference, PutRecords.
pub const RECORDS_PER_PUT: usize = 500;

/// Bytes of one PutRecords call, data and partition keys. Source: API reference, PutRecords.
pub const BYTES_PER_PUT: u64 = 10 * MIB;

/// Kibibytes of one record, data and partition key, in a stream that sets nothing else. Source: developer guide, Large
/// records.
pub const DEFAULT_RECORD_KIB: u32 = 1024;

/// Kibibytes to which a stream can raise its record limit. Source: API reference, CreateStream, `MaxRecordSizeInKiB`.
pub const MAX_RECORD_KIB: u32 = 10_240;

/// Unicode characters of a partition key. Source: API reference, PutRecord, `PartitionKey`.
pub const PARTITION_KEY_CHARACTERS: usize = 256;

/// Characters of a stream name. Source: API reference, CreateStream, `StreamName`.
pub const STREAM_NAME_CHARACTERS: usize = 128;

/// Characters of a shard iterator. Source: API reference, GetRecords, `ShardIterator`.
pub const SHARD_ITERATOR_CHARACTERS: usize = 512;

/// Records a second that a shard takes. Source: API reference, PutRecords.
pub const SHARD_WRITE_RECORDS_PER_SECOND: u64 = 1000;

/// Bytes a second that a shard takes, data and partition keys. Source: developer guide, Quotas and limits.
pub const SHARD_WRITE_BYTES_PER_SECOND: u64 = MIB;

/// GetRecords calls a second that a shard answers. Source: API reference, GetRecords.
pub const SHARD_READ_CALLS_PER_SECOND: u64 = 5;

/// Bytes a second that a shard hands out to GetRecords. Source: API reference, GetRecords.
pub const SHARD_READ_BYTES_PER_SECOND: u64 = 2 * MIB;

/// GetShardIterator calls a second on one shard. Source: API reference, GetShardIterator.
pub const SHARD_ITERATOR_CALLS_PER_SECOND: u64 = 5;

/// Records of one GetRecords reply. Source: API reference, GetRecords, `Limit`.
pub const RECORDS_PER_GET: usize = 10_000;

/// Bytes of one GetRecords reply, data and partition keys. Source: API reference, GetRecords.
pub const BYTES_PER_GET: u64 = 10 * MIB;

/// Age at which a shard iterator expires. Source: API reference, GetShardIterator.
pub const ITERATOR_LIFETIME: Duration = Duration::from_secs(300);

/// Calls a second of each operation of the control plane that has a rate. Source: API reference, the page of each
/// operation; for the rates by stream, developer guide, Quotas and limits. Where these disagree on the scope, the former
/// is followed.
pub const CALL_RATES: [(&str, Scope, u64); 18] = [
    ("AddTagsToStream", Scope::Account, 5),
    ("CreateStream", Scope::Account, 5),
    ("DecreaseStreamRetentionPeriod", Scope::Stream, 5),
    ("DeleteStream", Scope::Account, 5),
    ("DescribeLimits", Scope::Account, 1),
    ("DescribeStream", Scope::Account, 10),
    ("DescribeStreamSummary", Scope::Account, 20),
    ("DisableEnhancedMonitoring", Scope::Stream, 5),
    ("EnableEnhancedMonitoring", Scope::Stream, 5),
    ("IncreaseStreamRetentionPeriod", Scope::Stream, 5),
    ("ListShards", Scope::Stream, 1000),
    ("ListStreams", Scope::Account, 5),
    ("ListTagsForStream", Scope::Account, 5),
    ("MergeShards", Scope::Account, 5),
    ("RemoveTagsFromStream", Scope::Account, 5),
    ("SplitShard", Scope::Account, 5),
    ("UpdateShardCount", Scope::Account, 10),
    ("UpdateStreamWarmThroughput", Scope::Account, 5),
];

/// Shards of one ListShards reply, whatever `MaxResults` asks for. Source: API reference, ListShards, `MaxResults`.
pub const SHARDS_PER_LIST: usize = 1000;

/// The largest legal `MaxResults` and `Limit` of the listing calls. Source: API reference, ListShards, `MaxResults`.
pub const MAX_LISTING_LIMIT: i32 = 10_000;

/// Age at which a pagination token expires. Source: API reference, ListShards, `NextToken`.
pub const NEXT_TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// Shards of one DescribeStream reply. Source: API reference, DescribeStream, `Limit`.
pub const SHARDS_PER_DESCRIBE: usize = 100;

/// Streams of one ListStreams reply. Source: API reference, ListStreams.
pub const STREAMS_PER_LIST: usize = 100;

/// Streams of an account that may be in the state CREATING. Source: API reference, CreateStream.
pub const STREAMS_IN_CREATION: usize = 5;

/// Shards with which an on-demand stream starts. Source: developer guide, Choose the right mode (4 MB/s of writes).
pub const ON_DEMAND_SHARDS: u32 = 4;

/// The largest legal `ShardCount` of CreateStream. Source: kinesalite, which was compared with the service.
pub const MAX_SHARD_COUNT: i32 = 100_000;

/// Shards to which UpdateShardCount can bring a stream. Source: API reference, UpdateShardCount.
pub const MAX_TARGET_SHARD_COUNT: u32 = 10_000;

/// UpdateShardCount calls on a stream in any 24 hours. Source: API reference, UpdateShardCount.
pub const SCALINGS_PER_DAY: usize = 10;

/// Changes of a stream's capacity mode in any 24 hours. Source: developer guide, Quotas and limits.
pub const MODE_SWITCHES_PER_DAY: usize = 2;

/// Times in any 24 hours that encryption of a stream can be started, and that it can be stopped. Source: API reference,
/// StartStreamEncryption and StopStreamEncryption.
pub const ENCRYPTION_CHANGES_PER_DAY: usize = 25;

/// MiB a second that an on-demand stream can be kept ready for. Source: API reference, UpdateStreamWarmThroughput.
pub const MAX_WARM_MIBPS: i32 = 10 * 1024;

/// Tags of a stream. Source: API reference, AddTagsToStream.
pub const TAGS_PER_STREAM: usize = 50;

/// Tags of one call. Source: service model, `TagMap`.
pub const TAGS_PER_CALL: usize = 200;

/// Tag keys of one call that removes tags. Source: service model, `TagKeyList`.
pub const TAG_KEYS_PER_CALL: usize = 50;

/// Tags of one ListTagsForStream reply. Source: service model, `ListTagsForStreamInputLimit`.
pub const TAGS_PER_LIST: i32 = 50;

/// Characters of a tag's key. Source: API reference, Tag.
pub const TAG_KEY_CHARACTERS: usize = 128;

/// Characters of a tag's value. Source: API reference, Tag.
pub const TAG_VALUE_CHARACTERS: usize = 256;

/// Characters of a KMS key's id. Source: API reference, StartStreamEncryption, `KeyId`.
pub const KEY_ID_CHARACTERS: usize = 2048;

/// Shard-level metrics of one call. Source: service model, `MetricsNameList`.
pub const METRICS_PER_CALL: usize = 7;

/// Operations that a policy can open to other accounts. Source: developer guide, Share access using resource-based
/// policies.
pub const SHARED_OPERATIONS: [&str; 6] = [
    "DescribeStreamSummary",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "PutRecord",
    "PutRecords",
];

/// On-demand streams of an account. Source: developer guide, Quotas and limits.
pub const DEFAULT_ON_DEMAND_STREAM_QUOTA: u32 = 50;

/// Open shards of an account's provisioned streams, in the largest regions. Source: developer guide, Quotas and limits.
pub const DEFAULT_SHARD_QUOTA: u32 = 20_000;

/// Hours for which a new stream keeps its records, and the least it can be told to. Source: API reference,
/// DecreaseStreamRetentionPeriod.
pub const MIN_RETENTION_HOURS: u32 = 24;

/// Hours to which retention can be raised. Source: API reference, IncreaseStreamRetentionPeriod.
pub const MAX_RETENTION_HOURS: u32 = 8760;
