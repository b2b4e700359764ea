//! Pure: from what the pipeline sees to the samples of each series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use service::ShardId;

use super::samples::Samples;
use super::series::{Finest, Series};
use super::{MetricsGranularity, MetricsLevel, Selection};
use crate::error::PutErrorKind;
use crate::error::codes::{Refusal, WRONG_SHARD};
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{MAX_ERROR_CODES, PENDING_SAMPLE_INTERVAL};
use crate::observe::observation::Observation;

/// The code that stands for all others once there are too many.
const OTHER: &str = "Other";

/// The samples since they were last reported: those of the stream, and for each shard its part of them.
#[derive(Debug)]
pub(crate) struct Tally {
    selection: Selection,
    pub(super) stream: SampleSet,
    pub(super) shards: BTreeMap<ShardId, SampleSet>,
    /// Those of them that have samples.
    pub(super) news: Vec<ShardId>,
    /// The open shards; `None` before the first map.
    open: Option<BTreeSet<ShardId>>,
    /// Whether a shard may have samples that is not open.
    has_strangers: bool,
    /// When the outstanding records are looked at next; `None` while there are none.
    next_look: Option<Instant>,
}

/// The samples of a stream or of a shard.
#[derive(Debug, Default)]
pub(super) struct SampleSet {
    pub(super) series: BTreeMap<Series, Samples>,
    /// How often each error code came; of those that are known, also if it did not come.
    pub(super) errors: BTreeMap<Arc<str>, u64>,
    /// Whether it is among those that have samples.
    pub(super) is_news: bool,
}

impl Tally {
    pub(crate) fn new(selection: Selection) -> Self {
        Self {
            selection,
            stream: SampleSet::default(),
            shards: BTreeMap::new(),
            news: Vec::new(),
            open: None,
            has_strangers: false,
            next_look: None,
        }
    }

    pub(crate) fn observe(&mut self, observation: Observation<'_>) {
        if self.selection.level == MetricsLevel::None {
            return;
        }
        match observation {
            Observation::Received(aggregate) => {
                self.add(Series::UserRecordsReceived, None, [(1.0, user_records(aggregate))]);
            }
            Observation::LookUpSent { .. } => {}
            Observation::LookUpFailed { code } => self.on_failed_call(code),
            Observation::RequestEnded {
                sent,
                ended,
                aggregates,
                failure,
            } => self.on_request(sent, ended, aggregates, failure),
            Observation::EntryAnswered { aggregate, refusal, .. } => self.on_entry(aggregate, refusal),
            Observation::Misplaced(aggregate) => self.add_error(predicted(aggregate), WRONG_SHARD),
            Observation::Delivered { aggregate, shard } => self.on_delivered(aggregate, shard),
            Observation::Failed { aggregate, kind } => self.on_failed(aggregate, kind),
            Observation::ShardsChanged(map) => {
                self.open = Some(map.shards().iter().map(|shard| shard.id.clone()).collect());
                self.has_strangers = true;
            }
        }
    }

    /// Forgets the shards that are not open, after their last samples were reported.
    pub(super) fn forget_strangers(&mut self) {
        if std::mem::take(&mut self.has_strangers)
            && let Some(open) = &self.open
        {
            self.shards.retain(|shard, _| open.contains(shard));
        }
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

    fn on_request(&mut self, sent: Instant, ended: Instant, aggregates: &[SealedAggregate], failure: Option<&str>) {
        let took = ended.saturating_duration_since(sent).as_secs_f64() * 1e3;
        let carried: u64 = aggregates.iter().map(user_records).sum();
        self.add(Series::RequestTime, None, [(took, 1)]);
        let entries = aggregates.len() as f64;
        self.add(Series::KinesisRecordsPerPutRecordsRequest, None, [(entries, 1)]);
        self.add(Series::UserRecordsPerPutRecordsRequest, None, [(carried as f64, 1)]);
        for aggregate in aggregates {
            let (shard, records) = (predicted(aggregate), user_records(aggregate));
            self.add(Series::UserRecordsPerKinesisRecord, shard, [(records as f64, 1)]);
            match aggregate.waiting_since {
                None => self.add(Series::BufferingTime, shard, aggregate.contents.held_until(sent)),
                Some(since) => {
                    let waited = sent.saturating_duration_since(since).as_secs_f64() * 1e3;
                    self.add(Series::BufferingTime, shard, [(waited, records)]);
                }
            }
        }
        if let Some(code) = failure {
            self.on_failed_call(code);
        }
    }

    fn on_failed_call(&mut self, code: &str) {
        self.add(Series::AllErrors, None, [(1.0, 1)]);
        self.add_error(None, code);
    }

    fn on_entry(&mut self, aggregate: &SealedAggregate, refusal: Option<&Refusal>) {
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
        let (shard, records) = (predicted(aggregate), user_records(aggregate));
        self.add(Series::UserRecordsPut, shard, [(0.0, records)]);
        if *kind == PutErrorKind::Expired {
            self.add(Series::UserRecordExpired, shard, [(1.0, records)]);
        }
        self.add_retries(shard, aggregate);
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
        debug_assert!(
            shard.is_none() || series.finest() == Finest::Shard,
            "{series:?} has no shards"
        );
        for (value, count) in samples {
            self.stream.series.entry(series).or_default().add(value, count);
            if let Some(place) = self.place_of(shard) {
                place.series.entry(series).or_default().add(value, count);
            }
        }
    }

    fn add_error(&mut self, shard: Option<&ShardId>, code: &str) {
        if !self.selection.takes(Series::ErrorsByCode) {
            return;
        }
        self.stream.add_error(code);
        if let Some(place) = self.place_of(shard) {
            place.add_error(code);
        }
    }

    fn place_of(&mut self, shard: Option<&ShardId>) -> Option<&mut SampleSet> {
        let shard = shard.filter(|_| self.selection.granularity == MetricsGranularity::Shard)?;
        if !self.shards.contains_key(shard) {
            self.has_strangers |= self.open.as_ref().is_none_or(|open| !open.contains(shard));
            self.shards.insert(shard.clone(), SampleSet::default());
        }
        let place = self.shards.get_mut(shard)?;
        if !std::mem::replace(&mut place.is_news, true) {
            self.news.push(shard.clone());
        }
        Some(place)
    }
}

impl SampleSet {
    fn add_error(&mut self, code: &str) {
        let is_known = self.errors.contains_key(code);
        let code = if is_known || self.errors.len() < MAX_ERROR_CODES {
            code
        } else {
            OTHER
        };
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(code.into(), 1)),
        }
    }
}

/// The shard that it was built for.
fn predicted(aggregate: &SealedAggregate) -> Option<&ShardId> {
    aggregate.target.as_ref().map(|target| &target.shard)
}

fn user_records(aggregate: &SealedAggregate) -> u64 {
    aggregate.record.user_records as u64
}
