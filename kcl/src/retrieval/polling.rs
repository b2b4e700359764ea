//! Reading a shard by `GetRecords`, within the service's limits and over every passing failure.

use std::time::{Duration, SystemTime};

use crate::calls::{Calls, NextRead, Page, ReadFrom};
use crate::checkpoint::position::Position;
use crate::clock;
use crate::error::{CallErrorKind, StreamError};
use crate::event::Event;
use crate::retrieval::deaggregate::RawRecord;
use crate::retrieval::pacer::{Lag, Pacer, PacerConfig};
use crate::retry::RetryDelays;
use crate::shard_sync::graph::ChildShard;
use crate::stream::ShardId;

/// The wait after the first failed read, and the longest. Our choice: the service's bucket refills within a second.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// By how much this machine's clock may be ahead of the service's without a record being missed. Our choice.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// The reader of one shard.
#[derive(Debug)]
pub(crate) struct Poller {
    calls: Calls,
    shard: ShardId,
    max_records: u32,
    /// Where to get the next iterator, should the one at hand be of no use.
    resume: ReadFrom,
    iterator: Option<String>,
    ended: Option<Vec<ChildShard>>,
    pacer: Pacer,
    delays: RetryDelays,
    failures: u32,
}

/// What a read brings.
#[derive(Debug)]
pub(crate) enum Fetched {
    Records {
        records: Vec<RawRecord>,
        millis_behind_latest: Option<u64>,
    },
    /// Everything was read; these shards took over.
    ShardEnd(Vec<ChildShard>),
}

/// Where a reader starts and how it behaves.
#[derive(Debug)]
pub(crate) struct PollerConfig {
    pub(crate) shard: ShardId,
    pub(crate) from: Position,
    /// What `AT_TIMESTAMP` means, where the row says that.
    pub(crate) timestamp: SystemTime,
    pub(crate) max_records: u32,
    pub(crate) idle: Duration,
    pub(crate) rng: fastrand::Rng,
}

impl Poller {
    pub(crate) fn new(calls: Calls, config: PollerConfig) -> Self {
        let PollerConfig {
            shard,
            from,
            timestamp,
            max_records,
            idle,
            rng,
        } = config;
        let (resume, ended) = match from {
            Position::TrimHorizon => (ReadFrom::TrimHorizon, None),
            Position::Latest => (ReadFrom::Latest, None),
            Position::AtTimestamp => (ReadFrom::Time(timestamp), None),
            // At, not after: the checkpoint may lie in the middle of an aggregate.
            Position::At(record) => (ReadFrom::At(record.sequence_number), None),
            Position::ShardEnd => (ReadFrom::Latest, Some(Vec::new())),
        };
        let pacer = Pacer::new(PacerConfig { idle }, clock::now());
        let delays = RetryDelays::new(RETRY.0, RETRY.1, rng);
        Self {
            calls,
            shard,
            max_records,
            resume,
            iterator: None,
            ended,
            pacer,
            delays,
            failures: 0,
        }
    }

    /// Waits for the next page and fetches it, however often that has to be tried.
    ///
    /// Dropping the future loses at most a page that is fetched again by the next call.
    pub(crate) async fn next(&mut self) -> Fetched {
        loop {
            if let Some(children) = &self.ended {
                return Fetched::ShardEnd(children.clone());
            }
            clock::sleep_until(Some(self.pacer.next_read_at())).await;
            match self.read().await {
                Ok(page) => return self.on_page(page),
                Err(error) => self.on_error(&error),
            }
        }
    }

    async fn read(&mut self) -> Result<Page, StreamError> {
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => {
                let iterator = self.calls.get_shard_iterator(&self.shard, &self.resume).await?;
                if self.resume == ReadFrom::Latest {
                    // Should this iterator expire before the first record, the next one must not begin later.
                    self.resume = ReadFrom::Time(self.calls.wall_clock() - CLOCK_TOLERANCE);
                }
                self.iterator = Some(iterator.clone());
                iterator
            }
        };
        self.calls.get_records(&iterator, self.max_records).await
    }

    fn on_page(&mut self, page: Page) -> Fetched {
        let Page {
            records,
            millis_behind_latest,
            next,
        } = page;
        self.failures = 0;
        let bytes = records
            .iter()
            .map(|record| record.data.len() + record.partition_key.len())
            .sum();
        self.pacer.on_reply(clock::now(), bytes, Lag::of(millis_behind_latest));
        if let Some(last) = records.last() {
            self.resume = ReadFrom::After(last.sequence_number.clone());
        }
        match next {
            NextRead::Iterator(iterator) => self.iterator = Some(iterator),
            NextRead::End(children) => {
                self.ended = Some(children.clone());
                if records.is_empty() {
                    return Fetched::ShardEnd(children);
                }
            }
        }
        Fetched::Records {
            records,
            millis_behind_latest,
        }
    }

    fn on_error(&mut self, error: &StreamError) {
        self.failures = self.failures.saturating_add(1);
        let wait = self.delays.after(self.failures);
        match error.kind {
            // An iterator lives for five minutes; the next one begins behind what was read.
            CallErrorKind::Iterator { .. } | CallErrorKind::Rejected { .. } => self.iterator = None,
            // The shard, or the whole stream, is gone with all of its records.
            CallErrorKind::NotFound => self.ended = Some(Vec::new()),
            CallErrorKind::Throttled { .. }
            | CallErrorKind::Denied { .. }
            | CallErrorKind::Unavailable { .. }
            | CallErrorKind::Unreadable { .. } => {}
        }
        Event::ReadFailed {
            shard: &self.shard,
            error,
        }
        .emit();
        self.pacer.on_failure(clock::now(), wait);
    }
}
