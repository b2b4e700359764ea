//! Pure: whether the service may have trimmed records behind a checkpoint before they were read.
//!
//! ```text
//!  reading begins at the record of the checkpoint, and the first page
//!     begins with it, or with an older one ─────────────► nothing is missing
//!     has no records, and the reader is behind ─────────► not known yet: look at the next page
//!     else, and there was nothing to read at a time
//!     within the retention time of the stream ──────────► nothing is missing: what came later was not trimmed yet
//!     else ─────────────────────────────────────────────► look at the oldest record of the shard
//!  the oldest record of the shard
//!     is not newer than the checkpoint ─────────────────► nothing is missing: no record has that number
//!     is newer, or the shard has no records ────────────► possible loss
//! ```
//!
//! The service does not tell that a position was trimmed: it goes on with the oldest record.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::checkpoint::position::SequenceNumber;
use crate::retrieval::deaggregate::RawRecord;

/// By how much the times of the services and of this process may differ. Our choice.
const TOLERANCE: Duration = Duration::from_secs(60);

/// What a worker does when the service may have trimmed records before they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPossibleLoss {
    /// It logs an error, shows it in the shard's status, and reads on with the oldest record.
    #[default]
    Report,
    /// It does the same, but does not read on before [`WorkerControl::skip`](crate::WorkerControl::skip) is called for the
    /// shard.
    Halt,
}

/// Records of a shard that the service may have trimmed before they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PossibleLoss {
    /// The last record that was certainly read. `None`: none was.
    pub after: Option<SequenceNumber>,
    /// A time at which no other records were there, by the time of the lease table's service. `None`: none is known.
    pub complete_until: Option<SystemTime>,
    /// The oldest record that the shard still has. `None`: it has none.
    pub oldest: Option<SequenceNumber>,
    /// When the oldest record arrived, by the service's clock.
    pub oldest_arrived: Option<SystemTime>,
}

impl fmt::Display for PossibleLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: &Option<SequenceNumber>, none: &str| {
            number.as_ref().map_or_else(|| none.to_owned(), ToString::to_string)
        };
        let (after, oldest) = (number(&self.after, "the beginning"), number(&self.oldest, "none"));
        write!(
            f,
            "records behind {after} may have been trimmed before they were read; the oldest record of the shard is {oldest}"
        )?;
        match self
            .oldest_arrived
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        {
            Some(arrived) => write!(f, ", which arrived {} s after the Unix epoch", arrived.as_secs()),
            None => Ok(()),
        }
    }
}

/// Looks at what a reader gets that began at a checkpoint.
#[derive(Debug)]
pub(crate) struct LossCheck {
    /// The last record that was certainly read, if one was.
    read: Option<SequenceNumber>,
    /// The oldest record at the time of a loss that was reported: what is missing in front of it is known.
    known: Option<SequenceNumber>,
    idle: Option<Idle>,
}

/// A time at which there was nothing behind the position that reading begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Idle {
    /// By the time of the lease table's service.
    pub(crate) at: SystemTime,
    /// The same time by this process's clock, if the service's time is known now.
    pub(crate) since: Option<Instant>,
}

/// What is known of the oldest records that a stream can have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    /// How long the service keeps records.
    pub(crate) retention: Option<Duration>,
    pub(crate) now: Instant,
}

impl Horizon {
    /// Whether no record that came after `idle` can have been trimmed.
    fn is_before(self, idle: Idle) -> bool {
        let trimmed_at = self.retention.zip(idle.since);
        let trimmed_at = trimmed_at.and_then(|(retention, since)| since.checked_add(retention));
        trimmed_at.is_some_and(|trimmed_at| self.now + TOLERANCE < trimmed_at)
    }
}

/// What the first page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstPage {
    /// Nothing is missing.
    Complete,
    /// Nothing yet.
    Undecided,
    /// The record of the checkpoint is not there.
    Suspect,
}

impl LossCheck {
    /// A check for a reader that has read up to this record, and behind which there was nothing at the time `idle`.
    pub(crate) fn new(read: Option<SequenceNumber>, idle: Option<Idle>) -> Self {
        Self {
            read,
            known: None,
            idle,
        }
    }

    /// The same, after a loss was reported that ended with the record `oldest`.
    pub(crate) fn known_up_to(self, oldest: Option<SequenceNumber>) -> Self {
        Self { known: oldest, ..self }
    }

    /// Whether the record is one that was read, or the first one behind a loss that is known, or an older one.
    fn is_read(&self, record: &RawRecord) -> bool {
        let ends = self.read.iter().chain(&self.known);
        ends.max().is_some_and(|end| record.sequence_number <= *end)
    }

    /// Judges by a page that the reader got. `lag` is `None` behind the end of the shard.
    pub(crate) fn judge(&self, records: &[RawRecord], lag: Option<Duration>, horizon: Horizon) -> FirstPage {
        match (records.first(), lag) {
            (Some(first), _) if self.is_read(first) => FirstPage::Complete,
            (None, Some(lag)) if !lag.is_zero() => FirstPage::Undecided,
            (Some(_) | None, _) if self.idle.is_some_and(|idle| horizon.is_before(idle)) => FirstPage::Complete,
            (Some(_) | None, _) => FirstPage::Suspect,
        }
    }

    /// Concludes from the oldest record of the shard, if it has one.
    pub(crate) fn conclude(self, oldest: Option<&RawRecord>) -> Option<PossibleLoss> {
        let is_complete = |oldest: &RawRecord| {
            let arrived = oldest.approximate_arrival.zip(self.idle);
            let was_there = arrived.is_some_and(|(arrived, idle)| arrived + TOLERANCE <= idle.at);
            was_there || self.is_read(oldest)
        };
        if oldest.is_some_and(is_complete) {
            return None;
        }
        Some(PossibleLoss {
            after: self.read,
            complete_until: self.idle.map(|idle| idle.at),
            oldest: oldest.map(|oldest| oldest.sequence_number.clone()),
            oldest_arrived: oldest.and_then(|oldest| oldest.approximate_arrival),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(number: u64) -> RawRecord {
        RawRecord {
            sequence_number: number.to_string().parse().unwrap(),
            partition_key: "key".to_owned(),
            data: Bytes::new(),
            approximate_arrival: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(number)),
        }
    }

    fn check() -> LossCheck {
        LossCheck::new(Some("5".parse().unwrap()), None)
    }

    const TIP: Option<Duration> = Some(Duration::ZERO);
    const BEHIND: Option<Duration> = Some(Duration::from_secs(9));

    #[test]
    fn a_page_that_begins_with_the_record_of_the_checkpoint_is_complete() {
        assert_eq!(
            check().judge(&[record(5), record(7)], BEHIND, horizon()),
            FirstPage::Complete
        );
        assert_eq!(check().judge(&[record(4)], BEHIND, horizon()), FirstPage::Complete);
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn horizon() -> Horizon {
        Horizon {
            retention: Some(24 * HOUR),
            now: Instant::now(),
        }
    }

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn nothing_is_missing_if_nothing_was_there_within_the_retention_time() {
        let horizon = horizon();
        let judge = |now, retention, since| {
            let idle = Idle {
                at: SystemTime::UNIX_EPOCH,
                since,
            };
            let check = LossCheck::new(Some("5".parse().unwrap()), Some(idle));
            [&[record(7)][..], &[]].map(|records| check.judge(records, TIP, Horizon { retention, now }))
        };
        let (begun, retention) = (Some(horizon.now), horizon.retention);
        assert_eq!(
            judge(horizon.now + 23 * HOUR, retention, begun),
            [FirstPage::Complete; 2]
        );
        assert_eq!(
            judge(horizon.now + 24 * HOUR, retention, begun),
            [FirstPage::Suspect; 2]
        );
        assert_eq!(judge(horizon.now, None, begun), [FirstPage::Suspect; 2]);
        assert_eq!(judge(horizon.now, retention, None), [FirstPage::Suspect; 2]);
    }

    #[test]
    fn an_empty_page_on_the_way_to_records_decides_nothing() {
        assert_eq!(check().judge(&[], BEHIND, horizon()), FirstPage::Undecided);
    }

    #[test]
    fn a_page_without_the_record_of_the_checkpoint_is_suspect() {
        assert_eq!(check().judge(&[record(7)], BEHIND, horizon()), FirstPage::Suspect);
        assert_eq!(check().judge(&[], TIP, horizon()), FirstPage::Suspect);
        assert_eq!(check().judge(&[], None, horizon()), FirstPage::Suspect);
    }

    #[test]
    fn nothing_is_missing_behind_a_checkpoint_that_is_no_record_if_the_shard_has_an_older_one() {
        assert_eq!(check().conclude(Some(&record(3))), None);
    }

    #[test]
    fn a_possible_loss_says_between_which_records_and_since_when() {
        let loss = check().conclude(Some(&record(7))).unwrap();
        assert_eq!((loss.after, loss.oldest), ("5".parse().ok(), "7".parse().ok()));
        assert_eq!(
            loss.oldest_arrived,
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(7))
        );
        assert_eq!(check().conclude(None).unwrap().oldest, None);
    }
}
