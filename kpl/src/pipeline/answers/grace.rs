//! Pure: for how long refusals that may pass are waited out.

use std::time::Instant;

use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::refused::Refused;
use crate::limits::REFUSAL_GRACE;

/// Since when calls of one kind have been refused, without one that was answered in between.
#[derive(Debug, Default)]
pub(crate) struct Grace {
    refused: Option<Refused>,
    /// When the newest call that was answered was sent.
    passed: Option<Instant>,
}

/// Whether a trouble is worth waiting out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It may pass: what waits for a call waits for the next one.
    Passing,
    /// It has lasted too long, or does not pass.
    Final,
}

impl Grace {
    /// A call was refused. After a long time without any call, the grace begins anew.
    pub(crate) fn refused(&mut self, now: Instant) -> Prospect {
        let refused = Refused::again(self.refused, now);
        self.refused = Some(refused);
        prospect_of(refused)
    }

    /// A request with the aggregate was refused. An aggregate has no longer a grace though other requests are
    /// answered meanwhile; one that is refused for its content says nothing of them.
    pub(crate) fn refused_with(&mut self, aggregate: &mut SealedAggregate, now: Instant) -> Prospect {
        let refused = Refused::again(aggregate.refused, now);
        aggregate.refused = Some(refused);
        if self.is_for_content(std::slice::from_ref(aggregate)) {
            return prospect_of(refused);
        }
        match self.refused(now) {
            Prospect::Passing => prospect_of(refused),
            Prospect::Final => Prospect::Final,
        }
    }

    /// Whether a request with these is refused for the content of a record, and tells of no other request: it is of one
    /// record, and something has passed since that was refused first.
    pub(crate) fn is_for_content(&self, aggregates: &[SealedAggregate]) -> bool {
        let [aggregate] = aggregates else { return false };
        let began_before = |at| aggregate.refused.is_some_and(|refused| refused.began_before(at));
        aggregate.record.user_records == 1 && self.passed.is_some_and(began_before)
    }

    /// Whether something has passed since each of these was refused.
    pub(crate) fn has_passed_without(&self, aggregates: &[SealedAggregate]) -> bool {
        let ended_before =
            |at, aggregate: &SealedAggregate| aggregate.refused.is_some_and(|refused| refused.ended_before(at));
        self.passed
            .is_some_and(|at| aggregates.iter().all(|aggregate| ended_before(at, aggregate)))
    }

    /// A call that was sent at `sent` was answered.
    pub(crate) fn answered(&mut self, sent: Instant) {
        self.refused = None;
        self.passed = self.passed.max(Some(sent));
    }
}

fn prospect_of(refused: Refused) -> Prospect {
    if refused.lasted() < REFUSAL_GRACE {
        Prospect::Passing
    } else {
        Prospect::Final
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_refusal_may_pass_within_the_grace_and_is_final_from_then_on() {
        let (mut grace, begin) = (Grace::default(), Instant::now());
        for second in 0..60 {
            assert_eq!(grace.refused(begin + second * SECOND), Prospect::Passing, "{second}");
        }
        for second in 60..70 {
            assert_eq!(grace.refused(begin + second * SECOND), Prospect::Final, "{second}");
        }
    }

    #[test]
    fn the_grace_begins_anew_after_an_answer_and_after_a_minute_without_calls() {
        let (mut grace, begin) = (Grace::default(), Instant::now());
        for second in 0..=60 {
            let _ = grace.refused(begin + second * SECOND);
        }
        grace.answered(begin + 60 * SECOND);
        assert_eq!(grace.refused(begin + 61 * SECOND), Prospect::Passing);
        assert_eq!(grace.refused(begin + 121 * SECOND), Prospect::Passing);
        assert_eq!(grace.refused(begin + 180 * SECOND), Prospect::Passing);
        assert_eq!(grace.refused(begin + 181 * SECOND), Prospect::Final);
    }
}
