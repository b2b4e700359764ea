//! Finds the last record of a shard in front of a time or of a record: a checkpoint there makes a reader begin with it.

use std::time::{Duration, SystemTime};

use service::{Clock, Jitter, RetryDelays};

use crate::calls::{Calls, NextRead, Page, ReadFrom};
use crate::checkpoint::position::{Position, RecordPosition, SequenceNumber};
use crate::error::StreamError;
use crate::retrieval::deaggregate::{RangePolicy, RawRecord, deaggregate};
use crate::retrieval::pacer::Brought;
use crate::retrieval::page_size::PageSize;
use crate::retrieval::permit::Account;
use crate::stream::ShardRef;

/// How far in front of the place the search begins, and by what that grows until there is a record. Our choice.
const BACK: (Duration, u32) = (Duration::from_secs(1), 8);

/// Further back there are no records: the service keeps them for 365 days.
const NO_RECORDS: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The wait between two reads of a search that may use all of the shard's reads, of which the service allows five a second; and
/// the longest wait after failures. Our choice.
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
    calls: Calls,
    shard: ShardRef,
    account: Account,
    page_size: PageSize,
    /// Between two reads.
    wait: Duration,
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
        Self {
            calls,
            shard: config.shard,
            account,
            page_size: PageSize::new(config.max_records, config.read_share),
            wait: WAITS.0.div_f64(config.read_share),
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
    pub(crate) async fn check(&mut self, from: &ReadFrom) -> Result<(), StreamError> {
        self.iterator(from).await.map(drop)
    }

    /// The checkpoint behind which the first record is the one at `place`. Without a record in front of it, that is the trim
    /// horizon.
    pub(crate) async fn checkpoint_before(&mut self, place: &Place) -> Result<Position, StreamError> {
        let time = match place {
            Place::Time(time) => *time,
            Place::Record(number) => self.arrival(number).await?.unwrap_or(self.now),
        };
        let mut back = BACK.0;
        loop {
            let from = time.checked_sub(back).filter(|_| back < NO_RECORDS);
            let from = from.map_or(ReadFrom::TrimHorizon, ReadFrom::Time);
            if let Some(record) = self.last_before(&from, place).await? {
                return Ok(Position::At(end_of(record)));
            }
            if from == ReadFrom::TrimHorizon {
                return Ok(Position::TrimHorizon);
            }
            back = back.saturating_mul(BACK.1);
        }
    }

    /// When a record arrived, or the first one behind it if the service no longer has it.
    async fn arrival(&mut self, number: &SequenceNumber) -> Result<Option<SystemTime>, StreamError> {
        let mut iterator = self.iterator(&ReadFrom::At(number.clone())).await?;
        loop {
            let Page {
                records,
                next,
                millis_behind_latest,
            } = self.page(&iterator).await?;
            if let Some(record) = records.first() {
                return Ok(record.approximate_arrival);
            }
            match next {
                NextRead::Iterator(next) if millis_behind_latest != Some(0) => iterator = next,
                NextRead::Iterator(_) | NextRead::End(_) | NextRead::Unknown => return Ok(None),
            }
        }
    }

    /// The last of the records from `from` on that are in front of `place`.
    async fn last_before(&mut self, from: &ReadFrom, place: &Place) -> Result<Option<RawRecord>, StreamError> {
        let mut iterator = self.iterator(from).await?;
        let mut last = None;
        loop {
            let Page {
                records,
                next,
                millis_behind_latest,
            } = self.page(&iterator).await?;
            for record in records {
                if !is_before(&record, place) {
                    return Ok(last);
                }
                last = Some(record);
            }
            match next {
                NextRead::Iterator(next) if millis_behind_latest != Some(0) => iterator = next,
                NextRead::Iterator(_) | NextRead::End(_) | NextRead::Unknown => return Ok(last),
            }
        }
    }

    async fn iterator(&mut self, from: &ReadFrom) -> Result<String, StreamError> {
        loop {
            match self.calls.get_shard_iterator(&self.shard, from).await {
                Ok(iterator) => {
                    self.failures = 0;
                    return Ok(iterator);
                }
                Err(error) => self.bear(error).await?,
            }
        }
    }

    async fn page(&mut self, iterator: &str) -> Result<Page, StreamError> {
        // Released before the next page: of this one, at most one record is kept.
        let room = self.account.permit(self.page_size.wanted()).await;
        let limit = self.page_size.limit(room.bytes());
        loop {
            self.clock.sleep(self.wait).await;
            let stream = &self.shard.stream;
            match self.calls.get_records(stream, iterator, limit).await {
                Ok(page) => {
                    self.failures = 0;
                    self.page_size.on_reply(brought(&page));
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

fn brought(page: &Page) -> Brought {
    let bytes = page
        .records
        .iter()
        .map(|record| record.data.len() + record.partition_key.len());
    Brought {
        records: page.records.len(),
        bytes: bytes.sum(),
        lag: page.millis_behind_latest.map(Duration::from_millis),
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
    deaggregate(record, None, RangePolicy::Deliver, &mut records);
    records.last().map_or(whole, |last| last.position().clone())
}
