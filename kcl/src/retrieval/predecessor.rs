//! Finds the last record of a shard in front of a time or of a record: a checkpoint there makes a reader begin with it.
//!
//! ```text
//!  ──●────────────●──●●●●●────────────────────────────────x──   x: the place
//!                              ◄─ 64 s ─┤◄── 8 s ──┤◄─1 s─┤    1. windows back from it, until one begins with a record
//!                 ├───────►├──►├►                              2. halves of the last window, as long as one begins with a record
//!                            ●●───────────────────────────x     3. at most a second of records, and those are read
//! ```
//!
//! The first two steps read one record each time, so a seek costs some dozens of small reads, however much the shard holds.

use std::time::{Duration, SystemTime};

use aggregation::Checked;
use service::{Clock, Jitter, RetryDelays};

use crate::calls::{Calls, ReadFrom};
use crate::checkpoint::position::{Position, RecordPosition, SequenceNumber};
use crate::error::StreamError;
use crate::retrieval::deaggregate::{RangePolicy, RawRecord, deaggregate};
use crate::retrieval::page_size::PageSize;
use crate::retrieval::pages::{Pages, Read};
use crate::retrieval::permit::Account;
use crate::stream::ShardRef;

/// How far in front of the place the search begins, and by what that grows until there is a record. Our choice.
const BACK: (Duration, u32) = (Duration::from_secs(1), 8);

/// Further back there are no records: the service keeps them for 365 days.
const NO_RECORDS: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// How often the window with the last record is halved at most, for arrivals that are not in order. Our choice: 400 days are
/// a second after 25.
const HALVES: u32 = 40;

/// The wait after the first failure, and the longest. Our choice.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How often a call may fail one after the other. Our choice: about half a minute.
const TRIES: u32 = 10;

/// A place in a shard that a record is in front of, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first record that arrived at this time or later.
    Time(SystemTime),
    /// This record.
    Record(SequenceNumber),
}

/// One search in one shard, whose reader must not read meanwhile: the service allows few reads.
#[derive(Debug)]
pub(crate) struct Search {
    pages: Pages,
    account: Account,
    page_size: PageSize,
    /// The service's time, as far as it is known.
    now: SystemTime,
    clock: Clock,
    delays: RetryDelays,
    /// Since the last call that worked.
    failures: u32,
}

/// What a search needs.
#[derive(Debug)]
pub(crate) struct SearchConfig {
    pub(crate) shard: ShardRef,
    pub(crate) max_records: u32,
    /// The part of the shard's reads that may be used.
    pub(crate) read_share: f64,
    /// The service's time, as far as it is known.
    pub(crate) now: SystemTime,
    pub(crate) clock: Clock,
    pub(crate) rng: fastrand::Rng,
}

impl Search {
    pub(crate) fn new(calls: Calls, account: Account, config: SearchConfig) -> Self {
        let pages = Pages::new(calls, config.shard, config.read_share, config.clock.clone());
        Self {
            pages: pages.after_a_reader(),
            account,
            page_size: PageSize::new(config.max_records, config.read_share),
            now: config.now,
            clock: config.clock,
            delays: RetryDelays::new(WAITS, Jitter::Half, config.rng),
            failures: 0,
        }
    }

    /// Asks the service whether reading could begin at `from`.
    ///
    /// # Errors
    ///
    /// As the service says; what may pass was tried several times.
    pub(crate) async fn check(&mut self, from: ReadFrom) -> Result<(), StreamError> {
        self.pages.go_to(from);
        loop {
            match self.pages.begin().await {
                Ok(()) => {
                    self.failures = 0;
                    return Ok(());
                }
                Err(error) => self.bear(error).await?,
            }
        }
    }

    /// The checkpoint behind which the first record is the one at `place`. Without a record in front of it, that is the trim
    /// horizon.
    pub(crate) async fn checkpoint_before(&mut self, place: &Place) -> Result<Position, StreamError> {
        let time = match place {
            Place::Time(time) => *time,
            Place::Record(number) => self.arrival(number).await?.unwrap_or(self.now),
        };
        let (mut near, mut back) = (time, BACK.0);
        loop {
            let from = time.checked_sub(back).filter(|_| back < NO_RECORDS);
            let begin = from.map_or(ReadFrom::TrimHorizon, ReadFrom::Time);
            match (self.first_before(begin, place).await?, from) {
                (Some(record), _) => {
                    let record = self.closer(record, near, place).await?;
                    return Ok(Position::At(end_of(self.last_before(record, place).await?)));
                }
                (None, None) => return Ok(Position::TrimHorizon),
                (None, Some(from)) => near = from,
            }
            back = back.saturating_mul(BACK.1);
        }
    }

    /// When a record arrived, or the first one behind it if the service no longer has it.
    async fn arrival(&mut self, number: &SequenceNumber) -> Result<Option<SystemTime>, StreamError> {
        let first = self.first_from(ReadFrom::At(number.clone())).await?;
        Ok(first.and_then(|record| record.approximate_arrival))
    }

    async fn first_from(&mut self, from: ReadFrom) -> Result<Option<RawRecord>, StreamError> {
        self.pages.go_to(from);
        while let Some(Read { records, .. }) = self.page(1).await? {
            if let Some(first) = records.into_iter().next() {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// The first record from there on, if it is in front of `place`.
    async fn first_before(&mut self, from: ReadFrom, place: &Place) -> Result<Option<RawRecord>, StreamError> {
        let first = self.first_from(from).await?;
        Ok(first.filter(|record| is_before(record, place)))
    }

    /// Returns a record before `place`, at or behind `record`, that arrived at most a second before `near`. No record before
    /// `place` was found from `near` on.
    async fn closer(&mut self, record: RawRecord, near: SystemTime, place: &Place) -> Result<RawRecord, StreamError> {
        let (mut record, mut near) = (record, near);
        for _ in 0..HALVES {
            let arrived = record.approximate_arrival;
            let gap = arrived.and_then(|arrived| Some((arrived, near.duration_since(arrived).ok()?)));
            let Some((arrived, gap)) = gap.filter(|(_, gap)| *gap > BACK.0) else {
                break;
            };
            let middle = arrived + gap / 2;
            match self.first_before(ReadFrom::Time(middle), place).await? {
                Some(later) => record = later,
                None => near = middle,
            }
        }
        Ok(record)
    }

    /// The last record in front of `place`, where `first` is one.
    async fn last_before(&mut self, first: RawRecord, place: &Place) -> Result<RawRecord, StreamError> {
        self.pages.go_to(ReadFrom::After(first.sequence_number.clone()));
        let mut last = first;
        while let Some(Read { records, .. }) = self.page(u32::MAX).await? {
            for record in records {
                if !is_before(&record, place) {
                    return Ok(last);
                }
                last = record;
            }
        }
        Ok(last)
    }

    /// The next page of up to `at_most` records, tried again after what may pass.
    async fn page(&mut self, at_most: u32) -> Result<Option<Read>, StreamError> {
        // Released before the next page: of this one, at most one record is kept.
        let room = self.account.permit(self.page_size.wanted()).await;
        let limit = self.page_size.limit(room.bytes()).min(at_most);
        loop {
            match self.pages.next(limit).await {
                Ok(page) => {
                    self.failures = 0;
                    if let Some(Read { brought, .. }) = &page {
                        self.page_size.on_reply(*brought);
                    }
                    return Ok(page);
                }
                Err(error) => self.bear(error).await?,
            }
        }
    }

    /// Waits after a call that failed, if it may work later and did not fail too often.
    async fn bear(&mut self, error: StreamError) -> Result<(), StreamError> {
        self.failures += 1;
        if self.failures >= TRIES || !error.kind.may_pass() {
            return Err(error);
        }
        self.clock.sleep(self.delays.after(self.failures)).await;
        Ok(())
    }
}

fn is_before(record: &RawRecord, place: &Place) -> bool {
    match place {
        Place::Record(number) => record.sequence_number < *number,
        // A record without a time is the page's fault: one too many is delivered rather than one too few.
        Place::Time(time) => record.approximate_arrival.is_some_and(|arrived| arrived < *time),
    }
}

/// The last user record of a Kinesis record.
fn end_of(record: RawRecord) -> RecordPosition {
    let whole = RecordPosition {
        sequence_number: record.sequence_number.clone(),
        sub_sequence_number: 0,
    };
    let mut records = Vec::new();
    let checked = Checked::new(&record.data);
    deaggregate(record, checked, None, RangePolicy::Deliver, &mut records);
    records.last().map_or(whole, |last| last.position().clone())
}
