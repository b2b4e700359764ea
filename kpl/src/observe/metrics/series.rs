//! Pure: every series of the KPL: its name, its unit, its level and its finest dimension.

use super::MetricsLevel;

/// The dimension of a stream, as the KPL calls it.
pub(super) const STREAM_NAME: &str = "StreamName";
/// The dimension of a shard, as the KPL calls it.
pub(super) const SHARD_ID: &str = "ShardId";
/// The dimension of an error code, as the KPL calls it.
pub(super) const ERROR_CODE: &str = "ErrorCode";

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    Bytes,
    Milliseconds,
}

/// The finest dimension of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finest {
    Stream,
    Shard,
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

            /// The KPL's name of it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$series => stringify!($series),)*
                }
            }

            pub(crate) fn unit(self) -> Unit {
                match self {
                    $(Self::$series => Unit::$unit,)*
                }
            }

            /// The lowest level at which it is there.
            pub(crate) fn level(self) -> MetricsLevel {
                match self {
                    $(Self::$series => MetricsLevel::$level,)*
                }
            }

            pub(crate) fn finest(self) -> Finest {
                match self {
                    $(Self::$series => Finest::$finest,)*
                }
            }

            /// Whether each shard may have its own.
            pub(crate) fn is_of_shards(self) -> bool {
                self.finest() == Finest::Shard
            }

            /// What an exporter may show beside the name.
            pub(crate) fn description(self) -> &'static str {
                match self {
                    $(Self::$series => $description,)*
                }
            }
        }
    };
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
