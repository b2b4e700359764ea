//! Reading a shard by `GetRecords`, within the service's limits and over every passing failure.
//!
//! `config` is what a reader is made with. What keeps a reader from reading is in `obstacles`.

mod config;
mod obstacles;

use std::sync::Arc;
use std::time::{Duration, Instant};

use service::{Clock, Jitter, RetryDelays};

use crate::calls::{Calls, NextRead, Page as Reply, ReadFrom};
use crate::checkpoint::position::{Position, SequenceNumber};
use crate::error::StreamError;
use crate::metrics::{Outcome, Series};
use crate::observers::ShardObserver;
use crate::retrieval::deaggregate::RawRecord;
use crate::retrieval::loss::{FirstPage, Horizon, LossCheck};
use crate::retrieval::pacer::{Brought, Pacer};
use crate::retrieval::page_size::PageSize;
use crate::retrieval::pages::{Pages, Read};
use crate::retrieval::permit::{Account, Permit};
use crate::retrieval::source::{Arrival, Page, Source};
use crate::shard_sync::end_evidence::{EndEvidence, Hold};
use crate::shard_sync::former::OnRecreated;
use crate::shard_sync::graph::ChildShard;
use crate::shard_sync::surveyor::Surveyor;
use crate::stream::{Incarnation, ShardRef};
use crate::trouble::Trouble;
use config::CaughtUp;
pub(crate) use config::{KnownLoss, Losses, PollerConfig};

/// The wait after the first failed read, and the longest. Our choice: the service's bucket refills within a second.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// By how much this machine's clock may be ahead of the service's without a record being missed. Our choice.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// How often in a row the service may refuse the position of a checkpoint before the shard goes on hold. Our choice.
const REFUSALS: u32 = 3;

/// The reader of one shard.
#[derive(Debug)]
pub(crate) struct Poller {
    calls: Calls,
    surveyor: Arc<Surveyor>,
    shard: ShardRef,
    account: Account,
    /// How much to ask for.
    page_size: PageSize,
    /// Where to get the next iterator, should the one at hand be of no use.
    resume: ReadFrom,
    /// By how much this host's clock is ahead of the service's.
    clock_ahead: Duration,
    next: Next,
    /// Until it is known whether records are missing behind the position that reading began at.
    loss: Option<LossCheck>,
    /// What waits until that is known: a page, and what to do behind it.
    kept: Option<(Page, Next)>,
    /// The search for the oldest record, while it lasts.
    probe: Option<Pages>,
    evidence: EndEvidence,
    on_recreated: OnRecreated,
    /// What the service said of the stream after it had given the iterator.
    stream: Incarnation,
    /// How long the service keeps records, as it said then.
    retention: Option<Duration>,
    /// Why the shard is on hold, and when that was told last.
    held: Option<(Hold, Instant)>,
    /// When the last read was sent.
    asked_at: Instant,
    began_at: Instant,
    /// When the last read was sent that was answered, and whether nothing was left behind it then.
    answered: Option<(Instant, CaughtUp)>,
    /// The last record that was certainly read.
    read: Option<SequenceNumber>,
    pacer: Pacer,
    delays: RetryDelays,
    failures: u32,
    /// Refusals of the position from which to read, without an iterator between them.
    refusals: u32,
    observer: ShardObserver,
    reads: Trouble<StreamError>,
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
    /// Find out whether records are missing in front of a page that was read.
    Probe,
    /// Hand the page on that was kept meanwhile.
    Kept,
    /// Find out whether the shard has ended.
    Survey,
    /// The shard was read to its end; these took over.
    End(Vec<ChildShard>),
}

impl Poller {
    pub(crate) fn new(calls: Calls, surveyor: Arc<Surveyor>, account: Account, config: PollerConfig) -> Self {
        let idle = config.idle;
        let read = match &config.from {
            Position::At(record) => Some(record.sequence_number.clone()),
            Position::TrimHorizon | Position::Latest | Position::AtTimestamp | Position::ShardEnd => None,
        };
        let known = match config.losses {
            Losses::Known { behind, loss } if behind == config.from => Some(loss),
            Losses::Known { .. } | Losses::Sought => None,
        };
        let loss = read.clone().map(|read| match known {
            Some(KnownLoss { oldest: None, at }) => LossCheck::new(Some(read), Some(at)),
            Some(KnownLoss { oldest, .. }) => LossCheck::new(Some(read), idle).known_up_to(oldest),
            None => LossCheck::new(Some(read), idle),
        });
        let (resume, next) = match config.from {
            Position::TrimHorizon => (ReadFrom::TrimHorizon, Next::Begin),
            Position::Latest => (ReadFrom::Latest, Next::Begin),
            Position::AtTimestamp => (ReadFrom::Time(config.timestamp), Next::Begin),
            // The service would look through all the time in which there was nothing.
            Position::At(_) if let Some(idle) = idle => (ReadFrom::Time(idle.at - CLOCK_TOLERANCE), Next::Begin),
            // At, not after: the checkpoint may lie in the middle of an aggregate.
            Position::At(record) => (ReadFrom::At(record.sequence_number), Next::Begin),
            Position::ShardEnd => (ReadFrom::Latest, Next::End(Vec::new())),
        };
        // Whatever an earlier reader has met.
        config.reads.over();
        let evidence = EndEvidence::new(config.shard.shard.clone(), surveyor.began_with().clone());
        Self {
            calls,
            surveyor,
            shard: config.shard,
            account,
            page_size: PageSize::new(config.max_records, config.pace.read_share),
            resume,
            clock_ahead: config.clock_ahead,
            next,
            loss,
            kept: None,
            probe: None,
            evidence,
            on_recreated: config.on_recreated,
            stream: Incarnation::default(),
            retention: None,
            held: None,
            asked_at: config.clock.now(),
            began_at: config.clock.now(),
            answered: None,
            read,
            pacer: Pacer::new(config.pace, config.clock.now()),
            delays: RetryDelays::new(RETRY, Jitter::Half, config.rng),
            failures: 0,
            refusals: 0,
            observer: config.observer,
            reads: config.reads,
            clock: config.clock,
        }
    }

    /// Makes the next call, and returns what is to be handed on of it.
    async fn advance(&mut self) -> Result<Option<Arrival>, StreamError> {
        match self.next.clone() {
            Next::End(children) => Ok(Some(Arrival::End(children))),
            Next::Survey => self.survey().await,
            Next::BeginAgain => self.check_stream(Next::Begin).await,
            Next::Verify(iterator) => self.check_stream(Next::Read(iterator)).await,
            Next::Probe => self.probe().await,
            Next::Kept => Ok(self.hand_on_kept()),
            Next::Begin => self.begin().await.or_else(|error| self.wait_for_start(error)),
            Next::Read(iterator) => {
                // Paid for before the call, so that no reply finds the budget full.
                let permit = self.account.permit(self.page_size.wanted()).await;
                let limit = self.page_size.limit(permit.bytes());
                self.asked_at = self.clock.now();
                let reply = self.calls.get_records(&self.shard.stream, &iterator, limit).await;
                self.observer.ended(Outcome::GET_RECORDS, self.asked_at, &reply);
                Ok(self.on_reply(reply?, permit))
            }
        }
    }

    async fn begin(&mut self) -> Result<Option<Arrival>, StreamError> {
        self.look_for_losses_again();
        let iterator = self.calls.get_shard_iterator(&self.shard, &self.resume).await?;
        if self.resume == ReadFrom::Latest {
            // Should this iterator expire before the first record, the next one must not begin later.
            self.resume = ReadFrom::Time(self.calls.wall_clock() - self.clock_ahead - CLOCK_TOLERANCE);
        }
        self.next = Next::Verify(iterator);
        Ok(None)
    }

    /// What to hand on of a reply, if anything. The records of a shard's last page come before its end is judged.
    fn on_reply(&mut self, reply: Reply, mut permit: Permit) -> Option<Arrival> {
        let Reply {
            records,
            millis_behind_latest,
            next,
        } = reply;
        (self.failures, self.refusals, self.held) = (0, 0, None);
        self.answered = Some((self.asked_at, CaughtUp::by(millis_behind_latest)));
        self.reads.over();
        let bytes = records
            .iter()
            .map(|record| record.data.len() + record.partition_key.len())
            .sum();
        permit.settle(u64::try_from(bytes).unwrap_or(u64::MAX));
        let brought = Brought {
            records: records.len(),
            bytes,
            lag: millis_behind_latest.map(Duration::from_millis),
        };
        if let Some(lag) = brought.lag {
            self.observer.add(Series::MillisBehindLatest, lag.as_secs_f64() * 1e3);
        }
        self.page_size.on_reply(brought);
        self.pacer.on_reply(self.clock.now(), brought);
        if let Some(last) = records.last() {
            self.resume = ReadFrom::After(last.sequence_number.clone());
            self.read = Some(last.sequence_number.clone());
        }
        self.next = match next {
            NextRead::Iterator(iterator) => Next::Read(iterator),
            NextRead::End(children) => Next::End(children),
            NextRead::Unknown => Next::Survey,
        };
        let page = Page {
            records,
            lag: brought.lag,
            asked_at: self.asked_at,
            stream: self.stream.clone(),
            permit,
        };
        self.check_for_losses(page)
    }

    /// Hands the page on, or keeps it until the oldest record tells whether records in front of it are missing.
    fn check_for_losses(&mut self, page: Page) -> Option<Arrival> {
        let horizon = Horizon {
            retention: self.retention,
            now: self.clock.now(),
        };
        let judged = self
            .loss
            .as_ref()
            .map(|loss| loss.judge(&page.records, page.lag, horizon));
        match judged {
            Some(FirstPage::Suspect) => {
                let next = std::mem::replace(&mut self.next, Next::Probe);
                self.kept = Some((page, next));
                return None;
            }
            Some(FirstPage::Complete) => self.loss = None,
            Some(FirstPage::Undecided) | None => {}
        }
        self.hand_on(page)
    }

    /// A page without records says nothing if the shard's end is to be judged.
    fn hand_on(&self, page: Page) -> Option<Arrival> {
        let has_ended = matches!(self.next, Next::End(_) | Next::Survey);
        (!has_ended || !page.records.is_empty()).then_some(Arrival::Page(page))
    }

    /// Looks at the oldest record of the shard.
    async fn probe(&mut self) -> Result<Option<Arrival>, StreamError> {
        let mut pages = self.probe.take().unwrap_or_else(|| {
            let (calls, shard) = (self.calls.clone(), self.shard.clone());
            Pages::new(calls, shard, self.pacer.read_share(), self.clock.clone())
        });
        let oldest = match oldest_record(&mut pages).await {
            Ok(oldest) => oldest,
            // The shard is gone meanwhile: what was read of it is all that there is.
            Err(error) if error.kind().is_not_found() => {
                self.kept.as_ref().and_then(|(page, _)| page.records.first().cloned())
            }
            Err(error) => {
                self.probe = Some(pages);
                return Err(error);
            }
        };
        self.next = Next::Kept;
        let loss = self.loss.take().and_then(|loss| loss.conclude(oldest.as_ref()));
        Ok(loss.map(Arrival::PossibleLoss))
    }

    fn hand_on_kept(&mut self) -> Option<Arrival> {
        let (page, next) = self.kept.take()?;
        self.next = next;
        self.hand_on(page)
    }
}

/// The oldest record of a shard, behind the empty pages in front of it. `None`: it has none.
async fn oldest_record(pages: &mut Pages) -> Result<Option<RawRecord>, StreamError> {
    while let Some(Read { records, .. }) = pages.next(1).await? {
        if let Some(oldest) = records.into_iter().next() {
            return Ok(Some(oldest));
        }
    }
    Ok(None)
}

impl Source for Poller {
    async fn next(&mut self) -> Arrival {
        loop {
            // An end is told at once: the children wait for it.
            if !matches!(self.next, Next::End(_) | Next::Kept) {
                self.clock.sleep_until(Some(self.pacer.next_read_at())).await;
            }
            match self.advance().await {
                Ok(Some(arrival)) => return arrival,
                Ok(None) => {}
                Err(error) => self.on_error(&error),
            }
        }
    }
}
