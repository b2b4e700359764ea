//! Pure: every series of the KPL: its name, its unit, its level and its finest dimension.

use ::metrics::Unit;

use super::MetricsLevel;

/// The dimension of a stream, as the KPL calls it.
pub(super) const STREAM_NAME: &str = "StreamName";
/// The dimension of a shard, as the KPL calls it.
pub(super) const SHARD_ID: &str = "ShardId";
/// The dimension of an error code, as the KPL calls it.
pub(super) const ERROR_CODE: &str = "ErrorCode";

/// The finest dimension of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finest {
    Stream,
    Shard,
}

/// What is said of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The KPL's name of it.
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// The lowest level at which it is there.
    pub(crate) level: MetricsLevel,
    pub(crate) finest: Finest,
    /// What an exporter may show beside the name.
    pub(crate) description: &'static str,
}

/// Makes the table of the series from rows of name, unit, level, finest dimension and description.
macro_rules! series {
    ($($series:ident: $unit:ident, $level:ident, $finest:ident, $description:literal;)*) => {
        /// One series.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Series {
            $($series,)*
        }

        impl Series {
            pub(crate) const ALL: [Self; [$(Self::$series),*].len()] = [$(Self::$series),*];

            pub(crate) fn row(self) -> &'static Row {
                match self {
                    $(Self::$series => &Row {
                        name: stringify!($series),
                        unit: Unit::$unit,
                        level: MetricsLevel::$level,
                        finest: Finest::$finest,
                        description: $description,
                    },)*
                }
            }
        }
    };
}

impl Series {
    /// Whether each shard may have its own.
    pub(crate) fn is_of_shards(self) -> bool {
        self.row().finest == Finest::Shard
    }
}

series! {
    UserRecordsReceived: Count, Detailed, Stream,
        "1 for each user record that left its lane";
    UserRecordsPending: Count, Detailed, Stream,
        "user records without an outcome, every 200 ms";
    UserRecordsPut: Count, Summary, Shard,
        "for each user record with an outcome: 1 if it was delivered, 0 if it was given back";
    UserRecordsDataPut: Bytes, Detailed, Shard,
        "bytes of data of each delivered user record";
    UserRecordExpired: Count, Summary, Shard,
        "1 for each user record that was not delivered within record_ttl";
    KinesisRecordsPut: Count, Summary, Shard,
        "for each Kinesis record that the service answered: 1 if it was stored, 0 if not";
    KinesisRecordsDataPut: Bytes, Detailed, Shard,
        "bytes of data of each stored Kinesis record";
    ErrorsByCode: Count, Summary, Shard,
        "1 for each refused Kinesis record and for each failed request, by its error code";
    AllErrors: Count, Summary, Shard,
        "for each answered Kinesis record: 1 if it was refused, 0 if not; 1 for each failed request";
    RetriesPerRecord: Count, Detailed, Shard,
        "for each user record with an outcome, the attempts after its first";
    BufferingTime: Milliseconds, Summary, Shard,
        "how long each user record waited for each of its attempts";
    RequestTime: Milliseconds, Detailed, Stream,
        "how long each request took";
    UserRecordsPerKinesisRecord: Count, Detailed, Shard,
        "user records in each Kinesis record of a finished request";
    KinesisRecordsPerPutRecordsRequest: Count, Detailed, Stream,
        "Kinesis records in each finished request";
    UserRecordsPerPutRecordsRequest: Count, Detailed, Stream,
        "user records in each finished request";
}
