//! Pure: what a producer wants to know of a stream's description.

use crate::config::ordering::RecordDistribution;

/// What `DescribeStreamSummary` says, as far as it matters to a producer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StreamSummary {
    /// Who distributes records over shards; `Unknown` if it does not say.
    pub(crate) distribution: RecordDistribution,
    /// The largest record that the stream takes, if it says so.
    pub(crate) max_record_bytes: Option<usize>,
    pub(crate) resharding: Resharding,
}

/// Whether the shards of a stream are being changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Resharding {
    #[default]
    None,
    /// The stream is `UPDATING`.
    UnderWay,
}
