//! Pure: every series: its operation, name, unit, level and finest dimension.

use super::MetricsLevel::{self, Detailed, Summary};

/// The dimension of what a worker does, as the KCL calls it.
pub(super) const OPERATION: &str = "Operation";
/// The dimension of a worker, as the KCL calls it.
pub(super) const WORKER_IDENTIFIER: &str = "WorkerIdentifier";
/// The dimension of a shard, as the KCL calls it.
pub(super) const SHARD_ID: &str = "ShardId";

/// One series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Series {
    RecordsProcessed,
    DataBytesProcessed,
    MillisBehindLatest,
    ProcessTime,
    ProcessSuccess,
    GetRecordsTime,
    GetRecordsSuccess,
    ExpiredIterator,
    HandlerFailures,
    RecordsSkipped,
    RecordsDeadLettered,
    PossibleLoss,
    CheckpointTime,
    CheckpointSuccess,
    InitializeTime,
    ShutdownTime,
    MaxMillisBehindLatest,
    HaltedShards,
    ReadBudgetBytes,
    CurrentLeases,
    LostLeases,
    LeasesMadeAgain,
    RenewTime,
    RenewSuccess,
    TotalLeases,
    NumWorkers,
    ExpiredLeases,
    NeededLeases,
    LeasesToTake,
    TakenLeases,
    UntakenLeases,
    VeryOldLeases,
    LeaseSpillover,
    TakeLeasesTime,
    TakeLeasesSuccess,
    ListLeasesTime,
    ListLeasesSuccess,
    TakeLeaseTime,
    TakeLeaseSuccess,
    UncoveredShards,
}

/// The two series of how a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) success: Series,
    pub(crate) time: Series,
}

impl Outcome {
    pub(crate) const GET_RECORDS: Self = Self {
        success: Series::GetRecordsSuccess,
        time: Series::GetRecordsTime,
    };
    pub(crate) const PROCESS: Self = Self {
        success: Series::ProcessSuccess,
        time: Series::ProcessTime,
    };
    pub(crate) const CHECKPOINT: Self = Self {
        success: Series::CheckpointSuccess,
        time: Series::CheckpointTime,
    };
    pub(crate) const RENEW: Self = Self {
        success: Series::RenewSuccess,
        time: Series::RenewTime,
    };
    pub(crate) const LIST_LEASES: Self = Self {
        success: Series::ListLeasesSuccess,
        time: Series::ListLeasesTime,
    };
    pub(crate) const TAKE_LEASE: Self = Self {
        success: Series::TakeLeaseSuccess,
        time: Series::TakeLeaseTime,
    };
}

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Bytes,
    Milliseconds,
}

/// The finest dimension of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finest {
    Application,
    Worker,
    Shard,
}

/// What is known of a series.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) series: Series,
    /// The KCL's name of what the worker does.
    pub(super) operation: &'static str,
    /// The KCL's name of the series, where it has one.
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    /// The lowest level at which it is there.
    pub(super) level: MetricsLevel,
    pub(super) finest: Finest,
    /// What an exporter may show beside the name.
    pub(super) description: &'static str,
}

/// The series of one operation.
struct Of(&'static str, Finest);

impl Of {
    const fn row(
        &self,
        series: Series,
        (name, unit, level): (&'static str, Unit, MetricsLevel),
        description: &'static str,
    ) -> Row {
        Row {
            series,
            operation: self.0,
            name,
            unit,
            level,
            finest: self.1,
            description,
        }
    }
}

const PROCESS: Of = Of("ProcessTask", Finest::Shard);
const CHECKPOINT: Of = Of("ProcessTask", Finest::Application);
const INITIALIZE: Of = Of("InitializeTask", Finest::Shard);
const SHUTDOWN: Of = Of("ShutdownTask", Finest::Shard);
const TRACKER: Of = Of("ApplicationTracker", Finest::Worker);
const RENEW: Of = Of("RenewAllLeases", Finest::Worker);
const TAKE: Of = Of("TakeLeases", Finest::Worker);
const AUDIT: Of = Of("PeriodicShardSync", Finest::Worker);

use Unit::{Bytes, Count, Milliseconds};

impl Row {
    #[rustfmt::skip]
    pub(super) const ALL: [Self; 40] = [
        PROCESS.row(Series::RecordsProcessed, ("RecordsProcessed", Count, Summary), "records of each batch that was processed"),
        PROCESS.row(Series::DataBytesProcessed, ("DataBytesProcessed", Bytes, Summary), "bytes of data of each batch that was processed"),
        PROCESS.row(Series::MillisBehindLatest, ("MillisBehindLatest", Milliseconds, Summary), "how far each page ends behind the newest record"),
        PROCESS.row(Series::ProcessTime, ("RecordProcessor.processRecords.Time", Milliseconds, Summary), "how long each call with records took"),
        PROCESS.row(Series::ProcessSuccess, ("Success", Count, Summary), "for each call with records: 1 if it succeeded, 0 if not"),
        PROCESS.row(Series::GetRecordsTime, ("KinesisDataFetcher.getRecords.Time", Milliseconds, Detailed), "how long each GetRecords took"),
        PROCESS.row(Series::GetRecordsSuccess, ("KinesisDataFetcher.getRecords.Success", Count, Detailed), "for each GetRecords: 1 if it was answered, 0 if it failed"),
        PROCESS.row(Series::ExpiredIterator, ("ExpiredIterator", Count, Summary), "1 for each iterator that was too old"),
        PROCESS.row(Series::HandlerFailures, ("HandlerFailures", Count, Summary), "1 for each call to the application that failed"),
        PROCESS.row(Series::RecordsSkipped, ("RecordsSkipped", Count, Summary), "records that were passed over, each time"),
        PROCESS.row(Series::RecordsDeadLettered, ("RecordsDeadLettered", Count, Summary), "records that the dead-letter sink took, each time"),
        PROCESS.row(Series::PossibleLoss, ("PossibleLoss", Count, Summary), "1 for each time that records may have been lost to retention"),
        CHECKPOINT.row(Series::CheckpointTime, ("UpdateLease.Time", Milliseconds, Detailed), "how long each write of a checkpoint took"),
        CHECKPOINT.row(Series::CheckpointSuccess, ("UpdateLease.Success", Count, Detailed), "for each write of a checkpoint: 1 if it was applied, 0 if not"),
        INITIALIZE.row(Series::InitializeTime, ("RecordProcessor.initialize.Time", Milliseconds, Summary), "how long each call of initialize took"),
        SHUTDOWN.row(Series::ShutdownTime, ("RecordProcessor.shutdown.Time", Milliseconds, Summary), "how long each call at the end of a shard, lease or worker took"),
        TRACKER.row(Series::MaxMillisBehindLatest, ("MillisBehindLatest", Milliseconds, Summary), "how far the worker's last shard is behind, at each look"),
        TRACKER.row(Series::HaltedShards, ("HaltedShards", Count, Summary), "shards that are halted or on hold, at each look"),
        TRACKER.row(Series::ReadBudgetBytes, ("ReadBudgetBytes", Bytes, Summary), "bytes of the read budget in use, at each look"),
        RENEW.row(Series::CurrentLeases, ("CurrentLeases", Count, Summary), "leases that the worker holds, at each look"),
        RENEW.row(Series::LostLeases, ("LostLeases", Count, Summary), "1 for each lease that was lost"),
        RENEW.row(Series::LeasesMadeAgain, ("LeasesMadeAgain", Count, Summary), "1 for each lease whose row was gone and was made again"),
        RENEW.row(Series::RenewTime, ("RenewLease.Time", Milliseconds, Detailed), "how long each renewal took"),
        RENEW.row(Series::RenewSuccess, ("RenewLease.Success", Count, Detailed), "for each renewal: 1 if it was applied, 0 if not"),
        TAKE.row(Series::TotalLeases, ("TotalLeases", Count, Detailed), "leases in the table, at each look"),
        TAKE.row(Series::NumWorkers, ("NumWorkers", Count, Summary), "workers with leases and this one, at each look"),
        TAKE.row(Series::ExpiredLeases, ("ExpiredLeases", Count, Summary), "leases that their owners do not renew, at each look"),
        TAKE.row(Series::NeededLeases, ("NeededLeases", Count, Detailed), "leases that this worker lacks of its share, at each look"),
        TAKE.row(Series::LeasesToTake, ("LeasesToTake", Count, Detailed), "leases that this worker tries to take, at each look"),
        TAKE.row(Series::TakenLeases, ("TakenLeases", Count, Summary), "leases that were taken, at each look"),
        TAKE.row(Series::UntakenLeases, ("UntakenLeases", Count, Summary), "leases that could not be taken, at each look"),
        TAKE.row(Series::VeryOldLeases, ("VeryOldLeases", Count, Summary), "leases to take that nobody has had for long, at each look"),
        TAKE.row(Series::LeaseSpillover, ("LeaseSpillover", Count, Summary), "leases of this worker's share beyond max_leases, at each look"),
        TAKE.row(Series::TakeLeasesTime, ("Time", Milliseconds, Summary), "how long each look took"),
        TAKE.row(Series::TakeLeasesSuccess, ("Success", Count, Summary), "for each look: 1 if the table could be read, 0 if not"),
        TAKE.row(Series::ListLeasesTime, ("ListLeases.Time", Milliseconds, Detailed), "how long each scan of the table took"),
        TAKE.row(Series::ListLeasesSuccess, ("ListLeases.Success", Count, Detailed), "for each scan of the table: 1 if it succeeded, 0 if not"),
        TAKE.row(Series::TakeLeaseTime, ("TakeLease.Time", Milliseconds, Detailed), "how long each take took"),
        TAKE.row(Series::TakeLeaseSuccess, ("TakeLease.Success", Count, Detailed), "for each take: 1 if it was answered, 0 if it failed"),
        AUDIT.row(Series::UncoveredShards, ("UncoveredShards", Count, Summary), "open shards that no lease leads to, at each audit by this worker"),
    ];
}
