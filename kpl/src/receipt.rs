//! The future of one accepted record.
//!
//! Receipts of one aggregate share a `cohort`, which gets one `outcome` with its `attempt`s.

pub(crate) mod attempt;
pub(crate) mod cohort;
pub(crate) mod outcome;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use service::{SequenceNumber, ShardId};

use crate::error::PutError;
use crate::receipt::attempt::Attempts;
use crate::receipt::cohort::Cohort;

/// Where a record was stored.
///
/// A consumer reads it at the same place: the same shard, sequence number and sub-sequence number. It may read it a second
/// time, at another place, if an attempt before the last one ended without an answer:
/// `delivered.attempts.`[`may_have_been_stored()`](Attempts::may_have_been_stored) tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// The shard that stored it.
    pub shard_id: ShardId,
    /// The sequence number of the Kinesis record that holds it; shared by all records of one aggregate.
    pub sequence_number: SequenceNumber,
    /// Its place inside that Kinesis record, from 0; 0 for a record that travelled alone.
    pub sub_sequence_number: u64,
    /// The attempts it took; the last one succeeded.
    pub attempts: Attempts,
}

impl Delivered {
    /// A place, for tests of code that handles one. It took no attempts.
    pub fn new(shard_id: ShardId, sequence_number: SequenceNumber, sub_sequence_number: u64) -> Self {
        Self {
            shard_id,
            sequence_number,
            sub_sequence_number,
            attempts: Attempts::default(),
        }
    }
}

/// A promise for one accepted record: it resolves exactly once, to where the record was stored or to why it was not,
/// and in the latter case gives the record back.
///
/// # Cancellation
///
/// Dropping a receipt cancels nothing and costs nothing: the record is delivered all the same.
#[must_use = "a receipt tells whether the record was delivered; drop it explicitly if that does not matter"]
pub struct Receipt {
    cohort: Arc<Cohort>,
    index: u32,
}

impl Receipt {
    pub(crate) fn new(cohort: Arc<Cohort>, index: u32) -> Self {
        Self { cohort, index }
    }
}

impl Future for Receipt {
    type Output = Result<Delivered, PutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (outcome, position) = ready!(self.cohort.poll(self.index, cx));
        Poll::Ready(outcome.for_record(position))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
