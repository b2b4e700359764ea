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
    PerKey,
}

/// Who decides which shard a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecordDistribution {
    /// The record's hash key, as on every provisioned stream.
    #[default]
    UserPartitionKey,
    /// The service (`AUTO`): nothing has an order, and an aggregate may be lost to its consumers.
    Auto,
    /// It is not known. Treated as `Auto`.
    Unknown,
}
