//! Why a handler failed, and what it asks the worker to do about it.

use std::error::Error;
use std::fmt;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::RecordPosition;
use crate::processor::error_policy::Verdict;
use crate::record::Record;

/// Why a handler failed. Any error becomes one by `?`, also a text, a boxed error and one of `anyhow`; the call is then made
/// again by the worker's [`ErrorPolicy`](crate::ErrorPolicy).
///
/// ```
/// # use kcl::HandlerError;
/// fn parse(data: &[u8]) -> Result<u64, HandlerError> {
///     let text = std::str::from_utf8(data).map_err(HandlerError::skip)?; // no attempt will help: pass over this record
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
    /// The record that it names.
    at: Option<RecordPosition>,
}

/// What [`HandlerError::lease_lost`] says.
#[derive(Debug, thiserror::Error)]
#[error("the handler has stopped its work, because the lease of the shard is lost or asked for")]
struct Stopped;

/// Which records have failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// Those of the call that are not checkpointed, or the one of them that it names.
    Call,
    /// Those of the call that are not checkpointed, whichever it names.
    WholeCall,
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

    /// Passes over the record that has failed, without more attempts. **This loses it.**
    ///
    /// If the call had several records, [`at`](Self::at) names the one. Without a name the worker finds it: each record that is not
    /// checkpointed is delivered alone, and the handler's answer for it counts. With an
    /// [`ErrorPolicy`](crate::ErrorPolicy::whole_batches) for whole batches all of them are passed over.
    ///
    /// From `initialize` and `shard_ended`, where there are no records, it asks for another attempt. From `idle` it is logged.
    pub fn skip(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::with(Verdict::Skip, error)
    }

    /// Sends the record that has failed to the dead-letter sink, without more attempts.
    ///
    /// If the call had several records, the one is named or found as with [`skip`](Self::skip).
    ///
    /// Without a sink, and from `initialize` and `shard_ended`, it asks for another attempt. From `idle` it is logged.
    pub fn dead_letter(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::with(Verdict::DeadLetter, error)
    }

    /// Work was stopped because the lease is lost, as its [`LeaseGuard`](crate::LeaseGuard) told. It is no attempt.
    ///
    /// A [`CheckpointError::LeaseLost`] that is passed on by `?` means the same.
    pub fn lease_lost() -> Self {
        Self {
            error: Box::new(Stopped),
            asks: Asks::Nothing,
            about: About::Call,
            at: None,
        }
    }

    /// Names the record that has failed: `&record`, or its position. It is one of the records of this call.
    ///
    /// Without a name, any record of the call may be the one, except those that are checkpointed.
    ///
    /// ```
    /// # use kcl::{Batch, HandlerError};
    /// # async fn store(_: &kcl::Record) -> Result<(), std::io::Error> { Ok(()) }
    /// async fn process(batch: Batch) -> Result<(), HandlerError> {
    ///     for record in &batch.records {
    ///         store(record).await.map_err(|error| HandlerError::new(error).at(record))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// * The text of the error begins with the position of the record; the event, and
    ///   [`ShardStatus::failing_at`](crate::ShardStatus::failing_at), have it too.
    /// * [`skip`](Self::skip) and [`dead_letter`](Self::dead_letter) give up that record without a call that delivers it alone.
    ///   So does the worker's [`ErrorPolicy`](crate::ErrorPolicy), if each failure that it counts has named the same record, and if
    ///   it is not for whole batches.
    /// * **It acknowledges nothing.** The records in front of it are delivered again, without it, before it is skipped or
    ///   dead-lettered: a handler must be able to process them twice. Checkpoint them to avoid that.
    ///
    /// In these cases the name is in the texts only, and the worker finds the record by delivering each one alone:
    ///
    /// * The position is not one of the call's records, or it is checkpointed.
    /// * The form is [`WorkerBuilder::stream`](crate::WorkerBuilder::stream): its task may not be done with the records in front.
    ///
    /// [`PerKey`](crate::PerKey) and [`WorkerBuilder::for_each_record`](crate::WorkerBuilder::for_each_record) know the record
    /// without a name.
    #[must_use]
    pub fn at(self, record: impl Into<RecordPosition>) -> Self {
        Self {
            at: Some(record.into()),
            ..self
        }
    }

    fn with(verdict: Verdict, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            error: error.into(),
            asks: Asks::For(verdict),
            about: About::Call,
            at: None,
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

    /// The same, for an adapter that may not be done with the records in front of the one that it names.
    pub(crate) fn of_its_call(self) -> Self {
        let about = match self.about {
            About::Call if self.at.is_some() => About::WholeCall,
            about @ (About::Call | About::WholeCall | About::Record(_) | About::Unknown) => about,
        };
        Self { about, ..self }
    }

    /// The record of the call that has failed, if it names one.
    pub(crate) fn is_about(&self) -> Option<&RecordPosition> {
        self.at.as_ref().filter(|_| self.about == About::Call)
    }

    /// Which records have failed.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// The error itself.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// The record that it [names](Self::at).
    pub fn position(&self) -> Option<&RecordPosition> {
        self.at.as_ref()
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

/// Writes the record that it names, if it does, then the error and its sources, outermost first.
impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "record {at}: ")?;
        }
        f.write_str(&service::chain(&*self.error))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("error", &self.error)
            .field("asks", &self.asks)
            .field("at", &self.at)
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
    fn an_error_that_names_a_record_begins_with_its_position() {
        let position = RecordPosition {
            sequence_number: "49".parse().unwrap(),
            sub_sequence_number: 2,
        };
        let error = HandlerError::skip("cannot read it").at(position.clone());
        assert_eq!(error.to_string(), "record 49:2: cannot read it");
        assert_eq!(error.is_about(), Some(&position));
        assert_eq!(
            (error.verdict(), error.of_its_call().is_about()),
            (Some(Verdict::Skip), None)
        );
    }

    #[test]
    fn a_lost_lease_asks_for_nothing_however_deep_it_lies() {
        assert_eq!(HandlerError::lease_lost().verdict(), None);
        assert_eq!(
            HandlerError::lease_lost().to_string(),
            "the handler has stopped its work, because the lease of the shard is lost or asked for"
        );
        assert_eq!(HandlerError::fatal(Stored(CheckpointError::LeaseLost)).verdict(), None);
    }
}
