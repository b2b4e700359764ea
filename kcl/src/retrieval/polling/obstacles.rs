//! What keeps a reader from reading: failed calls, refused positions, and doubts about its shard or stream.

use std::time::{Duration, Instant};

use super::config::CaughtUp;
use super::{CLOCK_TOLERANCE, Next, Poller, REFUSALS};
use crate::calls::ReadFrom;
use crate::error::{CallErrorKind, StreamError};
use crate::event::ShardEvent;
use crate::fold::REMINDER;
use crate::retrieval::loss::{Idle, LossCheck, PossibleLoss};
use crate::retrieval::source::Arrival;
use crate::shard_sync::end_evidence::{Hold, Verdict};
use crate::shard_sync::former::OnRecreated;
use crate::stream::Description;

/// A break in the reading after which records may have been trimmed. Our choice; the service keeps them for a day at least.
const LONG_BREAK: Duration = Duration::from_secs(60 * 60);

impl Poller {
    /// Takes the refusal of a time to read from as what it is: the time is later than the service's clock. Any other error
    /// is given back.
    pub(super) fn wait_for_start(&mut self, error: StreamError) -> Result<Option<Arrival>, StreamError> {
        match (&self.resume, &error.kind) {
            (ReadFrom::Time(_), CallErrorKind::Rejected { .. }) => Ok(self.hold(Hold::StartsLater, Next::Begin)),
            _ => Err(error),
        }
    }

    /// After a long break in the reading: the service may have trimmed what came behind the last record that was read. That one,
    /// if there is one, is read again, so that the next page shows whether records between the two are missing.
    pub(super) fn look_for_losses_again(&mut self) {
        let since = self.answered.map_or(self.began_at, |(at, _)| at);
        let passed = self.clock.now().saturating_duration_since(since);
        if self.loss.is_some() || passed < LONG_BREAK {
            return;
        }
        let wall = self.calls.wall_clock() - self.clock_ahead;
        let idle = match (self.answered, &self.resume) {
            (Some((_, CaughtUp::Yes)), _) => Some(wall - passed),
            (Some((_, CaughtUp::No)), _) => None,
            // It began at the newest record, when it began at all: it wants nothing that is older.
            (None, ReadFrom::Time(at)) if wall - passed <= *at + CLOCK_TOLERANCE => Some(*at),
            // Nothing was read, and what had been trimmed before is not known.
            (None, _) => return,
        };
        let idle = idle.map(|at| Idle { at, since: Some(since) });
        self.loss = Some(LossCheck::new(self.read.clone(), idle));
        if let ReadFrom::After(last) = &self.resume {
            self.resume = ReadFrom::At(last.clone());
        }
    }

    /// Goes on with `next` if positions of this shard still mean something: not in a stream that was created again.
    pub(super) async fn check_stream(&mut self, next: Next) -> Result<Option<Arrival>, StreamError> {
        let Description { incarnation, retention } = self.surveyor.describe(self.clock.now()).await?;
        self.retention = retention;
        if !self.evidence.is_same_stream(&incarnation) {
            return Ok(self.hold(Hold::StreamCreatedAgain, Next::Survey));
        }
        if self.refusals >= REFUSALS {
            self.refusals = 0;
            return Ok(self.hold(Hold::PositionRefused, Next::BeginAgain));
        }
        if matches!(next, Next::Read(_)) {
            self.stream = incarnation;
        }
        self.next = next;
        Ok(None)
    }

    pub(super) async fn survey(&mut self) -> Result<Option<Arrival>, StreamError> {
        let survey = match self.surveyor.survey(self.clock.now()).await {
            Ok(survey) => survey,
            Err(error) if error.kind().is_not_found() => return Ok(self.hold(Hold::StreamMissing, Next::Survey)),
            Err(error) => return Err(error),
        };
        match self.evidence.judge(&survey) {
            Verdict::Open => self.next = Next::Begin,
            Verdict::Ended(children) => {
                let is_listed = survey.shards.iter().any(|shard| shard.id == self.shard.shard);
                if is_listed {
                    self.next = Next::End(children);
                } else {
                    // Children may be trimmed as well: who comes next is found at the end, with the leases at hand.
                    self.next = Next::End(Vec::new());
                    return Ok(Some(Arrival::PossibleLoss(self.trimmed_shard())));
                }
            }
            Verdict::Hold(hold) => return Ok(self.hold(hold, Next::Survey)),
        }
        Ok(None)
    }

    /// Neither reads nor ends the shard, and tries `next` later.
    pub(super) fn hold(&mut self, hold: Hold, next: Next) -> Option<Arrival> {
        let hold = match (hold, self.on_recreated) {
            (Hold::StreamCreatedAgain, OnRecreated::Restart) => Hold::BeginsAnew,
            (hold, OnRecreated::Restart | OnRecreated::Halt) => hold,
        };
        self.next = next;
        // The service answers, and the hold says what is wrong.
        self.reads.over();
        self.failures = self.failures.saturating_add(1);
        let (now, wait) = (self.clock.now(), self.delays.after(self.failures));
        self.pacer.on_failure(now, wait);
        let is_new = |(told, at): (Hold, Instant)| told != hold || now.saturating_duration_since(at) >= REMINDER;
        if self.held.is_none_or(is_new) {
            self.held = Some((hold, now));
            self.observer.tell(ShardEvent::OnHold {
                reason: hold,
                row: self.observer.lease().clone(),
                position: self.resume.to_string(),
            });
        }
        Some(Arrival::Hold(hold))
    }

    /// What may be lost of a shard that the stream has trimmed before its end was read.
    fn trimmed_shard(&self) -> PossibleLoss {
        PossibleLoss {
            after: match &self.resume {
                ReadFrom::At(number) | ReadFrom::After(number) => Some(number.clone()),
                ReadFrom::TrimHorizon | ReadFrom::Latest | ReadFrom::Time(_) => None,
            },
            complete_until: None,
            oldest: None,
            oldest_arrived: None,
        }
    }

    pub(super) fn on_error(&mut self, error: &StreamError) {
        self.observer.tell(ShardEvent::ReadFailed {
            error: error.clone(),
            repeated: 0,
        });
        self.failures = self.failures.saturating_add(1);
        let (now, wait) = (self.clock.now(), self.delays.after(self.failures));
        self.reads.met(error.clone(), now);
        self.pacer.on_failure(now, wait);
        if matches!(self.next, Next::Probe) {
            // The page that was read waits for it: the probe goes on.
            if matches!(error.kind, CallErrorKind::Throttled { .. }) {
                self.pacer.on_throttled(now, wait);
            }
            return;
        }
        match error.kind {
            // An iterator lives for five minutes; the next one begins behind what was read.
            CallErrorKind::Iterator { .. } => self.next = Next::BeginAgain,
            CallErrorKind::Rejected { .. } => {
                self.next = Next::BeginAgain;
                self.refusals = self.refusals.saturating_add(1);
            }
            // The shard or the stream is gone, or the answer is wrong: one answer does not end a shard.
            CallErrorKind::NotFound => self.next = Next::Survey,
            CallErrorKind::Throttled { .. } => self.pacer.on_throttled(now, wait),
            CallErrorKind::Transient { .. }
            | CallErrorKind::Credentials { .. }
            | CallErrorKind::Encryption { .. }
            | CallErrorKind::Denied { .. }
            | CallErrorKind::Unavailable { .. }
            | CallErrorKind::Unreadable { .. } => {}
        }
    }
}
