//! Pure: how much to ask for in the next read.
//!
//! The service is asked for a number of records, the budget is counted in bytes. The sizes of recent records turn one into
//! the other.
//!
//! A reader that has a part of the shard asks for no more than that part yields in a second. The service answers a read with
//! up to five seconds' worth of bytes, and then refuses the reads of all others for as long.

use crate::retrieval::budget::{LARGEST_PAGE, SMALL_PAGE};
use crate::retrieval::pacer::{BYTES_PER_SECOND, Brought};

/// What a record is taken for until the first ones are seen: an aggregate. Our choice: the KPL's aggregates have up to 51,200
/// bytes, so that a reader that has room for a small page begins with one record.
const UNSEEN_RECORD: u64 = 51_200;

/// The weight of the past against a new reply: of four parts, three. Our choice.
const PAST: (u64, u64) = (3, 4);

/// The sizes of one shard's recent pages and records.
#[derive(Debug, Clone)]
pub(crate) struct PageSize {
    max_records: u32,
    /// The most bytes of a page.
    largest: u64,
    /// The mean bytes of a record, none before records were seen.
    record: Option<u64>,
    /// The mean bytes of a reply with records.
    page: u64,
    /// Whether the last reply left records behind, as a reader does that has just begun.
    is_behind: bool,
}

impl PageSize {
    /// Nothing is known yet. `max_records` is the most that a read may ask for, and `read_share` the part of the shard that
    /// this reader may use.
    pub(crate) fn new(max_records: u32, read_share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the share is between 0 and 1"
        )]
        let in_a_second = (read_share * BYTES_PER_SECOND) as u64;
        let largest = match read_share < 1.0 {
            true => in_a_second.max(SMALL_PAGE),
            false => LARGEST_PAGE,
        };
        Self {
            max_records,
            largest,
            record: None,
            page: 0,
            is_behind: true,
        }
    }

    /// How many bytes to get a permit for: a full page when behind, or else twice what recent pages had.
    pub(crate) fn wanted(&self) -> u64 {
        if self.is_behind {
            self.largest
        } else {
            self.page.saturating_mul(2).clamp(SMALL_PAGE, self.largest)
        }
    }

    /// How many records to ask for with a permit of `bytes`.
    pub(crate) fn limit(&self, bytes: u64) -> u32 {
        if bytes >= LARGEST_PAGE {
            return self.max_records;
        }
        let records = bytes / self.record.unwrap_or(UNSEEN_RECORD).max(1);
        u32::try_from(records).unwrap_or(u32::MAX).clamp(1, self.max_records)
    }

    /// Learns from a reply.
    pub(crate) fn on_reply(&mut self, brought: Brought) {
        self.is_behind = brought.lag.is_some_and(|lag| !lag.is_zero());
        let (Ok(bytes), Ok(records)) = (u64::try_from(brought.bytes), u64::try_from(brought.records)) else {
            return;
        };
        let Some(record) = bytes.checked_div(records) else {
            return;
        };
        self.record = Some(mean(self.record.unwrap_or(record), record));
        self.page = mean(self.page, bytes);
    }
}

/// The mean of `past` and `new`, rounded up.
fn mean(past: u64, new: u64) -> u64 {
    let (weight, all) = PAST;
    past.saturating_mul(weight)
        .saturating_add(new.saturating_mul(all - weight))
        .div_ceil(all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MAX_RECORDS: u32 = 10_000;

    fn after(replies: impl IntoIterator<Item = (usize, usize, u64)>) -> PageSize {
        let mut size = PageSize::new(MAX_RECORDS, 1.0);
        for (records, bytes, lag_millis) in replies {
            let lag = Some(Duration::from_millis(lag_millis));
            size.on_reply(Brought { records, bytes, lag });
        }
        size
    }

    #[test]
    fn a_reader_that_is_behind_asks_for_a_full_page() {
        assert_eq!(PageSize::new(MAX_RECORDS, 1.0).wanted(), LARGEST_PAGE);
        assert_eq!(after([(1, 100, 1)]).wanted(), LARGEST_PAGE);
        assert_eq!(PageSize::new(MAX_RECORDS, 1.0).limit(LARGEST_PAGE), MAX_RECORDS);
    }

    #[test]
    fn a_reader_with_half_of_a_shard_asks_for_what_that_yields_in_a_second() {
        assert_eq!(PageSize::new(MAX_RECORDS, 0.5).wanted(), 1024 * 1024);
        assert_eq!(PageSize::new(MAX_RECORDS, 0.001).wanted(), SMALL_PAGE);
    }

    #[test]
    fn a_reader_at_the_tip_asks_for_twice_what_recent_pages_had() {
        let steady = after(vec![(10, 200_000, 0); 40]);
        assert!((400_000..401_000).contains(&steady.wanted()), "{steady:?}");
        assert_eq!(after([(0, 0, 0)]).wanted(), SMALL_PAGE);
    }

    #[test]
    fn a_small_permit_is_spent_by_the_mean_size_of_records() {
        assert_eq!(PageSize::new(MAX_RECORDS, 1.0).limit(SMALL_PAGE), 1);
        assert_eq!(after([(100, 100_000, 1)]).limit(SMALL_PAGE), 65);
        assert_eq!(after([(1, 10 * 1024 * 1024, 1)]).limit(SMALL_PAGE), 1);
    }

    #[test]
    fn a_limit_is_never_more_than_the_configured_one() {
        let mut size = PageSize::new(10, 1.0);
        size.on_reply(Brought {
            records: 10,
            bytes: 10,
            lag: None,
        });
        assert_eq!(size.limit(SMALL_PAGE), 10);
    }
}
