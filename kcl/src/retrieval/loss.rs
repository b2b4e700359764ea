//! Pure: whether the service may have trimmed records behind a checkpoint before they were read.
//!
//! ```text
//!  reading begins at the record of the checkpoint, and the first page
//!     begins with it, or with an older one ─────────────► nothing is missing
//!     has no records, and the reader is behind ─────────► not known yet: look at the next page
//!     else ─────────────────────────────────────────────► look at the oldest record of the shard
//!  the oldest record of the shard
//!     is not newer than the checkpoint ─────────────────► nothing is missing: no record has that number
//!     is newer, or there is none ───────────────────────► possible loss
//! ```
//!
//! The service does not tell that a position was trimmed: it goes on with the oldest record.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::checkpoint::position::SequenceNumber;
use crate::retrieval::deaggregate::RawRecord;

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
    checkpoint: SequenceNumber,
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
    /// A check for a reader that begins at this record.
    pub(crate) fn new(checkpoint: SequenceNumber) -> Self {
        Self { checkpoint }
    }

    /// Judges by a page that the reader got. `lag` is `None` behind the end of the shard.
    pub(crate) fn judge(&self, records: &[RawRecord], lag: Option<Duration>) -> FirstPage {
        match (records.first(), lag) {
            (Some(first), _) if first.sequence_number <= self.checkpoint => FirstPage::Complete,
            (None, Some(lag)) if !lag.is_zero() => FirstPage::Undecided,
            (Some(_) | None, _) => FirstPage::Suspect,
        }
    }

    /// Concludes from the oldest record of the shard, if it has one.
    pub(crate) fn conclude(self, oldest: Option<&RawRecord>) -> Option<PossibleLoss> {
        if oldest.is_some_and(|oldest| oldest.sequence_number <= self.checkpoint) {
            return None;
        }
        Some(PossibleLoss {
            after: Some(self.checkpoint),
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
        LossCheck::new("5".parse().unwrap())
    }

    const TIP: Option<Duration> = Some(Duration::ZERO);
    const BEHIND: Option<Duration> = Some(Duration::from_secs(9));

    #[test]
    fn a_page_that_begins_with_the_record_of_the_checkpoint_is_complete() {
        assert_eq!(check().judge(&[record(5), record(7)], BEHIND), FirstPage::Complete);
        assert_eq!(check().judge(&[record(4)], BEHIND), FirstPage::Complete);
    }

    #[test]
    fn an_empty_page_on_the_way_to_records_decides_nothing() {
        assert_eq!(check().judge(&[], BEHIND), FirstPage::Undecided);
    }

    #[test]
    fn a_page_without_the_record_of_the_checkpoint_is_suspect() {
        assert_eq!(check().judge(&[record(7)], BEHIND), FirstPage::Suspect);
        assert_eq!(check().judge(&[], TIP), FirstPage::Suspect);
        assert_eq!(check().judge(&[], None), FirstPage::Suspect);
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
