//! Records on which the handlers of a run fail, and what becomes of their letters.

use std::future::pending;

use fastrand::Rng;
use kcl::{DeadLetter, ErrorPolicy, HandlerError, LeaseGuard, Record};
use oracle::{self, Asks, Fact, WorkerFact};
use std::sync::{Arc, Mutex, PoisonError};

use crate::fleet::Fleet;
use crate::producer::number_of;
use crate::recorder::{offered, shard_id};
use crate::scenario::application::{How, LastResort, Policy};
use crate::sometimes::HANG_IS_DROPPED;

/// A failure of a handler on purpose.
pub(crate) struct Stumble {
    pub(crate) error: HandlerError,
    /// What it asks for, if not another attempt.
    pub(crate) asks: Option<Asks>,
}

impl<E: Into<HandlerError>> From<E> for Stumble {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { error, asks: None }
    }
}

impl Fleet {
    /// How a call with the record fails, if it does. Each call counts.
    pub(crate) fn fails_on(&self, record: &Record) -> Option<How> {
        let poison = &self.scenario.application.poison;
        if poison.is_empty() {
            return None;
        }
        let number = number_of(record.data())?;
        let poison = poison.iter().find(|poison| poison.record == number)?;
        let failed = self.failed_before(number);
        poison.times.is_none_or(|times| failed <= times).then_some(poison.how)
    }

    /// Fails. With a lease to watch, a handler that hangs ends when that is lost.
    pub(crate) async fn stumble(&self, how: How, lease: Option<&LeaseGuard>) -> Stumble {
        const WHY: &str = "the record cannot be processed";
        let error = match how {
            How::Fails => HandlerError::new(WHY),
            How::Fatal => HandlerError::fatal(WHY),
            How::Skips => HandlerError::skip(WHY),
            How::DeadLetters => HandlerError::dead_letter(WHY),
            // Past the hook that counts the panics which nobody meant.
            How::Panics => std::panic::resume_unwind(Box::new("the handler panicked on purpose")),
            How::Hangs => self.hang(lease).await,
        };
        let asks = match how {
            How::Skips => Some(Asks::Skip),
            How::DeadLetters if self.scenario.application.has_sink() => Some(Asks::DeadLetter),
            How::DeadLetters | How::Fails | How::Fatal | How::Panics | How::Hangs => None,
        };
        Stumble { error, asks }
    }

    async fn hang(&self, lease: Option<&LeaseGuard>) -> HandlerError {
        let mut hanging = Hanging {
            fleet: self,
            is_dropped: true,
        };
        match lease {
            Some(lease) => lease.cancelled().await,
            None => pending().await,
        }
        hanging.is_dropped = false;
        HandlerError::lease_lost()
    }

    /// The policy of the run's workers, with a sink that tells the witness what this one took.
    pub(crate) fn error_policy(&self, policy: Policy, worker: &str, rng: Rng) -> ErrorPolicy {
        let error_policy = match policy.last_resort {
            LastResort::Halt => ErrorPolicy::halt(),
            LastResort::Skip => ErrorPolicy::skip(),
            LastResort::DeadLetter => {
                let (fleet, worker, rng) = (self.clone(), oracle::Process::new(worker), Arc::new(Mutex::new(rng)));
                ErrorPolicy::dead_letter(move |letter| {
                    let refuses = fleet.scenario.application.sink_refuses;
                    let refused = rng.lock().unwrap_or_else(PoisonError::into_inner).u8(..100) < refuses;
                    let taken = if refused { None } else { Some(taken(&worker, &letter)) };
                    let fleet = fleet.clone();
                    async move {
                        let fact = taken.ok_or("the sink refuses the letter on purpose")?;
                        fleet.witness.tell(fact);
                        Ok(())
                    }
                })
            }
        };
        let error_policy = error_policy.attempts(policy.attempts);
        match policy.whole_batches {
            true => error_policy.whole_batches(),
            false => error_policy,
        }
    }
}

fn taken(worker: &oracle::Process, letter: &DeadLetter) -> Fact {
    let fact = WorkerFact::DeadLettered {
        shard: shard_id(letter.shard.shard.as_str()),
        records: letter.records.iter().map(offered).collect(),
    };
    Fact::Worker(worker.clone(), fact)
}

/// Notes when a handler that hangs is dropped.
struct Hanging<'a> {
    fleet: &'a Fleet,
    is_dropped: bool,
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        if self.is_dropped {
            self.fleet.sim.note(HANG_IS_DROPPED);
        }
    }
}
