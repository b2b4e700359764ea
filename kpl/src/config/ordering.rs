//! Pure: what a producer promises about the order of records, and what a stream must be like for it.

/// The order in which records are stored.
///
/// # What `PerKey` costs
///
/// One Kinesis record of a shard is under way at a time. With the defaults that is one aggregate of 51,200 bytes for each
/// answer and collection wait, about 40 ms together: 1.2 MiB a second, a little more than a shard takes. Where answers take
/// longer, raise [`aggregation_max_size`](crate::ProducerBuilder::aggregation_max_size) in proportion. Without
/// aggregation it is 25 records a second and shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ordering {
    /// None: what is sent again comes later. The most throughput.
    #[default]
    None,
    /// The first occurrences of one key's records are stored in the order in which `put` accepted them, across throttling,
    /// retries and resharding. Key means hash key: the partition key's, or the explicit one. Puts that run at the same time
    /// have no order.
    ///
    /// A record that is sent again may be stored twice, but never behind a later one for the first time. The order of a
    /// key ends with a record of it that is given back: the records behind it are still sent.
    ///
    /// A record that is retried holds back those behind it on its shard. One that a proxy refuses for its content does so for one
    /// minute.
    PerKey,
}

/// Who decides which shard a record goes to: the `RecordDistributionStrategy` of a stream.
///
/// A stream that is on demand can be changed from the one to the other while records flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecordDistribution {
    /// The record's hash key, as on every provisioned stream.
    #[doc(alias = "USER_PARTITION_KEY")]
    UserPartitionKey,
    /// The service: keys are optional and ignored, nothing has an order, and a consumer may drop an aggregate.
    #[doc(alias = "AUTO")]
    Auto,
    /// It is not known. Records leave one by one, with their hash keys.
    #[default]
    #[doc(alias = "UNSET")]
    Unknown,
}
