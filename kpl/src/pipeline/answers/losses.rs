//! Pure: records that failed while nobody held their receipts: told with their reasons, folded to one report in ten seconds.

use std::time::{Duration, Instant};

use crate::error::PutErrorKind;

/// The time that a report covers. Our choice, as for other events.
const INTERVAL: Duration = Duration::from_secs(10);

/// How many reasons are told apart. Our choice: there are a dozen, and some bear an error code.
const REASONS: usize = 16;

/// What was lost since the last report.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// The first reason of its kind, and how many records it has cost.
    lost: Vec<(PutErrorKind, u64)>,
    next_report: Option<Instant>,
}

impl Losses {
    /// Counts records that failed while no receipt of them was held. What a shutdown gives back is in its report.
    pub(crate) fn note(&mut self, records: u64, reason: &PutErrorKind) {
        if records == 0 || *reason == PutErrorKind::ShutDown {
            return;
        }
        let known = self.lost.iter().position(|(known, _)| is_like(known, reason));
        // When all places are taken, the first one counts for the rest.
        let place = known.or_else(|| (self.lost.len() >= REASONS).then_some(0));
        match place.and_then(|place| self.lost.get_mut(place)) {
            Some((_, count)) => *count += records,
            None => self.lost.push((reason.clone(), records)),
        }
    }

    /// What is to be told now, if it is time to.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(PutErrorKind, u64)> {
        if self.lost.is_empty() || self.next_report.is_some_and(|at| at > now) {
            return Vec::new();
        }
        self.next_report = Some(now + INTERVAL);
        self.take_all()
    }

    /// What is left to tell.
    pub(crate) fn take_all(&mut self) -> Vec<(PutErrorKind, u64)> {
        std::mem::take(&mut self.lost)
    }

    /// When there is something to tell.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_report.filter(|_| !self.lost.is_empty())
    }
}

/// Whether two reasons are of one kind, and of one error code if they have one.
fn is_like(one: &PutErrorKind, other: &PutErrorKind) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other) && code(one) == code(other)
}

fn code(reason: &PutErrorKind) -> Option<&str> {
    match reason {
        PutErrorKind::Throttled { code }
        | PutErrorKind::AccessDenied { code }
        | PutErrorKind::CredentialsRefused { code }
        | PutErrorKind::Intercepted { code }
        | PutErrorKind::Rejected { code, .. } => Some(code),
        PutErrorKind::InvalidPartitionKey { .. }
        | PutErrorKind::NoPartitionKey
        | PutErrorKind::RecordTooLarge { .. }
        | PutErrorKind::RequestTooLarge { .. }
        | PutErrorKind::OrderingImpossible { .. }
        | PutErrorKind::EncodingFailed
        | PutErrorKind::Full
        | PutErrorKind::ShutDown
        | PutErrorKind::Expired
        | PutErrorKind::StreamNotFound
        | PutErrorKind::RecordCountMismatch { .. }
        | PutErrorKind::TaskEnded => None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    fn rejected(code: &str) -> PutErrorKind {
        PutErrorKind::Rejected {
            code: code.into(),
            message: String::new(),
        }
    }

    #[test]
    fn the_first_losses_are_told_at_once_and_the_next_in_ten_seconds_by_their_reasons() {
        let (mut losses, now) = (Losses::default(), Instant::now());
        losses.note(3, &PutErrorKind::Expired);
        losses.note(0, &PutErrorKind::StreamNotFound);
        losses.note(5, &PutErrorKind::ShutDown);
        assert_eq!(losses.take_due(now), [(PutErrorKind::Expired, 3)]);
        for reason in [rejected("a"), rejected("b"), rejected("a")] {
            losses.note(1, &reason);
        }
        assert!(losses.take_due(now + INTERVAL / 2).is_empty());
        assert_eq!(losses.next_at(), Some(now + INTERVAL));
        assert_eq!(
            losses.take_due(now + INTERVAL),
            [(rejected("a"), 2), (rejected("b"), 1)]
        );
        assert_eq!(losses.next_at(), None);
    }

    #[test]
    fn reasons_without_number_are_counted_and_not_kept() {
        let mut losses = Losses::default();
        for n in 0..1_000 {
            losses.note(1, &rejected(&n.to_string()));
        }
        losses.note(5, &rejected("7"));
        let lost = losses.take_all();
        assert_eq!(lost.len(), REASONS);
        assert_eq!(lost[7], (rejected("7"), 6), "one that has a place is counted there");
        assert_eq!(lost.iter().map(|(_, records)| records).sum::<u64>(), 1_005);
    }
}
