//! Pure: the account of each aggregate in the pipeline, from its entry to its one end (P1).

use std::sync::Arc;
use std::time::Instant;

use service::ShardId;

use crate::error::codes::RECORD_COUNT_MISMATCH;
use crate::error::{PutError, PutErrorKind};
use crate::lanes::aggregate::{Parted, SealedAggregate};
use crate::observe::observation::Observation;
use crate::observe::tally::Tally;
use crate::pipeline::answers::exchange::Exchange;
use crate::pipeline::answers::expiry::ExpiryWatch;
use crate::pipeline::answers::judgement::Stored;
use crate::pipeline::answers::losses::Losses;
use crate::pipeline::answers::outstanding::Outstanding;

use crate::receipt::attempt::AttemptFailure;
use crate::receipt::outcome::Outcome;

/// What has entered, what has ended and how, and what is due to expire.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) tally: Tally,
    outstanding: Outstanding,
    expiry: ExpiryWatch,
    /// Shards that ended or retried aggregates held.
    released: Vec<ShardId>,
    delivered: u64,
    /// What failed while nobody held its receipts.
    pub(crate) losses: Losses,
    /// What failed since somebody wants a report of it.
    failed: Option<Vec<Arc<Outcome>>>,
}

impl Accounts {
    pub(crate) fn new(tally: Tally) -> Self {
        Self {
            tally,
            outstanding: Outstanding::default(),
            expiry: ExpiryWatch::default(),
            released: Vec::new(),
            delivered: 0,
            losses: Losses::default(),
            failed: None,
        }
    }

    /// An aggregate enters the pipeline.
    pub(crate) fn enter(&mut self, aggregate: &mut SealedAggregate) {
        aggregate.generation = self.outstanding.enter();
        self.tally.observe(Observation::Received(aggregate));
        self.expiry.enter(aggregate);
    }

    /// One aggregate of `generation` was taken apart into `parts`.
    pub(crate) fn split(&mut self, generation: u64, parts: usize) {
        self.outstanding.split(generation, parts);
    }

    /// An aggregate ends at a shard.
    pub(crate) fn deliver(&mut self, stored: Stored) {
        let Stored {
            mut aggregate,
            shard,
            sequence_number,
            answered: _,
        } = stored;
        self.release(&mut aggregate);
        self.outstanding.leave(aggregate.generation);
        self.delivered += aggregate.record.user_records as u64;
        self.tally.observe(Observation::Delivered {
            aggregate: &aggregate,
            shard: &shard,
        });
        aggregate.deliver(shard.shared(), sequence_number);
    }

    /// Returns the aggregates of a request with another number of results: which entry was stored cannot be told any more.
    pub(crate) fn miscounted(&mut self, aggregates: Vec<SealedAggregate>, answered: usize, exchange: &Exchange) {
        let sent = aggregates.len();
        let kind = PutErrorKind::RecordCountMismatch { sent, answered };
        let failure = AttemptFailure {
            code: RECORD_COUNT_MISMATCH.into(),
            message: kind.to_string(),
            may_have_been_stored: true,
        };
        for mut aggregate in aggregates {
            exchange.note(&mut aggregate, Some(failure.clone()));
            self.fail(aggregate, kind.clone());
        }
    }

    /// An aggregate is returned to its callers.
    pub(crate) fn fail(&mut self, mut aggregate: SealedAggregate, kind: PutErrorKind) {
        self.release(&mut aggregate);
        self.outstanding.leave(aggregate.generation);
        self.tally.observe(Observation::Failed {
            aggregate: &aggregate,
            kind: &kind,
        });
        self.losses.note(aggregate.unheard(), &kind);
        let outcome = aggregate.fail(kind);
        if let Some(failed) = &mut self.failed {
            failed.push(outcome);
        }
    }

    /// What is left of `aggregate` without its expired records, which are returned to their callers.
    pub(crate) fn unexpired(&mut self, mut aggregate: SealedAggregate, now: Instant) -> Option<SealedAggregate> {
        let mut shards_held = std::mem::take(&mut aggregate.shards_held);
        let generation = aggregate.generation;
        let Parted { expired, mut alive } = aggregate.part_expired(now);
        match &mut alive {
            Some(alive) => alive.shards_held = shards_held,
            None => self.released.append(&mut shards_held),
        }
        if let Some(expired) = expired {
            if alive.is_some() {
                self.outstanding.split(generation, 2);
            }
            self.fail(expired, PutErrorKind::Expired);
        }
        alive
    }

    /// The same for several, which go on waiting where they are.
    pub(crate) fn all_unexpired(
        &mut self,
        aggregates: impl IntoIterator<Item = SealedAggregate>,
        now: Instant,
    ) -> Vec<SealedAggregate> {
        let mut left = Vec::new();
        for aggregate in aggregates {
            left.extend(self.unexpired(aggregate, now));
        }
        left.iter().for_each(|aggregate| self.watch(aggregate));
        left
    }

    /// Makes sure that the expiry of an aggregate is noticed.
    pub(crate) fn watch(&mut self, aggregate: &SealedAggregate) {
        self.expiry.enter(aggregate);
    }

    /// When to look next for expired records in whatever waits.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.expiry.next_at()
    }

    /// Whether it is time to look through everything that waits. The caller then does, and has each watched anew.
    #[must_use]
    pub(crate) fn start_look(&mut self, now: Instant) -> bool {
        self.expiry.start(now)
    }

    /// An aggregate no longer holds its shards.
    pub(crate) fn release(&mut self, aggregate: &mut SealedAggregate) {
        self.released.append(&mut aggregate.shards_held);
    }

    /// A request no longer holds its shards.
    pub(crate) fn release_shards(&mut self, shards: &mut Vec<ShardId>) {
        self.released.append(shards);
    }

    /// The shards that were released since the last call.
    pub(crate) fn take_released(&mut self) -> Vec<ShardId> {
        std::mem::take(&mut self.released)
    }

    /// Marks everything that has entered so far.
    pub(crate) fn mark(&mut self) -> u64 {
        self.outstanding.mark()
    }

    /// Whether somebody may wait for the aggregate to end.
    pub(crate) fn is_awaited(&self, aggregate: &SealedAggregate) -> bool {
        self.outstanding.is_awaited(aggregate.generation)
    }

    /// Whether all that had entered before the mark has its outcome.
    pub(crate) fn is_settled(&self, mark: u64) -> bool {
        self.outstanding.is_settled(mark)
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// User records delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Remembers from now on what fails, for [`take_failures`](Self::take_failures).
    pub(crate) fn report_failures(&mut self) {
        self.failed.get_or_insert_default();
    }

    /// The records that failed while failures were to be reported.
    pub(crate) fn take_failures(&mut self) -> Vec<PutError> {
        let failed = self.failed.take().unwrap_or_default();
        failed.iter().flat_map(|outcome| outcome.returned()).collect()
    }

    /// Loses an aggregate.
    #[cfg(feature = "_simulation")]
    pub(crate) fn forget(&mut self, aggregate: SealedAggregate) {
        self.outstanding.leave(aggregate.generation);
        std::mem::forget(aggregate);
    }
}
