//! Why a row is believed, and the pages of AWS that it is read off.

use self::Evidence::Page;

/// Why a row is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Evidence {
    /// The service model that AWS publishes with its SDKs declares it: a shape, a constraint or an error.
    ServiceModel,
    /// A page of AWS says it: the page's name and its address.
    Page(&'static str, &'static str),
    /// A client of AWS relies on it, which one and how.
    RealClient(&'static str),
    /// It is not the service's behaviour at all: the model lacks something, and says so.
    OurGap,
}

macro_rules! api_reference {
    ($($name:ident = $page:literal;)+) => {
        $(pub(crate) const $name: Evidence = Page(
            $page,
            concat!("https://docs.aws.amazon.com/kinesis/latest/APIReference/API_", $page, ".html"),
        );)+
    };
}

macro_rules! developer_guide {
    ($($name:ident = $title:literal, $page:literal;)+) => {
        $(pub(crate) const $name: Evidence =
            Page($title, concat!("https://docs.aws.amazon.com/streams/latest/dev/", $page, ".html"));)+
    };
}

api_reference! {
    CREATE_STREAM = "CreateStream";
    DECREASE_RETENTION = "DecreaseStreamRetentionPeriod";
    DELETE_STREAM = "DeleteStream";
    DESCRIBE_LIMITS = "DescribeLimits";
    DESCRIBE_STREAM = "DescribeStream";
    DESCRIBE_SUMMARY = "DescribeStreamSummary";
    GET_ITERATOR = "GetShardIterator";
    GET_RECORDS = "GetRecords";
    INCREASE_RETENTION = "IncreaseStreamRetentionPeriod";
    LIST_SHARDS = "ListShards";
    LIST_STREAMS = "ListStreams";
    MERGE_SHARDS = "MergeShards";
    PUT_RECORD = "PutRecord";
    PUT_RECORDS = "PutRecords";
    PUT_RESULT = "PutRecordsResultEntry";
    RECORD = "Record";
    SEQUENCE_RANGE = "SequenceNumberRange";
    SHARD_FILTER = "ShardFilter";
    SPLIT_SHARD = "SplitShard";
    START_ENCRYPTION = "StartStreamEncryption";
    UPDATE_RECORD_SIZE = "UpdateMaxRecordSize";
    UPDATE_SHARD_COUNT = "UpdateShardCount";
}

developer_guide! {
    AUTO = "Producer API behavior with service-managed distribution", "service-managed-pk-producing-behavior";
    AFTER_RESHARDING = "Complete the resharding action", "kinesis-using-sdk-java-after-resharding";
    CAPACITY_MODES = "Choose the right mode", "how-do-i-size-a-stream";
    LARGE_RECORDS = "Handle large records", "large-records";
    MERGING = "Merge two shards", "kinesis-using-sdk-java-resharding-merge";
    QUOTAS = "Quotas and limits", "service-sizes-and-limits";
    TERMS = "Terminology and concepts", "key-concepts";
}

/// The KCL's shard sync.
pub(crate) const KCL_SYNC: Evidence = Evidence::RealClient(
    "the KCL lists shards AT_LATEST, AT_TRIM_HORIZON or AT_TIMESTAMP into an empty lease table, and needs a complete hash range",
);
/// The KCL's poller.
pub(crate) const KCL_POLLER: Evidence = Evidence::RealClient(
    "the KCL ends a shard if and only if there is no next iterator, and then needs children that name their parents",
);
/// The KCL's start from a checkpoint.
pub(crate) const KCL_CHECKPOINT: Evidence =
    Evidence::RealClient("the KCL resumes with AT_SEQUENCE_NUMBER and drops the record that it has checkpointed");
/// The KCL's restart after an expired iterator.
pub(crate) const KCL_EXPIRY: Evidence = Evidence::RealClient(
    "the KCL takes a new iterator AFTER_SEQUENCE_NUMBER when the old one has expired or is invalid",
);
/// The KCL's patience with a busy shard.
pub(crate) const KCL_THROTTLED: Evidence =
    Evidence::RealClient("the KCL waits after a throttled GetRecords call, and repeats it with the same iterator");
/// The KPL's routing.
pub(crate) const KPL_ROUTING: Evidence =
    Evidence::RealClient("the KPL predicts the shard of a record from its hash key, and counts wrong predictions");
