//! What can go wrong, as types to act on.
//!
//! `build` has the reasons why a producer could not be built.

mod build;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use self::build::{BuildError, BuildErrorKind, OptionOrigin, OptionValue, Relation};
use crate::config::ordering::RecordDistribution;
use crate::producer::encoding::EncodeError;
use crate::receipt::attempt::{AttemptFailure, Attempts};
use crate::record::Record;

/// Why a record was not accepted, or was accepted and not delivered. It gives the record back.
pub struct PutError {
    inner: Box<PutErrorInner>,
}

struct PutErrorInner {
    kind: PutErrorKind,
    stream: Arc<str>,
    record: Record,
    attempts: Attempts,
    source: Option<EncodeError>,
}

impl PutError {
    pub(crate) fn new(kind: PutErrorKind, stream: Arc<str>, record: Record, attempts: Attempts) -> Self {
        Self {
            inner: Box::new(PutErrorInner {
                kind,
                stream,
                record,
                attempts,
                source: None,
            }),
        }
    }

    /// The same with what caused it.
    pub(crate) fn caused_by(mut self, source: EncodeError) -> Self {
        self.inner.source = Some(source);
        self
    }

    /// An error without attempts, as `put` gives it, for tests of code that handles one.
    pub fn refused(kind: PutErrorKind, stream: &str, record: Record) -> Self {
        Self::new(kind, stream.into(), record, Attempts::default())
    }

    /// The reason, to match on.
    pub fn kind(&self) -> &PutErrorKind {
        &self.inner.kind
    }

    /// The record, as it was given to `put`; of one that was accepted through an
    /// [`EncodingProducer`](crate::EncodingProducer), with its data encoded.
    pub fn record(&self) -> &Record {
        &self.inner.record
    }

    /// Takes the record out, to put it again or elsewhere.
    pub fn into_record(self) -> Record {
        self.inner.record
    }

    /// The attempts to deliver it: the newest 16, and how many there were. Empty if there was none.
    pub fn attempts(&self) -> &Attempts {
        &self.inner.attempts
    }

    /// Whether the service may have stored the record all the same: a request that carried it ended without an answer. Who
    /// puts it again then may store it twice.
    pub fn may_have_been_stored(&self) -> bool {
        self.inner.attempts.may_have_been_stored()
    }
}

impl Error for PutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.inner.source.as_deref()?;
        Some(source)
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PutErrorInner {
            stream, kind, attempts, ..
        } = &*self.inner;
        write!(f, "a record was not delivered to stream {stream}: {kind}")?;
        let is_told = matches!(
            kind,
            PutErrorKind::Rejected { .. } | PutErrorKind::RecordCountMismatch { .. }
        );
        match attempts.last_failure().filter(|_| !is_told) {
            Some(AttemptFailure { code, message, .. }) => {
                write!(f, " (attempt {} failed with {code}: {message})", attempts.total())
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutError")
            .field("kind", &self.inner.kind)
            .field("stream", &self.inner.stream)
            .field("attempts", &self.inner.attempts)
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

/// The reasons of a [`PutError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutErrorKind {
    /// The partition key has no character or more than the service allows.
    #[error("its partition key has {chars} characters; the service takes 1 to 256")]
    InvalidPartitionKey {
        /// Unicode characters of the key.
        chars: usize,
    },
    /// The record has no partition key, and its stream follows keys, or is not known to distribute records by itself
    /// (`AUTO`).
    #[error("it has no partition key, which only a stream that distributes records by itself (AUTO) would take")]
    NoPartitionKey,
    /// Data and partition key are larger than the stream takes (`MaxRecordSizeInKiB`), or than `max_user_record_size`.
    #[error("its data and partition key have {bytes} bytes; the stream, or max_user_record_size, takes {limit}")]
    RecordTooLarge {
        /// Bytes of data and key.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// `Ordering::PerKey` was asked for, and the stream does not follow hash keys, or nobody says that it does.
    #[error("ordering is PerKey, {}", why_impossible(*.distribution))]
    OrderingImpossible {
        /// Who distributes the stream's records.
        distribution: RecordDistribution,
    },
    /// The payload encoder failed; the error's source says why.
    #[error("its payload encoder failed")]
    EncodingFailed,
    /// There is no room in the budget, and [`try_put`](crate::Producer::try_put) does not wait for it.
    #[error("the producer's budget is spent")]
    Full,
    /// The producer was shut down, or its time to deliver ran out.
    #[error("the producer was shut down")]
    ShutDown,
    /// It was not delivered within `record_ttl`.
    #[error("it was not delivered within record_ttl")]
    Expired,
    /// The service throttled it, and `fail_if_throttled` is set.
    #[error("the service throttled it ({code}), and fail_if_throttled is set")]
    Throttled {
        /// The service's error code.
        code: String,
    },
    /// The stream does not exist, or no longer, in the region of the client; one that is given by its name, in the account
    /// of its credentials.
    #[error("no such stream exists in the client's region and account (ResourceNotFoundException)")]
    StreamNotFound,
    /// The credentials do not allow the call.
    #[error("access was denied ({code}); the producer needs kinesis:PutRecords and kinesis:ListShards")]
    AccessDenied {
        /// The service's error code.
        code: String,
    },
    /// The service refuses the record or the request for good.
    #[error("the service refused it ({code}): {message}")]
    Rejected {
        /// The service's error code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The service answered with another number of results than records were sent.
    #[error("the service answered {answered} results for {sent} records")]
    RecordCountMismatch {
        /// Records in the request.
        sent: usize,
        /// Results in the answer.
        answered: usize,
    },
    /// The producer's task ended before the outcome was known: it panicked, or its runtime was shut down.
    #[error("the producer's task ended before the outcome was known")]
    TaskEnded,
}

fn why_impossible(distribution: RecordDistribution) -> String {
    if distribution == RecordDistribution::Unknown {
        "and nobody says how the stream distributes records: allow kinesis:DescribeStreamSummary or, if it follows hash \
         keys, set record_distribution_strategy_default(UserPartitionKey)"
            .to_owned()
    } else {
        format!("which the stream's record distribution, {distribution:?}, makes impossible")
    }
}

/// Why [`Producer::flush`](crate::Producer::flush) could not wait: the producer's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the producer has ended; each of its receipts holds its own outcome")]
pub struct FlushError;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: PutErrorKind) -> String {
        PutError::refused(kind, "orders", Record::new("key", "data")).to_string()
    }

    #[test]
    fn order_on_a_stream_that_nobody_describes_is_refused_with_what_is_missing() {
        let distribution = RecordDistribution::Unknown;
        let text = text(PutErrorKind::OrderingImpossible { distribution });
        for remedy in [
            "kinesis:DescribeStreamSummary",
            "record_distribution_strategy_default(UserPartitionKey)",
        ] {
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn a_missing_stream_is_missing_in_a_region_and_an_account() {
        let text = text(PutErrorKind::StreamNotFound);
        assert!(
            text.contains("stream orders") && text.contains("in the client's region and account"),
            "{text}"
        );
    }
}
