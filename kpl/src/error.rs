//! What can go wrong, as types to act on.
//!
//! `build` has the reasons why a producer could not be built, `kind` those why a record comes back;
//! `codes` classifies the codes of single failures.

mod build;
pub(crate) mod codes;
mod kind;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use self::build::{BuildError, BuildErrorKind, OptionValue, Relation};
pub use self::kind::PutErrorKind;
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

/// Why a [`PayloadEncoder`](crate::PayloadEncoder) failed. It becomes the source of the [`PutError`].
pub type EncodeError = Box<dyn Error + Send + Sync>;

/// Why [`Producer::flush`](crate::Producer::flush) could not wait: the producer's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the producer has ended; each of its receipts holds its own outcome")]
pub struct FlushError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ordering::RecordDistribution;

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
