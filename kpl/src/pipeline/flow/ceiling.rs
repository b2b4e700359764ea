//! Pure: the size of a request that passes whatever is between the producer and the service.
//!
//! A proxy may take less than the service. A request that it refuses as too large (HTTP status 413) is sent again in parts,
//! and requests from then on are no larger than what passed, [`LEAST_REQUEST`] at least. After [`LARGER_REQUEST_INTERVAL`] without such a refusal, one
//! request of up to twice that size is tried; each one that passes allows the next at once.

use std::time::Instant;

use crate::budget::Cargo;
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{BODY_BYTES_PER_ENTRY, LARGER_REQUEST_INTERVAL, LEAST_REQUEST};
use crate::pipeline::messages::RequestId;

/// What requests may be as large as. Sizes are those of their bodies.
#[derive(Debug, Default)]
pub(crate) struct Ceiling {
    /// The largest request that passed, below all that were refused since.
    passed: usize,
    /// None if no request was refused as too large.
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    size: usize,
    /// When one request above it may be sent.
    larger_at: Instant,
    /// The one that was.
    trial: Option<RequestId>,
}

/// What a request with these carries.
pub(crate) fn cargo_of(aggregates: &[SealedAggregate]) -> Cargo {
    aggregates
        .iter()
        .map(SealedAggregate::cargo)
        .fold(Cargo::default(), Cargo::plus)
}

/// The bytes of a request's body, nearly: the data is in base64.
pub(crate) fn body_size(cargo: Cargo) -> usize {
    let around = cargo.entries.saturating_mul(BODY_BYTES_PER_ENTRY);
    (cargo.bytes.saturating_mul(4) / 3).saturating_add(around)
}

impl Ceiling {
    /// Whether a request of the size may be sent now.
    pub(crate) fn allows(&self, size: usize, now: Instant) -> bool {
        self.limit.as_ref().is_none_or(|limit| {
            let may_try = limit.trial.is_none() && limit.larger_at <= now;
            let largest = if may_try {
                limit.size.saturating_mul(2)
            } else {
                limit.size
            };
            size <= largest
        })
    }

    /// Whether a request of the size is known to pass, or not known not to.
    pub(crate) fn knows_to_pass(&self, size: usize) -> bool {
        self.limit.as_ref().is_none_or(|limit| size <= limit.size)
    }

    /// A request was sent.
    pub(crate) fn sent(&mut self, request: RequestId, size: usize) {
        if let Some(limit) = self.limit.as_mut().filter(|limit| size > limit.size) {
            limit.trial.get_or_insert(request);
        }
    }

    /// A request passed: the service answered it entry by entry.
    pub(crate) fn passed(&mut self, request: RequestId, size: usize, now: Instant) {
        self.passed = self.passed.max(size);
        if let Some(limit) = &mut self.limit
            && size > limit.size
        {
            limit.size = size;
            limit.larger_at = now;
        }
        self.ended(request);
    }

    /// A request was refused as too large.
    pub(crate) fn refused(&mut self, request: RequestId, size: usize, now: Instant) {
        if size <= self.passed {
            // What is in between takes less than before.
            self.passed = 0;
        }
        let known = self.limit.as_ref().map_or(usize::MAX, |limit| limit.size);
        let trial = self.limit.as_ref().and_then(|limit| limit.trial);
        self.limit = Some(Limit {
            size: known.min(self.passed.max(size / 2)).max(LEAST_REQUEST),
            larger_at: now + LARGER_REQUEST_INTERVAL,
            trial,
        });
        self.ended(request);
    }

    /// A request ended, and it is not known whether one of its size passes.
    pub(crate) fn ended(&mut self, request: RequestId) {
        if let Some(limit) = &mut self.limit {
            limit.trial.take_if(|trial| *trial == request);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sends a request of the size through a proxy that takes so much; whether it passed.
    fn send(ceiling: &mut Ceiling, size: usize, proxy: usize, now: Instant) -> bool {
        ceiling.sent(1, size);
        match size <= proxy {
            true => ceiling.passed(1, size, now),
            false => ceiling.refused(1, size, now),
        }
        size <= proxy
    }

    #[test]
    fn any_size_is_allowed_until_one_is_refused() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(ceiling.allows(usize::MAX, now));
        assert!(send(&mut ceiling, 1_000_000, usize::MAX, now));
        assert!(ceiling.allows(usize::MAX, now));
    }

    #[test]
    fn what_is_refused_is_halved_until_it_passes_and_the_size_that_passed_is_kept() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(!send(&mut ceiling, 1_000_000, 300_000, now));
        assert!(ceiling.allows(500_000, now) && !ceiling.allows(500_001, now));
        assert!(!send(&mut ceiling, 500_000, 300_000, now));
        assert!(send(&mut ceiling, 250_000, 300_000, now));
        let later = now + LARGER_REQUEST_INTERVAL - Duration::from_millis(1);
        assert!(ceiling.allows(250_000, later) && !ceiling.allows(250_001, later));
    }

    #[test]
    fn the_largest_size_that_had_passed_before_is_used_rather_than_half_of_what_is_refused() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(send(&mut ceiling, 290_000, 300_000, now));
        assert!(!send(&mut ceiling, 310_000, 300_000, now));
        assert!(ceiling.allows(290_000, now) && !ceiling.allows(290_001, now));
    }

    #[test]
    fn a_proxy_that_takes_less_than_before_lowers_the_size_again() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(send(&mut ceiling, 1_000_000, 1_000_000, now));
        assert!(!send(&mut ceiling, 800_000, 300_000, now));
        assert!(ceiling.allows(400_000, now) && !ceiling.allows(400_001, now));
    }

    #[test]
    fn one_larger_request_is_tried_at_a_time_and_what_it_tells_is_kept() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(!send(&mut ceiling, 1_000_000, 900_000, now));
        let later = now + LARGER_REQUEST_INTERVAL;
        assert!(ceiling.allows(1_000_000, later) && ceiling.knows_to_pass(500_000) && !ceiling.knows_to_pass(500_001));
        ceiling.sent(7, 700_000);
        assert!(!ceiling.allows(500_001, later), "one is on its way");
        ceiling.ended(6);
        assert!(!ceiling.allows(500_001, later));
        ceiling.passed(7, 700_000, later);
        assert!(ceiling.allows(1_400_000, later), "the next one at once");
        ceiling.sent(8, 1_400_000);
        ceiling.refused(8, 1_400_000, later);
        assert!(ceiling.allows(700_000, later) && !ceiling.allows(700_001, later));
    }

    #[test]
    fn no_refusal_makes_requests_smaller_than_each_proxy_takes() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(!send(&mut ceiling, 100, 0, now));
        assert!(ceiling.allows(LEAST_REQUEST, now) && !ceiling.allows(LEAST_REQUEST + 1, now));
    }

    #[test]
    fn a_larger_request_that_gets_no_answer_is_tried_again() {
        let (mut ceiling, now) = (Ceiling::default(), Instant::now());
        assert!(!send(&mut ceiling, 1_000_000, 900_000, now));
        let later = now + LARGER_REQUEST_INTERVAL;
        ceiling.sent(7, 700_000);
        ceiling.ended(7);
        assert!(ceiling.allows(700_000, later));
    }
}
