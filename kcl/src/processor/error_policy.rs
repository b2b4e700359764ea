//! What becomes of records that a handler fails on again and again.

use std::sync::Arc;

use crate::processor::dead_letter::{AnySink, DeadLetterSink};

/// How often a handler is called in vain before the policy acts. Our choice: the seven waits in between sum up to one or two minutes.
const ATTEMPTS: u32 = 8;

/// What a worker does when a handler keeps failing.
///
/// A failed call is made again with the records behind the last checkpoint. The waits before the next calls are 1 s, 2 s, 4 s and so
/// on up to 60 s, and each is shortened at random by up to a half. When the handler has failed on the same records for the whole
/// number of [`attempts`](Self::attempts), the policy acts.
///
/// The default is [`halt`](Self::halt) after 8 attempts: no record is skipped unless the application chooses so. The seven waits take 62
/// to 123 s together; the time that the calls take comes on top.
///
/// # What counts as an attempt
///
/// * Each call that fails, with the first one: `attempts(3)` is one call and two more.
/// * A checkpoint that succeeds inside of a failing call is progress. The count begins anew with that call.
/// * The handler may name a record by [`HandlerError::at`](crate::HandlerError::at). A record further on than each one that it has
///   named since its last success is progress too, and the count begins anew.
/// * An error of the lease table that the handler passes on is no attempt. Neither is a lost lease.
/// * **The calls that find the record come on top.** After the last attempt with a batch of several records, the policies for
///   records deliver each of them alone, once. So with `attempts(3)` the record that fails is in four calls, three with its batch
///   and one alone, and [`DeadLetter::attempts`](crate::DeadLetter::attempts) is 4. A record that was the only one of its batch is
///   in three calls. So is a record that each of the three errors has named.
#[derive(Debug, Clone)]
pub struct ErrorPolicy {
    attempts: u32,
    unit: Unit,
    exhausted: Exhausted,
}

/// What counts as failing, once all attempts with a batch have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// All records of the batch behind the last checkpoint.
    Batch,
    /// The records that fail again when each is delivered alone.
    Record,
}

/// What is done after the last attempt.
#[derive(Debug, Clone)]
pub(crate) enum Exhausted {
    Halt,
    Skip,
    DeadLetter(Arc<dyn AnySink>),
}

/// What the handler's error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another attempt.
    Retry,
    /// The end of all attempts: the shard halts.
    Fatal,
    /// The records are passed over.
    Skip,
    /// The records go to the dead-letter sink.
    DeadLetter,
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        Self::halt()
    }
}

impl ErrorPolicy {
    /// Halts the shard: no record is delivered, and none is skipped.
    ///
    /// The worker keeps the lease, so that its fleet does not pass the failing records around, and tries the handler once
    /// each five minutes. A new owner, after a restart say, tries at once. Progress of other shards is not affected.
    ///
    /// A shard that was begun at [`StartingPosition::Latest`](crate::StartingPosition::Latest) and has no checkpoint yet begins
    /// at the tip again with its next owner, so the records in between are not delivered.
    pub fn halt() -> Self {
        Self::new(Unit::Batch, Exhausted::Halt)
    }

    /// Passes over each record on which the handler fails when it is delivered alone, or that it has named each time. **This loses
    /// records.**
    pub fn skip() -> Self {
        Self::new(Unit::Record, Exhausted::Skip)
    }

    /// Sends each record on which the handler fails when it is delivered alone, or that it has named each time, to `sink`, and goes
    /// on behind it.
    ///
    /// `sink` is a [`DeadLetterSink`] or a closure. If it fails, the handler is called again, and then the sink. The shard halts
    /// when the sink has failed as often as the policy allows attempts.
    pub fn dead_letter(sink: impl DeadLetterSink) -> Self {
        Self::new(Unit::Record, Exhausted::DeadLetter(Arc::new(sink)))
    }

    fn new(unit: Unit, exhausted: Exhausted) -> Self {
        Self {
            attempts: ATTEMPTS,
            unit,
            exhausted,
        }
    }

    /// How often the handler is called with the same batch before the policy acts. Default: 8; at least 1.
    ///
    /// The calls by which a policy for records finds the one that fails come on top: see
    /// [what counts](ErrorPolicy#what-counts-as-an-attempt).
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Skips or dead-letters all records of the failing batch, without delivering each of them alone.
    #[must_use]
    pub fn whole_batches(self) -> Self {
        Self {
            unit: Unit::Batch,
            ..self
        }
    }

    pub(crate) fn allowed(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// Whether it skips or dead-letters batches as a whole.
    pub(crate) fn gives_up_whole_batches(&self) -> bool {
        match self.exhausted {
            Exhausted::Halt => false,
            Exhausted::Skip | Exhausted::DeadLetter(_) => self.unit == Unit::Batch,
        }
    }

    pub(crate) fn exhausted(&self) -> &Exhausted {
        &self.exhausted
    }

    /// The sink, if there is one.
    pub(crate) fn sink(&self) -> Option<&Arc<dyn AnySink>> {
        match &self.exhausted {
            Exhausted::Halt | Exhausted::Skip => None,
            Exhausted::DeadLetter(sink) => Some(sink),
        }
    }
}
