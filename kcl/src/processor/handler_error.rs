//! Why a handler failed, and what it asks the worker to do about it.

use std::error::Error;
use std::fmt;

use crate::checkpoint::error::CheckpointError;
use crate::processor::error_policy::Verdict;
use crate::record::Record;

/// Why a handler failed. Any error becomes one by `?`, also a text, a boxed error and one of `anyhow`; the call is then made
/// again by the worker's [`ErrorPolicy`](crate::ErrorPolicy).
///
/// ```
/// # use kcl::HandlerError;
/// fn parse(data: &[u8]) -> Result<u64, HandlerError> {
///     let text = std::str::from_utf8(data).map_err(HandlerError::skip)?; // no attempt will help: pass over it
///     Ok(text.parse()?) // tried again by the worker's policy
/// }
/// # assert!(parse(b"7").is_ok());
/// ```
///
/// It is no `std::error::Error` itself, for the same reason as `anyhow::Error`: otherwise `?` could not turn other errors
/// into it.
pub struct HandlerError {
    error: Box<dyn Error + Send + Sync>,
    asks: Asks,
    about: About,
}

/// Which records have failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// Those of the call that are not checkpointed.
    Call,
    /// This one alone. It may be of an earlier call.
    Record(Box<Record>),
    /// Nobody knows which ones; those of the call have not.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    For(Verdict),
    /// The lease is lost, so nothing is asked for.
    Nothing,
}

impl HandlerError {
    /// An error, or a text, that asks for another attempt.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::with(Verdict::Retry, error)
    }

    /// Halts the shard at once, whatever the policy says: trying again cannot help.
    pub fn fatal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::with(Verdict::Fatal, error)
    }

    /// Passes over the records of this call that are not checkpointed. **This loses them.**
    ///
    /// From `initialize` and `shard_ended`, where there are no records, it asks for another attempt; from `idle` it is logged.
    pub fn skip(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::with(Verdict::Skip, error)
    }

    /// Sends the records of this call that are not checkpointed to the dead-letter sink, without more attempts.
    ///
    /// Without a sink, and from `initialize` and `shard_ended`, it asks for another attempt; from `idle` it is logged.
    pub fn dead_letter(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::with(Verdict::DeadLetter, error)
    }

    /// Work was stopped because the lease is lost, as its [`LeaseGuard`](crate::LeaseGuard) told. It is no attempt.
    ///
    /// A [`CheckpointError::LeaseLost`] that is passed on by `?` means the same.
    pub fn lease_lost() -> Self {
        Self {
            error: Box::new(CheckpointError::LeaseLost),
            asks: Asks::Nothing,
            about: About::Call,
        }
    }

    fn with(verdict: Verdict, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            error: error.into(),
            asks: Asks::For(verdict),
            about: About::Call,
        }
    }

    /// The error of this record alone.
    pub(crate) fn of_record(self, record: Record) -> Self {
        Self {
            about: About::Record(Box::new(record)),
            ..self
        }
    }

    /// An error that the records of the call have nothing to do with.
    pub(crate) fn of_no_record(self) -> Self {
        Self {
            about: About::Unknown,
            ..self
        }
    }

    /// Which records have failed.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// The error itself.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// What it asks for; `None` if the lease is lost.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match (self.asks, self.checkpoint_error()) {
            (Asks::Nothing, _) | (_, Some(CheckpointError::LeaseLost)) => None,
            (Asks::For(verdict), _) => Some(verdict),
        }
    }

    /// Whether the lease table failed, and not the handler.
    pub(crate) fn is_of_the_table(&self) -> bool {
        self.checkpoint_error().is_some_and(CheckpointError::is_of_the_table)
    }

    /// The checkpoint that failed, if that is why the handler did.
    fn checkpoint_error(&self) -> Option<&CheckpointError> {
        let mut error: Option<&(dyn Error + 'static)> = Some(&*self.error);
        while let Some(layer) = error {
            if let Some(checkpoint) = layer.downcast_ref() {
                return Some(checkpoint);
            }
            error = layer.source();
        }
        None
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Writes the error and its sources, outermost first.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&service::chain(&*self.error))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("error", &self.error)
            .field("asks", &self.asks)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CallErrorKind, TableError};

    #[derive(Debug, thiserror::Error)]
    #[error("the order could not be stored")]
    struct Stored(#[source] CheckpointError);

    #[test]
    fn any_error_asks_for_another_attempt_and_is_written_with_its_sources() {
        let error: HandlerError = "x".parse::<u8>().unwrap_err().into();
        assert_eq!(error.verdict(), Some(Verdict::Retry));
        let table = TableError {
            operation: "UpdateItem",
            kind: CallErrorKind::NotFound,
        };
        let error = HandlerError::from(Stored(table.into()));
        assert_eq!(
            error.to_string(),
            "the order could not be stored: it is not known whether the checkpoint was written: the lease table failed: \
             UpdateItem failed: it does not exist (ResourceNotFoundException)"
        );
        assert!(error.is_of_the_table());
    }

    #[test]
    fn a_lost_lease_asks_for_nothing_however_deep_it_lies() {
        assert_eq!(HandlerError::lease_lost().verdict(), None);
        assert_eq!(HandlerError::fatal(Stored(CheckpointError::LeaseLost)).verdict(), None);
    }
}
