//! Pure: every constant of the service, with its unit and its source.
//!
//! "API reference" and "developer guide" are those of Amazon Kinesis Data Streams, by page name.

use std::time::Duration;

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

/// ListShards calls a second on one stream. Source: API reference, ListShards.
pub const LIST_SHARDS_CALLS_PER_SECOND: u64 = 1000;

/// Shards of one ListShards reply, whatever `MaxResults` asks for. Source: API reference, ListShards, `MaxResults`.
pub const SHARDS_PER_LIST: usize = 1000;

/// The largest legal `MaxResults` and `Limit` of the listing calls. Source: API reference, ListShards, `MaxResults`.
pub const MAX_LISTING_LIMIT: i32 = 10_000;

/// Age at which a pagination token expires. Source: API reference, ListShards, `NextToken`.
pub const NEXT_TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// Shards of one DescribeStream reply. Source: API reference, DescribeStream, `Limit`.
pub const SHARDS_PER_DESCRIBE: usize = 100;

/// DescribeStream calls a second in an account. Source: API reference, DescribeStream.
pub const DESCRIBE_STREAM_CALLS_PER_SECOND: u64 = 10;

/// DescribeStreamSummary calls a second in an account. Source: API reference, DescribeStreamSummary.
pub const DESCRIBE_SUMMARY_CALLS_PER_SECOND: u64 = 20;

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

/// Open shards of an account, in the largest regions. Source: developer guide, Quotas and limits.
pub const DEFAULT_SHARD_QUOTA: u32 = 20_000;

/// Hours for which a new stream keeps its records, and the least it can be told to. Source: API reference,
/// DecreaseStreamRetentionPeriod.
pub const MIN_RETENTION_HOURS: u32 = 24;

/// Hours to which retention can be raised. Source: API reference, IncreaseStreamRetentionPeriod.
pub const MAX_RETENTION_HOURS: u32 = 8760;
