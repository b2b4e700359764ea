//! Pure: from what the pipeline sees to the totals of a producer.

use std::collections::BTreeMap;
use std::time::Instant;

use service::ShardId;

use super::Failures;
use super::rate::Counts;
use crate::error::PutErrorKind;
use crate::error::codes::Refusal;
use crate::lanes::aggregate::SealedAggregate;
use crate::lanes::contents::{Contents, Volume};
use crate::observe::observation::Observation;

/// What has happened to the records that the pipeline got.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(super) totals: Totals,
    /// How many records that are in the pipeline came in aggregates that were begun at the same time.
    began: BTreeMap<Instant, u64>,
    /// What was counted at each shard since the board has seen it.
    pub(super) news: BTreeMap<ShardId, Counts>,
    /// The shards of the newest map, if the board has not seen it.
    pub(super) open_shards: Option<Vec<ShardId>>,
}

/// Totals since the producer was built.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) received: Volume,
    pub(super) delivered: Volume,
    pub(super) failed: Volume,
    pub(super) failures: Failures,
    /// Calls for the shards and for the description.
    pub(super) look_ups: u64,
    /// Requests and calls.
    pub(super) requests_failed: u64,
    pub(super) retries: u64,
}

impl Ledger {
    pub(crate) fn observe(&mut self, observation: Observation<'_>) {
        match observation {
            Observation::Received(aggregate) => self.enter(&aggregate.contents),
            Observation::LookUpSent { failures } => {
                self.totals.look_ups += 1;
                self.totals.retries += u64::from(failures > 0);
            }
            Observation::LookUpFailed { .. } => self.totals.requests_failed += 1,
            Observation::RequestEnded {
                aggregates, failure, ..
            } => {
                self.totals.requests_failed += u64::from(failure.is_some());
                let again = aggregates.iter().filter(|aggregate| aggregate.waiting_since.is_some());
                self.totals.retries += again.count() as u64;
            }
            Observation::EntryAnswered {
                aggregate,
                shard: Some(shard),
                refusal,
            } => self.count(aggregate, shard, refusal),
            // The service refused it, and would have chosen the shard.
            Observation::EntryAnswered { shard: None, .. } => {}
            Observation::Misplaced(_) => {}
            Observation::Delivered { aggregate, .. } => {
                self.leave(&aggregate.contents);
                let delivered = &mut self.totals.delivered;
                *delivered = delivered.plus(aggregate.contents.volume());
            }
            Observation::Failed { aggregate, kind } => {
                self.leave(&aggregate.contents);
                self.totals.fail(aggregate.contents.volume(), kind);
            }
            Observation::ShardsChanged(map) => {
                self.open_shards = Some(map.shards().iter().map(|shard| shard.id.clone()).collect());
            }
        }
    }

    /// When the oldest record in the pipeline was put.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.began.first_key_value().map(|(put_at, _)| *put_at)
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

    fn count(&mut self, aggregate: &SealedAggregate, shard: &ShardId, refusal: Option<&Refusal>) {
        let mut counts = Counts {
            answered: 1,
            ..Counts::default()
        };
        match refusal {
            None => {
                counts.kinesis_records = 1;
                counts.user_records = aggregate.record.user_records as u64;
                counts.bytes = aggregate.bytes() as u64;
            }
            Some(refusal) => counts.throttled = u64::from(refusal.class.is_throttling()),
        }
        match self.news.get_mut(shard) {
            Some(news) => news.add(counts),
            None => drop(self.news.insert(shard.clone(), counts)),
        }
    }
}

impl Totals {
    /// What has its outcome.
    pub(super) fn ended(&self) -> Volume {
        self.delivered.plus(self.failed)
    }

    pub(super) fn fail(&mut self, volume: Volume, kind: &PutErrorKind) {
        self.failed = self.failed.plus(volume);
        *self.failures.of(kind) += volume.records;
    }
}

impl Failures {
    fn of(&mut self, kind: &PutErrorKind) -> &mut u64 {
        match kind {
            PutErrorKind::Expired => &mut self.expired,
            PutErrorKind::Throttled { .. } => &mut self.throttled,
            PutErrorKind::StreamNotFound => &mut self.stream_not_found,
            PutErrorKind::AccessDenied { .. } => &mut self.access_denied,
            PutErrorKind::CredentialsRefused { .. } => &mut self.credentials_refused,
            PutErrorKind::Intercepted { .. } => &mut self.intercepted,
            PutErrorKind::RequestTooLarge { .. } => &mut self.request_too_large,
            PutErrorKind::Rejected { .. } => &mut self.rejected,
            PutErrorKind::RecordCountMismatch { .. } => &mut self.record_count_mismatch,
            PutErrorKind::ShutDown => &mut self.shut_down,
            PutErrorKind::TaskEnded => &mut self.task_ended,
            // What the stream turned out to be.
            PutErrorKind::OrderingImpossible { .. } | PutErrorKind::NoPartitionKey => &mut self.other,
            // No record is accepted and then given back for one of these.
            PutErrorKind::InvalidPartitionKey { .. }
            | PutErrorKind::RecordTooLarge { .. }
            | PutErrorKind::EncodingFailed
            | PutErrorKind::Full => &mut self.other,
        }
    }
}
