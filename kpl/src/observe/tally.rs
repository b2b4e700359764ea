//! Pure: what happened to records and requests, counted once for the statistics and for the metrics.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use service::ShardId;

use super::metrics::{MetricsGranularity, SampleSet, Selection, Series};
use super::observation::Observation;
use super::stats::{Counts, Totals};
use crate::error::PutErrorKind;
use crate::error::codes::{Refusal, WRONG_SHARD};
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::contents::Contents;
use crate::limits::PENDING_SAMPLE_INTERVAL;

/// What has happened to the records that the pipeline got: since the producer was built, and since it was last told.
#[derive(Debug)]
pub(crate) struct Tally {
    selection: Selection,
    pub(super) totals: Totals,
    /// How many records that are in the pipeline came in aggregates that were begun at the same time.
    began: BTreeMap<Instant, u64>,
    /// The samples of the stream. Those of the shards are parts of them.
    pub(super) stream: SampleSet,
    pub(super) shards: BTreeMap<ShardId, ShardTally>,
    /// The shards with something new.
    pub(super) news: Vec<ShardId>,
    /// The open shards; `None` before the first map.
    open: Option<BTreeSet<ShardId>>,
    /// Whether there may be something of a shard that is not open.
    pub(super) has_strangers: bool,
    /// When the outstanding records are looked at next; `None` while there are none.
    next_look: Option<Instant>,
}

/// What is new of a shard.
#[derive(Debug, Default)]
pub(super) struct ShardTally {
    /// What was sent to it.
    counts: Counts,
    /// None unless there are series of each shard.
    pub(super) samples: SampleSet,
    /// Whether it is among those with something new.
    pub(super) is_news: bool,
}

impl Tally {
    pub(crate) fn new(selection: Selection) -> Self {
        Self {
            selection,
            totals: Totals::default(),
            began: BTreeMap::new(),
            stream: SampleSet::default(),
            shards: BTreeMap::new(),
            news: Vec::new(),
            open: None,
            has_strangers: false,
            next_look: None,
        }
    }

    pub(crate) fn observe(&mut self, observation: Observation<'_>) {
        match observation {
            Observation::Received(aggregate) => {
                self.enter(&aggregate.contents);
                self.add(Series::UserRecordsReceived, None, [(1.0, user_records(aggregate))]);
            }
            Observation::LookUpSent { failures } => {
                self.totals.look_ups += 1;
                self.totals.retries += u64::from(failures > 0);
            }
            Observation::LookUpFailed { code } => self.on_failed_call(code),
            Observation::RequestEnded {
                sent,
                ended,
                aggregates,
                failure,
            } => {
                self.on_request(sent, ended, aggregates);
                failure.into_iter().for_each(|code| self.on_failed_call(code));
            }
            Observation::EntryAnswered {
                aggregate,
                shard,
                refusal,
            } => self.on_entry(aggregate, shard, refusal),
            Observation::Misplaced(aggregate) => self.add_error(predicted(aggregate), WRONG_SHARD),
            Observation::Delivered { aggregate, shard } => self.on_delivered(aggregate, shard),
            Observation::Failed { aggregate, kind } => self.on_failed(aggregate, kind),
            Observation::ShardsChanged(map) => {
                self.open = Some(map.shards().iter().map(|shard| shard.id.clone()).collect());
                self.has_strangers = true;
            }
        }
    }

    /// When the oldest record in the pipeline was put.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.began.first_key_value().map(|(put_at, _)| *put_at)
    }

    /// Takes out what was counted at each open shard. A late answer of a shard that was closed since counts for none.
    pub(super) fn take_counts(&mut self) -> impl Iterator<Item = (&ShardId, Counts)> {
        let Self { shards, news, open, .. } = self;
        news.iter().filter_map(|shard| {
            let counts = std::mem::take(&mut shards.get_mut(shard)?.counts);
            let is_open = open.as_ref().is_some_and(|open| open.contains(shard));
            (is_open && counts.answered > 0).then_some((shard, counts))
        })
    }

    /// Whether a shard is known to be open.
    pub(super) fn is_open(&self, shard: &ShardId) -> bool {
        self.open.as_ref().is_some_and(|open| open.contains(shard))
    }

    /// Forgets the shards that are not open, after their last samples were reported; whether there may have been any.
    pub(super) fn forget_strangers(&mut self) -> bool {
        let Some(open) = self.open.as_ref().filter(|_| self.has_strangers) else {
            return false;
        };
        self.shards.retain(|shard, _| open.contains(shard));
        self.has_strangers = false;
        true
    }

    /// Whether it is time to look at the outstanding records.
    pub(crate) fn wants_pending(&self, now: Instant) -> bool {
        self.selection.takes(Series::UserRecordsPending) && self.next_look.is_none_or(|at| at <= now)
    }

    /// Takes a look at the outstanding records. While there are some, another one follows.
    pub(crate) fn look_at_pending(&mut self, outstanding: u64, now: Instant) {
        let ended = self.next_look.take().is_some();
        if outstanding > 0 || ended {
            self.add(Series::UserRecordsPending, None, [(outstanding as f64, 1)]);
        }
        self.next_look = (outstanding > 0).then(|| now + PENDING_SAMPLE_INTERVAL);
    }

    /// When to look at the outstanding records next.
    pub(crate) fn next_look_at(&self) -> Option<Instant> {
        self.next_look
    }

    fn on_request(&mut self, sent: Instant, ended: Instant, aggregates: &[SealedAggregate]) {
        let took = milliseconds_between(sent, ended);
        let carried: u64 = aggregates.iter().map(user_records).sum();
        let entries = aggregates.len() as f64;
        self.add(Series::RequestTime, None, [(took, 1)]);
        self.add(Series::KinesisRecordsPerPutRecordsRequest, None, [(entries, 1)]);
        self.add(Series::UserRecordsPerPutRecordsRequest, None, [(carried as f64, 1)]);
        for aggregate in aggregates {
            let (shard, records) = (predicted(aggregate), user_records(aggregate));
            self.add(Series::UserRecordsPerKinesisRecord, shard, [(records as f64, 1)]);
            match aggregate.waiting_since {
                None => self.add(Series::BufferingTime, shard, aggregate.contents.held_until(sent)),
                Some(since) => {
                    self.totals.retries += 1;
                    let waited = milliseconds_between(since, sent);
                    self.add(Series::BufferingTime, shard, [(waited, records)]);
                }
            }
        }
    }

    fn on_failed_call(&mut self, code: &str) {
        self.totals.requests_failed += 1;
        self.add(Series::AllErrors, None, [(1.0, 1)]);
        self.add_error(None, code);
    }

    /// `answered` is the shard where it was stored, or should have been. There is none if the service refused it and would
    /// have chosen the shard.
    fn on_entry(&mut self, aggregate: &SealedAggregate, answered: Option<&ShardId>, refusal: Option<&Refusal>) {
        if let Some(shard) = answered {
            self.part_of(shard).counts.count(aggregate, refusal);
        }
        let shard = predicted(aggregate);
        let (stored, refused) = if refusal.is_none() { (1.0, 0.0) } else { (0.0, 1.0) };
        self.add(Series::KinesisRecordsPut, shard, [(stored, 1)]);
        self.add(Series::AllErrors, shard, [(refused, 1)]);
        match refusal {
            None => {
                let bytes = aggregate.record.data.len() as f64;
                self.add(Series::KinesisRecordsDataPut, shard, [(bytes, 1)]);
            }
            Some(refusal) => self.add_error(shard, &refusal.code),
        }
    }

    fn on_delivered(&mut self, aggregate: &SealedAggregate, shard: &ShardId) {
        self.leave(&aggregate.contents);
        self.totals.deliver(aggregate.contents.volume());
        let shard = if shard.is_nameless() {
            predicted(aggregate)
        } else {
            Some(shard)
        };
        self.add(Series::UserRecordsPut, shard, [(1.0, user_records(aggregate))]);
        self.add(Series::UserRecordsDataPut, shard, aggregate.contents.data().values());
        self.add_retries(shard, aggregate);
    }

    fn on_failed(&mut self, aggregate: &SealedAggregate, kind: &PutErrorKind) {
        self.leave(&aggregate.contents);
        self.totals.fail(aggregate.contents.volume(), kind);
        let (shard, records) = (predicted(aggregate), user_records(aggregate));
        self.add(Series::UserRecordsPut, shard, [(0.0, records)]);
        if *kind == PutErrorKind::Expired {
            self.add(Series::UserRecordExpired, shard, [(1.0, records)]);
        }
        self.add_retries(shard, aggregate);
    }

    fn enter(&mut self, contents: &Contents) {
        self.totals.received = self.totals.received.plus(contents.volume());
        if let Some(put_at) = contents.put_at() {
            *self.began.entry(put_at).or_default() += contents.volume().records;
        }
    }

    /// The parts of an aggregate leave one by one; each is as old as the whole.
    fn leave(&mut self, contents: &Contents) {
        let Some(put_at) = contents.put_at() else { return };
        if let Some(records) = self.began.get_mut(&put_at) {
            *records = records.saturating_sub(contents.volume().records);
            if *records == 0 {
                self.began.remove(&put_at);
            }
        }
    }

    fn add_retries(&mut self, shard: Option<&ShardId>, aggregate: &SealedAggregate) {
        let retries = aggregate.attempts.total().saturating_sub(1);
        let sample = (f64::from(retries), user_records(aggregate));
        self.add(Series::RetriesPerRecord, shard, [sample]);
    }

    /// Adds samples, each with its number, to the stream and to the shard if there is one.
    fn add(&mut self, series: Series, shard: Option<&ShardId>, samples: impl IntoIterator<Item = (f64, u64)>) {
        if !self.selection.takes(series) {
            return;
        }
        debug_assert!(shard.is_none() || series.is_of_shards(), "{series:?} has no shards");
        for (value, count) in samples {
            self.stream.add(series, value, count);
            if let Some(samples) = self.samples_of(shard) {
                samples.add(series, value, count);
            }
        }
    }

    fn add_error(&mut self, shard: Option<&ShardId>, code: &str) {
        if !self.selection.takes(Series::ErrorsByCode) {
            return;
        }
        self.stream.add_error(code);
        if let Some(samples) = self.samples_of(shard) {
            samples.add_error(code);
        }
    }

    fn samples_of(&mut self, shard: Option<&ShardId>) -> Option<&mut SampleSet> {
        let shard = shard.filter(|_| self.selection.granularity == MetricsGranularity::Shard)?;
        Some(&mut self.part_of(shard).samples)
    }

    /// The part of a shard, to which something new is added.
    fn part_of(&mut self, shard: &ShardId) -> &mut ShardTally {
        let part = match self.shards.entry(shard.clone()) {
            Entry::Occupied(part) => part.into_mut(),
            Entry::Vacant(place) => {
                self.has_strangers |= self.open.as_ref().is_none_or(|open| !open.contains(shard));
                place.insert(ShardTally::default())
            }
        };
        if !std::mem::replace(&mut part.is_news, true) {
            self.news.push(shard.clone());
        }
        part
    }
}

/// The shard that it was built for.
fn predicted(aggregate: &SealedAggregate) -> Option<&ShardId> {
    aggregate.target.as_ref().map(|target| &target.shard)
}

fn user_records(aggregate: &SealedAggregate) -> u64 {
    aggregate.record.user_records as u64
}

fn milliseconds_between(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}
