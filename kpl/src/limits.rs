//! Pure: the numbers that the Kinesis service sets, and the defaults that this crate chooses.

use std::time::Duration;

/// The largest number of entries in one `PutRecords` request.
///
/// Source: Amazon Kinesis Data Streams API reference, `PutRecords`.
pub const MAX_ENTRIES_PER_REQUEST: usize = 500;

/// The largest `PutRecords` request in bytes of data and partition keys (10 MiB).
///
/// Source: Amazon Kinesis Data Streams API reference, `PutRecords`.
pub const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// The largest record in bytes of data and partition key, unless the stream's `MaxRecordSizeInKiB` was raised (1 MiB).
///
/// Source: Amazon Kinesis Data Streams developer guide, "Quotas and limits".
pub const DEFAULT_MAX_RECORD_BYTES: usize = 1024 * 1024;

/// The largest value to which a stream's record limit can be raised, in bytes (10 MiB).
///
/// Source: Amazon Kinesis Data Streams API reference, `UpdateMaxRecordSize`.
pub const LARGEST_MAX_RECORD_BYTES: usize = 10 * 1024 * 1024;

/// The longest partition key in Unicode characters.
///
/// Source: Amazon Kinesis Data Streams API reference, `PutRecordsRequestEntry`.
pub const MAX_PARTITION_KEY_CHARS: usize = 256;

/// Records that one shard takes in a second.
///
/// Source: Amazon Kinesis Data Streams developer guide, "Quotas and limits".
pub const SHARD_RECORDS_PER_SECOND: u32 = 1_000;

/// Bytes of data and partition keys that one shard takes in a second (1 MiB).
///
/// Source: Amazon Kinesis Data Streams developer guide, "Quotas and limits".
pub const SHARD_BYTES_PER_SECOND: u32 = 1024 * 1024;

/// Shards that one page of `ListShards` holds.
///
/// Source: Amazon Kinesis Data Streams API reference, `ListShards`.
pub const LIST_SHARDS_PAGE: i32 = 1_000;

/// The longest that an aggregate waits for others to share its request. KPL's value.
pub const MAX_COLLECTION_WAIT: Duration = Duration::from_millis(50);

/// Bytes of one shard that send a request at once instead of waiting for others (256 KiB). KPL's value.
pub const SHARD_BYTES_PER_REQUEST: usize = 256 * 1024;

/// How long the last drop of a producer goes on delivering when nobody called `shutdown`. Our choice.
pub const DROP_GRACE: Duration = Duration::from_secs(30);

/// Bytes of records above 1 MiB that one shard takes at once before these, too, have to keep to its rate (10 MiB).
///
/// Source: Amazon Kinesis Data Streams developer guide, "Handle large records".
pub const SHARD_BURST_BYTES: u64 = 10 * 1024 * 1024;

/// The share of its entries that a shard may refuse before its rate is lowered, in thousandths (5 %). Our choice: entries that
/// are refused at random, or by one busy shard of many, are retried at the same rate; producers that share a full shard are
/// refused more than that.
pub const TOLERATED_REFUSALS: u32 = 50;

/// The least that a shard counts as sent in half a second when the refused share is reckoned (26 KiB): what it is sent at the
/// lowest rate. Our choice: one of two small records is not half of what a shard takes.
pub const LEAST_RATE_SAMPLE: u64 = 26 * 1024;

/// The lowest rate of a throttled shard, in percent of what it takes: 50 records and 51 KiB a second. Our choice: one
/// aggregate of the default size still leaves each second, so that the shard's recovery is noticed.
pub const MIN_RATE_PERCENT: u32 = 5;

/// How often the rate of a throttled shard goes up, and how often it is lowered at most. Our choice.
pub const RATE_INTERVAL: Duration = Duration::from_millis(500);

/// In how many steps it would go up from nothing to `rate_limit`; so it is back within 15 s. Our choice.
pub const RATE_RECOVERY_STEPS: u32 = 30;

/// The time that a report on a throttled shard covers. Our choice.
pub const HOT_SHARD_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The time over which the rates of a shard in [`Stats`](crate::Stats) are taken. Our choice.
pub const RATE_WINDOW: Duration = Duration::from_secs(10);

/// How often the outstanding records are counted for the series `UserRecordsPending`. KPL's value.
pub const PENDING_SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// How many error codes have a series of their own; those that come later share the code `Other`. Our choice: the service
/// documents fewer than 20.
pub const MAX_ERROR_CODES: usize = 32;

/// Placements that must agree with hash keys before a stream that nobody describes counts as following them. Our choice:
/// a stream of two shards that ignores them would do so by chance once in 2^64 times.
pub const AGREEING_PLACEMENTS: u32 = 64;

/// How old a stream's description may become while records flow. KPL's value.
pub const DESCRIPTION_INTERVAL: Duration = Duration::from_secs(300);

/// For how long a stream counts as being resharded after its shards have changed, or it was described as `UPDATING`.
/// Our choice: a step of a change of many shards takes less.
pub const RESHARDING_TIME: Duration = Duration::from_secs(60);

/// How old the shard map may become meanwhile, while records flow. Our choice.
pub const RESHARDING_REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// How old its description may become while it is `UPDATING`. Our choice: all producers of an account share 20 calls a
/// second.
pub const RESHARDING_DESCRIPTION_INTERVAL: Duration = Duration::from_secs(30);

/// How long the first records wait for the stream's description at most. Our choice: it comes with the shard map, unless
/// something is wrong, and they lose nothing by leaving without it.
pub const DESCRIPTION_PATIENCE: Duration = Duration::from_millis(500);

/// For how long a description that was just confirmed is not asked for again, whatever contradicts it. Our choice: all
/// producers of an account share 20 calls a second.
pub const REDESCRIPTION_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause between two descriptions for the sake of records without a partition key, which the stream refuses.
/// Our choice: one that becomes AUTO takes them within a minute.
pub const LONGEST_REDESCRIPTION_PAUSE: Duration = Duration::from_secs(60);

/// For how long a map that a fetch has just confirmed is not fetched again. Our choice.
pub const UNCHANGED_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause, while answers go on contradicting a map that each fetch confirms. Our choice: it delays the news
/// of a change in the middle of that.
pub const LONGEST_UNCHANGED_PAUSE: Duration = Duration::from_secs(16);

/// The longest pause after the stream could not be described, or its shards not be listed, while no record waits for it.
/// KPL's value for the latter.
pub const FETCH_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// What a Kinesis record costs of the budget besides its user records: itself, and a history of attempts in which the
/// failures are of few kinds. Our choice, a little more than was measured.
pub const KINESIS_RECORD_BYTES: usize = 1_536;

/// Spare buffers that the lanes of a producer share beside the budget (4 MiB). Our choice: enough for some 60 aggregates of
/// the default size.
pub const SPARE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// What the buffers of an open aggregate may take up beside what its records are charged (2 KiB). Our choice: they grow by
/// blocks of 1 KiB.
pub const OPEN_BUFFER_BYTES: usize = 2 * 1024;

/// Bytes that the SDK holds for each byte of a request under way, in tenths: copies of the data, and the body of JSON with
/// the data in base64. Our choice, a little more than was measured with records of 10 bytes to 900 kB.
pub const COPY_TENTHS: usize = 33;

/// Bytes of a request for which the names, hash key and bookkeeping of one entry count, before they are multiplied like
/// the others. Our choice, for the same reason.
pub const COPIED_BYTES_PER_ENTRY: usize = 200;

/// The wait after the first failure of a request or a record, before jitter. KPL's fixed delay with default settings.
pub const RETRY_DELAY: Duration = Duration::from_millis(50);

/// How many bytes of aggregates are routed again at once after the shards have changed. Our choice: to build so much anew takes a
/// few milliseconds.
pub const REROUTING_STEP: usize = 1024 * 1024;

/// The pause between two such steps. Our choice: the shortest that a timer knows; answers are heard and requests sent meanwhile.
pub const REROUTING_PAUSE: Duration = Duration::from_millis(1);

/// The longest wait between two attempts, before jitter. Our choice: a shard's bucket refills within a second or two.
pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// For how long records are sent again to a service that does not know the access key, or through something on the way that
/// refuses requests without an error code of the service (1 minute). Our choice: a key that was made a moment ago is known
/// everywhere within seconds, and a proxy is configured anew in less.
pub const REFUSAL_GRACE: Duration = Duration::from_secs(60);

/// The body of a request that every working proxy takes (16 KiB). A smaller one that is refused as too large is sent again
/// within [`REFUSAL_GRACE`]. Our choice: proxies take 1 MiB and more unless they are told otherwise.
pub const LEAST_REQUEST: usize = 16 * 1024;

/// How long requests keep to the size that passed a proxy before one larger request is tried (5 minutes). Our choice: a
/// larger one that is refused costs its bytes once more.
pub const LARGER_REQUEST_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Bytes of a request's body for each entry beside its data in base64 and its partition key. Our choice, a little more
/// than the names, the quotes and the hash key take.
pub const BODY_BYTES_PER_ENTRY: usize = 110;

/// The shortest `record_ttl`. KPL's value.
pub const MIN_RECORD_TTL: Duration = Duration::from_millis(100);

/// How much later than its expiry a record that waits may be given back; nothing is sent in the meantime. Our choice.
pub const EXPIRY_RESOLUTION: Duration = Duration::from_millis(25);

/// The longest time that is reckoned with; what is longer is for ever. Our choice.
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
