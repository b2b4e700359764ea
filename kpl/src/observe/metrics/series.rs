//! Pure: every series of the KPL: its name, its unit, its level and its finest dimension.

use super::MetricsLevel;

/// The dimension of a stream, as the KPL calls it.
pub(super) const STREAM_NAME: &str = "StreamName";
/// The dimension of a shard, as the KPL calls it.
pub(super) const SHARD_ID: &str = "ShardId";
/// The dimension of an error code, as the KPL calls it.
pub(super) const ERROR_CODE: &str = "ErrorCode";

/// One series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Series {
    UserRecordsReceived,
    UserRecordsPending,
    UserRecordsPut,
    UserRecordsDataPut,
    UserRecordExpired,
    KinesisRecordsPut,
    KinesisRecordsDataPut,
    ErrorsByCode,
    AllErrors,
    RetriesPerRecord,
    BufferingTime,
    RequestTime,
    UserRecordsPerKinesisRecord,
    KinesisRecordsPerPutRecordsRequest,
    UserRecordsPerPutRecordsRequest,
}

use Series::{
    AllErrors, BufferingTime, ErrorsByCode, KinesisRecordsDataPut, KinesisRecordsPerPutRecordsRequest,
    KinesisRecordsPut, RequestTime, RetriesPerRecord, UserRecordExpired, UserRecordsDataPut, UserRecordsPending,
    UserRecordsPerKinesisRecord, UserRecordsPerPutRecordsRequest, UserRecordsPut, UserRecordsReceived,
};

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

impl Series {
    pub(crate) const ALL: [Self; 15] = [
        UserRecordsReceived,
        UserRecordsPending,
        UserRecordsPut,
        UserRecordsDataPut,
        UserRecordExpired,
        KinesisRecordsPut,
        KinesisRecordsDataPut,
        ErrorsByCode,
        AllErrors,
        RetriesPerRecord,
        BufferingTime,
        RequestTime,
        UserRecordsPerKinesisRecord,
        KinesisRecordsPerPutRecordsRequest,
        UserRecordsPerPutRecordsRequest,
    ];

    /// The KPL's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            UserRecordsReceived => "UserRecordsReceived",
            UserRecordsPending => "UserRecordsPending",
            UserRecordsPut => "UserRecordsPut",
            UserRecordsDataPut => "UserRecordsDataPut",
            UserRecordExpired => "UserRecordExpired",
            KinesisRecordsPut => "KinesisRecordsPut",
            KinesisRecordsDataPut => "KinesisRecordsDataPut",
            ErrorsByCode => "ErrorsByCode",
            AllErrors => "AllErrors",
            RetriesPerRecord => "RetriesPerRecord",
            BufferingTime => "BufferingTime",
            RequestTime => "RequestTime",
            UserRecordsPerKinesisRecord => "UserRecordsPerKinesisRecord",
            KinesisRecordsPerPutRecordsRequest => "KinesisRecordsPerPutRecordsRequest",
            UserRecordsPerPutRecordsRequest => "UserRecordsPerPutRecordsRequest",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            UserRecordsDataPut | KinesisRecordsDataPut => Unit::Bytes,
            BufferingTime | RequestTime => Unit::Milliseconds,
            UserRecordsReceived
            | UserRecordsPending
            | UserRecordsPut
            | UserRecordExpired
            | KinesisRecordsPut
            | ErrorsByCode
            | AllErrors
            | RetriesPerRecord
            | UserRecordsPerKinesisRecord
            | KinesisRecordsPerPutRecordsRequest
            | UserRecordsPerPutRecordsRequest => Unit::Count,
        }
    }

    /// The lowest level at which it is there.
    pub(crate) fn level(self) -> MetricsLevel {
        match self {
            UserRecordsPut | UserRecordExpired | KinesisRecordsPut | ErrorsByCode | AllErrors | BufferingTime => {
                MetricsLevel::Summary
            }
            UserRecordsReceived
            | UserRecordsPending
            | UserRecordsDataPut
            | KinesisRecordsDataPut
            | RetriesPerRecord
            | RequestTime
            | UserRecordsPerKinesisRecord
            | KinesisRecordsPerPutRecordsRequest
            | UserRecordsPerPutRecordsRequest => MetricsLevel::Detailed,
        }
    }

    pub(crate) fn finest(self) -> Finest {
        match self {
            UserRecordsReceived
            | UserRecordsPending
            | RequestTime
            | KinesisRecordsPerPutRecordsRequest
            | UserRecordsPerPutRecordsRequest => Finest::Stream,
            UserRecordsPut
            | UserRecordsDataPut
            | UserRecordExpired
            | KinesisRecordsPut
            | KinesisRecordsDataPut
            | ErrorsByCode
            | AllErrors
            | RetriesPerRecord
            | BufferingTime
            | UserRecordsPerKinesisRecord => Finest::Shard,
        }
    }

    /// What an exporter may show beside the name.
    pub(crate) fn description(self) -> &'static str {
        match self {
            UserRecordsReceived => "1 for each user record that left its lane",
            UserRecordsPending => "user records without an outcome, every 200 ms",
            UserRecordsPut => "for each user record with an outcome: 1 if it was delivered, 0 if it was given back",
            UserRecordsDataPut => "bytes of data of each delivered user record",
            UserRecordExpired => "1 for each user record that was not delivered within record_ttl",
            KinesisRecordsPut => "for each Kinesis record that the service answered: 1 if it was stored, 0 if not",
            KinesisRecordsDataPut => "bytes of data of each stored Kinesis record",
            ErrorsByCode => "1 for each refused Kinesis record and for each failed request, by its error code",
            AllErrors => "for each answered Kinesis record: 1 if it was refused, 0 if not; 1 for each failed request",
            RetriesPerRecord => "for each user record with an outcome, the attempts after its first",
            BufferingTime => "how long each user record waited for each of its attempts",
            RequestTime => "how long each request took",
            UserRecordsPerKinesisRecord => "user records in each Kinesis record of a finished request",
            KinesisRecordsPerPutRecordsRequest => "Kinesis records in each finished request",
            UserRecordsPerPutRecordsRequest => "user records in each finished request",
        }
    }
}
