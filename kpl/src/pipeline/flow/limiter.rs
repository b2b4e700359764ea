//! Pure: how fast aggregates leave for their shard.
//!
//! Each shard has a queue and token buckets for records and for bytes, filled at `rate_limit` percent of what the service
//! takes, and at less after the service has throttled the shard. A shard that has to wait never delays another. Where the
//! service chooses the shards, there is one queue for all of them, filled at the rates of all open shards together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use service::ShardId;

use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{DEFAULT_MAX_RECORD_BYTES, SHARD_BURST_BYTES, SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};
use crate::pipeline::flow::adaptive_rate::{AdaptiveRate, Change, Reply};
use crate::pipeline::flow::token_bucket::TokenBucket;

/// Where a queue leads: to a shard, or, as `None`, to one that the service chooses.
pub(crate) type Destination = Option<ShardId>;

/// What the service said to an aggregate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) bytes: usize,
    pub(crate) sent: Instant,
}

/// The queues of all shards.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate_percent: u32,
    /// How many shards share the queue of those that the service chooses.
    open_shards: u32,
    /// How often a shard may be held and still be sent to.
    max_holds: usize,
    queues: BTreeMap<Destination, ShardQueue>,
    /// Each queue with something in it, by the time to look at it again, and then by its turn.
    ready: BTreeSet<(Instant, u64, Destination)>,
    last_turn: u64,
}

#[derive(Debug)]
struct ShardQueue {
    queue: VecDeque<SealedAggregate>,
    /// How many shards it leads to, all at the same rate.
    shards: u32,
    rate: AdaptiveRate,
    records: TokenBucket,
    bytes: TokenBucket,
    /// What large records draw on: the service lets a shard take 10 MiB of these at once.
    burst: TokenBucket,
    /// What is under way to it.
    holds: usize,
    /// Before this, its head waits for its next attempt.
    not_before: Option<Pause>,
    /// Its place in `ready`.
    place: Option<(Instant, u64)>,
}

/// How long the head of a queue waits for its next attempt.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    /// When the last request with it ended, which tells it and its parts from what is behind them.
    since: Option<Instant>,
}

impl Limiter {
    /// A shard may be held by fewer than `max_holds` before it is closed.
    pub(crate) fn new(rate_percent: u32, max_holds: usize) -> Self {
        Self {
            rate_percent,
            open_shards: 1,
            max_holds,
            queues: BTreeMap::new(),
            ready: BTreeSet::new(),
            last_turn: 0,
        }
    }

    /// Tells how many shards are open. The queue of those that the service chooses begins anew when it is next used after
    /// [`take_unless`](Self::take_unless).
    pub(crate) fn set_open_shards(&mut self, shards: usize) {
        self.open_shards = u32::try_from(shards.max(1)).unwrap_or(u32::MAX);
    }

    /// Queues an aggregate for the shard of its target, behind all others.
    pub(crate) fn push(&mut self, aggregate: SealedAggregate, now: Instant) {
        let destination = aggregate.target.as_ref().map(|target| target.shard.clone());
        let place = self.queue_of(&destination, now).queue.len();
        self.insert(&destination, place, aggregate, now);
    }

    /// Queues an aggregate for the shard of its target, behind those that are older or as old: what is retried goes before what is
    /// newer.
    pub(crate) fn push_by_age(&mut self, aggregate: SealedAggregate, now: Instant) {
        let destination = aggregate.target.as_ref().map(|target| target.shard.clone());
        let age = by_age(&aggregate);
        let queue = &self.queue_of(&destination, now).queue;
        let place = queue.partition_point(|queued| by_age(queued) <= age);
        self.insert(&destination, place, aggregate, now);
    }

    fn insert(&mut self, destination: &Destination, place: usize, aggregate: SealedAggregate, now: Instant) {
        self.queue_of(destination, now).queue.insert(place, aggregate);
        if place == 0 {
            self.schedule(destination, now);
        }
    }

    /// Puts an aggregate that is sent again before everything queued for `shard`, all of which waits until `not_before`.
    pub(crate) fn push_front(
        &mut self,
        shard: &ShardId,
        aggregate: SealedAggregate,
        not_before: Instant,
        now: Instant,
    ) {
        let destination = Some(shard.clone());
        let queue = self.queue_of(&destination, now);
        queue.not_before = Some(Pause {
            until: not_before,
            since: aggregate.waiting_since,
        });
        queue.queue.push_front(aggregate);
        self.schedule(&destination, now);
    }

    /// Something is under way to `shard`. When it is too much, nothing leaves until some of it is released.
    pub(crate) fn hold(&mut self, shard: &ShardId, now: Instant) {
        let destination = Some(shard.clone());
        self.queue_of(&destination, now).holds += 1;
        self.schedule(&destination, now);
    }

    /// Takes one [`hold`](Self::hold) back.
    pub(crate) fn release(&mut self, shard: &ShardId, now: Instant) {
        let destination = Some(shard.clone());
        if let Some(queue) = self.queues.get_mut(&destination) {
            queue.holds = queue.holds.saturating_sub(1);
            self.schedule(&destination, now);
        }
    }

    /// Takes every hold back.
    pub(crate) fn release_all(&mut self, now: Instant) {
        let held = self.queues.iter_mut().filter(|(_, queue)| queue.holds > 0);
        let mut released = Vec::new();
        for (destination, queue) in held {
            queue.holds = 0;
            released.push(destination.clone());
        }
        for destination in released {
            self.schedule(&destination, now);
        }
    }

    /// When a queue wants to be looked at.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.ready.first().map(|(at, ..)| *at)
    }

    /// Takes the next aggregate that may leave now, and where to, if `accept` takes one of its size. Whatever becomes of
    /// it, [`settle`](Self::settle) comes next.
    pub(crate) fn pop(
        &mut self,
        now: Instant,
        accept: impl Fn(&SealedAggregate) -> bool,
    ) -> Option<(Destination, SealedAggregate)> {
        let destination = self.next_to_leave(now)?;
        let queue = self.queues.get_mut(&destination)?;
        let aggregate = queue.queue.pop_front_if(|head| accept(head))?;
        Some((destination, aggregate))
    }

    /// Puts a part of what was taken out for `destination` back in front of its queue.
    pub(crate) fn put_back(&mut self, destination: &Destination, part: SealedAggregate, now: Instant) {
        self.insert(destination, 0, part, now);
    }

    /// Of what was taken out for `destination`, `leaves` is what its rate is used up for: what has expired meanwhile costs
    /// nothing.
    pub(crate) fn settle(&mut self, destination: &Destination, leaves: Option<&SealedAggregate>, now: Instant) {
        if let (Some(queue), Some(aggregate)) = (self.queues.get_mut(destination), leaves) {
            queue.pay_for(aggregate, now);
        }
        self.schedule(destination, now);
    }

    /// The service answered for an aggregate that was sent to `destination` at `sent`.
    pub(crate) fn answered(&mut self, destination: &Destination, entry: Answered, now: Instant) {
        if let Some(queue) = self.queues.get_mut(destination) {
            let Answered { reply, bytes, sent } = entry;
            // What was answered long ago is judged by itself.
            queue.adjust_rate(now);
            queue.rate.answered(reply, share_of_a_shard(bytes), sent, now);
            if reply == Reply::Throttled {
                self.schedule(destination, now);
            }
        }
    }

    /// The rate of `destination` in percent of what its shards take.
    pub(crate) fn rate_of(&mut self, destination: &Destination, now: Instant) -> u32 {
        match self.queues.get_mut(destination) {
            Some(queue) => {
                queue.adjust_rate(now);
                queue.rate.percent()
            }
            None => self.rate_percent,
        }
    }

    /// Takes everything out, except from queues of which each aggregate `stays`, and forgets the shards that `keep` does not name.
    pub(crate) fn take_unless(
        &mut self,
        mut stays: impl FnMut(&mut SealedAggregate) -> bool,
        keep: impl Fn(&ShardId) -> bool,
    ) -> Vec<SealedAggregate> {
        let mut taken = Vec::new();
        for (destination, queue) in &mut self.queues {
            if queue.queue.iter_mut().all(&mut stays) {
                continue;
            }
            taken.extend(queue.queue.drain(..));
            queue.not_before = None;
            if let Some((at, turn)) = queue.place.take() {
                self.ready.remove(&(at, turn, destination.clone()));
            }
        }
        self.queues
            .retain(|destination, _| destination.as_ref().is_some_and(&keep));
        taken
    }

    /// Takes the queues out, to look through them; [`restore`](Self::restore) puts what is left back.
    pub(crate) fn take_queues(&mut self) -> Vec<(Destination, VecDeque<SealedAggregate>)> {
        let queues = self.queues.iter_mut().filter(|(_, queue)| !queue.queue.is_empty());
        queues
            .map(|(destination, queue)| (destination.clone(), std::mem::take(&mut queue.queue)))
            .collect()
    }

    /// Puts back what is left of the queue of `destination`. A pause ends with what it was for.
    pub(crate) fn restore(&mut self, destination: &Destination, left: Vec<SealedAggregate>, now: Instant) {
        if let Some(queue) = self.queues.get_mut(destination) {
            queue.queue = left.into();
            let head = queue.queue.front().map(|head| head.waiting_since);
            queue.not_before = queue.not_before.filter(|pause| head == Some(pause.since));
            self.schedule(destination, now);
        }
    }

    fn queue_of(&mut self, destination: &Destination, now: Instant) -> &mut ShardQueue {
        let shards = match destination {
            Some(_) => 1,
            None => self.open_shards,
        };
        self.queues
            .entry(destination.clone())
            .or_insert_with(|| ShardQueue::new(self.rate_percent, shards, now))
    }

    /// The queue whose head may leave now and whose turn it is. Those that only wanted to be looked at are put back.
    fn next_to_leave(&mut self, now: Instant) -> Option<Destination> {
        loop {
            let (at, _, destination) = self.ready.first()?.clone();
            if at > now {
                return None;
            }
            let queue = self.queues.get_mut(&destination)?;
            queue.adjust_rate(now);
            if queue.head_leaves_at().is_none_or(|at| at <= now) {
                return Some(destination);
            }
            self.schedule(&destination, now);
        }
    }

    /// Gives a queue its place among those that wait. Not before `now`: among those that may leave at once, the one
    /// served last goes to the back.
    fn schedule(&mut self, destination: &Destination, now: Instant) {
        let Some(queue) = self.queues.get_mut(destination) else {
            return;
        };
        if let Some((at, turn)) = queue.place.take() {
            self.ready.remove(&(at, turn, destination.clone()));
        }
        if queue.holds >= self.max_holds {
            return;
        }
        if let Some(at) = queue.look_again_at() {
            self.last_turn += 1;
            let place = (at.max(now), self.last_turn);
            queue.place = Some(place);
            self.ready.insert((place.0, place.1, destination.clone()));
        }
    }
}

impl ShardQueue {
    fn new(rate_percent: u32, shards: u32, now: Instant) -> Self {
        let percent = rate_percent.saturating_mul(shards);
        let burst = TokenBucket::with_capacity(SHARD_BURST_BYTES, SHARD_BYTES_PER_SECOND, percent, now);
        Self {
            queue: VecDeque::new(),
            shards,
            rate: AdaptiveRate::new(rate_percent),
            records: TokenBucket::full(SHARD_RECORDS_PER_SECOND, percent, now),
            bytes: TokenBucket::full(SHARD_BYTES_PER_SECOND, percent, now),
            burst,
            holds: 0,
            not_before: None,
            place: None,
        }
    }

    /// A large record waits for the burst that the service grants to these; any other for the steady flow.
    fn head_leaves_at(&self) -> Option<Instant> {
        let head = self.queue.front()?;
        let bytes = if is_large(head) { &self.burst } else { &self.bytes };
        let affordable_at = self.records.affordable_at(1).max(bytes.affordable_at(head.bytes()));
        let paused_until = self.not_before.map(|pause| pause.until);
        Some(paused_until.map_or(affordable_at, |at| at.max(affordable_at)))
    }

    /// When its head may leave, or its rate changes, so that the head may leave at another time.
    fn look_again_at(&self) -> Option<Instant> {
        let leaves_at = self.head_leaves_at()?;
        Some(self.rate.changes_at().map_or(leaves_at, |at| at.min(leaves_at)))
    }

    /// Large or not, each byte counts towards what the shard takes in a second.
    fn pay_for(&mut self, aggregate: &SealedAggregate, now: Instant) {
        self.not_before = None;
        self.records.pay(1, now);
        self.bytes.pay(aggregate.bytes(), now);
        if is_large(aggregate) {
            self.burst.pay(aggregate.bytes(), now);
        }
    }

    fn adjust_rate(&mut self, now: Instant) {
        match self.rate.adjust(now) {
            None => {}
            Some(Change::Raised) => self.apply_rate(now),
            Some(Change::Lowered) => self.slow_down(now),
        }
    }

    /// The service's own buckets are empty, so these are emptied too.
    fn slow_down(&mut self, now: Instant) {
        self.apply_rate(now);
        for bucket in [&mut self.records, &mut self.bytes, &mut self.burst] {
            bucket.drain(now);
        }
    }

    fn apply_rate(&mut self, now: Instant) {
        let percent = self.rate.percent().saturating_mul(self.shards);
        for bucket in [&mut self.records, &mut self.bytes, &mut self.burst] {
            bucket.set_percent(percent, now);
        }
    }
}

/// The oldest first. Of those put at the same time, what was sent most often goes first.
fn by_age(aggregate: &SealedAggregate) -> (Option<Instant>, Reverse<u32>) {
    (aggregate.contents.put_at(), Reverse(aggregate.attempts.total()))
}

/// What an aggregate of this many bytes uses up of its shard's second, in bytes. A small one counts as a thousandth of the second,
/// for it is one of a thousand records.
fn share_of_a_shard(bytes: usize) -> u64 {
    let of_a_record = u64::from(SHARD_BYTES_PER_SECOND / SHARD_RECORDS_PER_SECOND);
    u64::try_from(bytes).unwrap_or(u64::MAX).max(of_a_record)
}

/// Whether it is larger than a record can be on a stream whose limit was not raised.
fn is_large(aggregate: &SealedAggregate) -> bool {
    aggregate.bytes() > DEFAULT_MAX_RECORD_BYTES
}
