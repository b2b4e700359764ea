//! Reading a shard by `GetRecords`, within the service's limits and over every passing failure.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use service::{Clock, Jitter, RetryDelays};

use crate::calls::{Calls, NextRead, Page, ReadFrom};
use crate::checkpoint::position::Position;
use crate::error::{CallErrorKind, StreamError};
use crate::event::ShardEvent;
use crate::fold::Fold;
use crate::retrieval::deaggregate::RawRecord;
use crate::retrieval::pacer::{Lag, Pacer, PacerConfig};
use crate::shard_sync::end_evidence::{EndEvidence, Hold, Verdict};
use crate::shard_sync::graph::ChildShard;
use crate::shard_sync::surveyor::Surveyor;
use crate::stream::ShardRef;

/// The wait after the first failed read, and the longest. Our choice: the service's bucket refills within a second.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// By how much this machine's clock may be ahead of the service's without a record being missed. Our choice.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// How often a shard that stays on hold is told of. Our choice.
const HOLD_REMINDER: Duration = Duration::from_secs(5 * 60);

/// The reader of one shard.
#[derive(Debug)]
pub(crate) struct Poller {
    calls: Calls,
    surveyor: Arc<Surveyor>,
    shard: ShardRef,
    max_records: u32,
    /// Where to get the next iterator, should the one at hand be of no use.
    resume: ReadFrom,
    next: Next,
    evidence: EndEvidence,
    /// Why the shard is on hold, and when that was told last.
    held: Option<(Hold, Instant)>,
    pacer: Pacer,
    delays: RetryDelays,
    failures: u32,
    /// Folds the reads that failed.
    told: Fold,
    clock: Clock,
}

/// What to do next.
#[derive(Debug, Clone)]
enum Next {
    /// Get an iterator.
    Begin,
    /// The service refused an iterator or a position. Before another one: is it the same stream still?
    BeginAgain,
    /// An iterator is there. Was the stream created again before the service made it?
    Verify(String),
    /// Read on.
    Read(String),
    /// Find out whether the shard has ended.
    Survey,
    /// The shard was read to its end; these took over.
    End(Vec<ChildShard>),
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
    pub(crate) shard: ShardRef,
    pub(crate) from: Position,
    /// What `AT_TIMESTAMP` means, where the row says that.
    pub(crate) timestamp: SystemTime,
    pub(crate) max_records: u32,
    pub(crate) idle: Duration,
    pub(crate) rng: fastrand::Rng,
    pub(crate) clock: Clock,
}

impl Poller {
    pub(crate) fn new(calls: Calls, surveyor: Arc<Surveyor>, config: PollerConfig) -> Self {
        let (resume, next) = match config.from {
            Position::TrimHorizon => (ReadFrom::TrimHorizon, Next::Begin),
            Position::Latest => (ReadFrom::Latest, Next::Begin),
            Position::AtTimestamp => (ReadFrom::Time(config.timestamp), Next::Begin),
            // At, not after: the checkpoint may lie in the middle of an aggregate.
            Position::At(record) => (ReadFrom::At(record.sequence_number), Next::Begin),
            Position::ShardEnd => (ReadFrom::Latest, Next::End(Vec::new())),
        };
        let evidence = EndEvidence::new(config.shard.shard.clone(), surveyor.began_with().cloned());
        Self {
            calls,
            surveyor,
            shard: config.shard,
            max_records: config.max_records,
            resume,
            next,
            evidence,
            held: None,
            pacer: Pacer::new(PacerConfig { idle: config.idle }, config.clock.now()),
            delays: RetryDelays::new(RETRY, Jitter::Half, config.rng),
            failures: 0,
            told: Fold::default(),
            clock: config.clock,
        }
    }

    /// Waits for the next page and fetches it, however often that has to be tried.
    ///
    /// Dropping the future loses at most a page that is fetched again by the next call.
    pub(crate) async fn next(&mut self) -> Fetched {
        loop {
            if let Next::End(children) = &self.next {
                return Fetched::ShardEnd(children.clone());
            }
            self.clock.sleep_until(Some(self.pacer.next_read_at())).await;
            let step = match self.next.clone() {
                Next::End(children) => return Fetched::ShardEnd(children),
                Next::Survey => self.survey().await.map(|()| None),
                Next::BeginAgain => self.check_stream(Next::Begin).await.map(|()| None),
                Next::Verify(iterator) => self.check_stream(Next::Read(iterator)).await.map(|()| None),
                Next::Begin => self.begin().await.map(|()| None),
                Next::Read(iterator) => self.get_records(&iterator).await.map(Some),
            };
            match step {
                Ok(None) => {}
                Ok(Some(page)) => {
                    if let Some(fetched) = self.on_page(page) {
                        return fetched;
                    }
                }
                Err(error) => self.on_error(&error),
            }
        }
    }

    async fn get_records(&self, iterator: &str) -> Result<Page, StreamError> {
        let stream = &self.shard.stream;
        self.calls.get_records(stream, iterator, self.max_records).await
    }

    async fn begin(&mut self) -> Result<(), StreamError> {
        let iterator = self.calls.get_shard_iterator(&self.shard, &self.resume).await?;
        if self.resume == ReadFrom::Latest {
            // Should this iterator expire before the first record, the next one must not begin later.
            self.resume = ReadFrom::Time(self.calls.wall_clock() - CLOCK_TOLERANCE);
        }
        self.next = Next::Verify(iterator);
        Ok(())
    }

    /// Goes on with `next` if positions of this shard still mean something: not in a stream that was created again.
    async fn check_stream(&mut self, next: Next) -> Result<(), StreamError> {
        let incarnation = self.surveyor.incarnation(self.clock.now()).await?;
        if self.evidence.is_same_stream(incarnation.as_ref()) {
            self.next = next;
        } else {
            self.hold(Hold::StreamCreatedAgain);
        }
        Ok(())
    }

    async fn survey(&mut self) -> Result<(), StreamError> {
        let survey = match self.surveyor.survey(self.clock.now()).await {
            Ok(survey) => survey,
            Err(error) if error.kind().is_not_found() => {
                self.hold(Hold::StreamMissing);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self.evidence.judge(&survey) {
            Verdict::Open => self.next = Next::Begin,
            Verdict::Ended(children) => self.next = Next::End(children),
            Verdict::Hold(hold) => self.hold(hold),
        }
        Ok(())
    }

    /// Neither reads nor ends the shard, and looks again later.
    fn hold(&mut self, hold: Hold) {
        self.next = Next::Survey;
        self.failures = self.failures.saturating_add(1);
        let (now, wait) = (self.clock.now(), self.delays.after(self.failures));
        self.pacer.on_failure(now, wait);
        let is_new = |(told, at): (Hold, Instant)| told != hold || now.saturating_duration_since(at) >= HOLD_REMINDER;
        if self.held.is_none_or(is_new) {
            self.held = Some((hold, now));
            ShardEvent::OnHold { reason: hold }.emit(&self.shard);
        }
    }

    /// What to hand on of a reply, if anything. The records of a shard's last page come before its end is judged.
    fn on_page(&mut self, page: Page) -> Option<Fetched> {
        let Page {
            records,
            millis_behind_latest,
            next,
        } = page;
        (self.failures, self.held) = (0, None);
        let bytes = records
            .iter()
            .map(|record| record.data.len() + record.partition_key.len())
            .sum();
        self.pacer
            .on_reply(self.clock.now(), bytes, Lag::of(millis_behind_latest));
        if let Some(last) = records.last() {
            self.resume = ReadFrom::After(last.sequence_number.clone());
        }
        let has_ended = matches!(next, NextRead::End(_) | NextRead::Unknown);
        self.next = match next {
            NextRead::Iterator(iterator) => Next::Read(iterator),
            NextRead::End(children) => Next::End(children),
            NextRead::Unknown => Next::Survey,
        };
        if has_ended && records.is_empty() {
            return None;
        }
        Some(Fetched::Records {
            records,
            millis_behind_latest,
        })
    }

    fn on_error(&mut self, error: &StreamError) {
        self.failures = self.failures.saturating_add(1);
        let wait = self.delays.after(self.failures);
        match error.kind {
            // An iterator lives for five minutes; the next one begins behind what was read.
            CallErrorKind::Iterator { .. } | CallErrorKind::Rejected { .. } => self.next = Next::BeginAgain,
            // The shard or the stream is gone, or the answer is wrong: one answer does not end a shard.
            CallErrorKind::NotFound => self.next = Next::Survey,
            CallErrorKind::Throttled { .. }
            | CallErrorKind::Transient { .. }
            | CallErrorKind::Credentials { .. }
            | CallErrorKind::Encryption { .. }
            | CallErrorKind::Denied { .. }
            | CallErrorKind::Unavailable { .. }
            | CallErrorKind::Unreadable { .. } => {}
        }
        let now = self.clock.now();
        if let Some(untold) = self.told.happened(now) {
            ShardEvent::ReadFailed { error, untold }.emit(&self.shard);
        }
        self.pacer.on_failure(now, wait);
    }
}
