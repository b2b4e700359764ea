//! Pure: one ownership of one lease, from the write that began it to its end.
//!
//! ```text
//!            drain                        leave, consumer_ended
//!  Active ─────────► Draining(reason) ──────────────────────────► leaving ──► Released | HandedOver
//!    │                   │                                           │
//!    └───────────────────┴───────────────────────────────────────────┴──────► Lapsed | Taken | Gone
//! ```
//!
//! **An end is final.** An answer that comes after the lapse revives nothing, because the consumer may have seen the lapse.
//!
//! **One write is in flight.** It carries all that waits: the furthest checkpoint, the children, the release. Each applied
//! write renews the lease, so a worker that checkpoints often enough sends no renewals.
//!
//! **A checkpoint never moves back**, except by the write that ends the ownership, when the application seeks (`leaving`). One
//! slot keeps the furthest position and answers all requests for a nearer one. A position that the row has passed is answered without a write. A deferred checkpoint asks for no write and goes with the
//! next one.
//!
//! **A prepared checkpoint is discarded by a checkpoint**, as in the Java KCL, unless that one was deferred and lies in front
//! of it.
//!
//! **A write without an answer leaves the counter uncertain**: it may have been applied. So may a write with an answer, if
//! the network delivered its request twice. The next write then meets a row that has moved by one. [`conclusion`] says what
//! each row means.
//!
//! **A row that is gone is made again** by its owner, where it stood (`vanished`).
//!
//! In the order of the data: `progress` keeps what waits to be written, checkpoints in the `checkpoint_slot` and the prepared one
//! in the `prepared_slot`; `conclusion` reads the row that refused a write; `leaving` is how the lease is given up, and `end`
//! how it ended. An `effect` is what an input leads to.

mod checkpoint_slot;
pub(crate) mod conclusion;
mod effect;
mod end;
mod leaving;
mod prepared_slot;
mod progress;
#[cfg(test)]
mod tests;
mod vanished;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::checkpoint::position::Position;
use crate::error::TableError;
use crate::lease::guard::LeaseEpoch;
use crate::lease::model::{IdlePosition, Lease, OwnAttributes, PendingCheckpoint, WorkerId};
use crate::lease::write::{OwnerWrite, Then, WriteOutcome};
#[cfg(feature = "_simulation")]
use crate::planted_bugs::PlantedBug;
use crate::stream::{Incarnation, ShardId};
pub(crate) use checkpoint_slot::Waiter;
use conclusion::{Conclusion, conclude};
pub(crate) use effect::{Drain, Effect};
pub(crate) use end::End;
use leaving::Leaving;
use progress::{Progress, Written};
pub(crate) use vanished::Listing;
use vanished::Vanished;

/// How long a lease lasts and how often it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// After which time without a write others may take the lease.
    pub(crate) failover: Duration,
    /// The time between two renewals.
    pub(crate) renewal: Duration,
}

/// One ownership. A `W` waits for an answer.
#[derive(Debug)]
pub(crate) struct Ownership<W> {
    worker: WorkerId,
    terms: Terms,
    row: Lease,
    epoch: LeaseEpoch,
    drain: Option<Drain>,
    valid_until: Instant,
    renew_at: Instant,
    /// The earliest time of the next write; after a failed write, the end of the retry delay.
    not_before: Instant,
    /// Writes that failed one after the other.
    failures: u32,
    in_flight: Option<InFlight>,
    progress: Progress<W>,
    children: Option<BTreeSet<ShardId>>,
    /// To be set where the row does not say it.
    stream: Incarnation,
    idle: Option<IdlePosition>,
    leaving: Option<Leaving<W>>,
    /// There is no row, and this worker makes it again.
    vanished: Option<Vanished>,
}

#[derive(Debug)]
struct InFlight {
    sent: Instant,
    written: Written,
    then: Then,
}

impl<W> Ownership<W> {
    /// An ownership that began with the write that made `row` and was sent at `sent`. `first_renewal` is the time from then
    /// to the first renewal.
    pub(crate) fn begin(worker: WorkerId, terms: Terms, row: Lease, sent: Instant, first_renewal: Duration) -> Self {
        Self {
            worker,
            terms,
            epoch: LeaseEpoch(row.fencing_token().unwrap_or(row.counter)),
            row,
            drain: None,
            valid_until: sent + terms.failover,
            renew_at: sent + first_renewal,
            not_before: sent,
            failures: 0,
            in_flight: None,
            progress: Progress::default(),
            children: None,
            stream: Incarnation::default(),
            idle: None,
            leaving: None,
            vanished: None,
        }
    }

    /// Which ownership of the lease this is.
    pub(crate) fn epoch(&self) -> LeaseEpoch {
        self.epoch
    }

    /// Until when no other worker can have taken the lease.
    pub(crate) fn valid_until(&self) -> Instant {
        self.valid_until
    }

    /// Asks for a checkpoint at `position`.
    pub(crate) fn checkpoint(&mut self, position: Position, waiter: W, now: Instant) -> Vec<Effect<W>>
    where
        W: Waiter,
    {
        #[cfg(feature = "_simulation")]
        if PlantedBug::AcknowledgeUnwritten.is_planted() {
            return vec![Effect::Checkpointed { waiter }];
        }
        if holds(&self.row, &position) {
            return vec![Effect::Checkpointed { waiter }];
        }
        self.progress.checkpoint(position, waiter);
        self.not_before = self.not_before.max(now);
        Vec::new()
    }

    /// Notes how far the consumer has come. It goes with the next write.
    pub(crate) fn defer(&mut self, position: Position) {
        if !holds(&self.row, &position) {
            self.progress.defer(position);
        }
    }

    /// Asks for a prepared checkpoint.
    pub(crate) fn prepare(&mut self, pending: PendingCheckpoint, waiter: W, now: Instant) -> Vec<Effect<W>>
    where
        W: Waiter,
    {
        if holds(&self.row, &pending.position) {
            return vec![Effect::Checkpointed { waiter }];
        }
        self.progress.prepare(pending, waiter);
        self.not_before = self.not_before.max(now);
        Vec::new()
    }

    /// Notes the children of the shard. They go with the next write.
    pub(crate) fn children(&mut self, children: BTreeSet<ShardId>) {
        self.children = (children != self.row.children).then_some(children);
    }

    /// Notes the stream of the shard. It goes with the next write, and is set where the row does not say it.
    pub(crate) fn stream(&mut self, stream: Incarnation) {
        self.stream = stream;
    }

    /// Notes that the shard had no records behind `idle.checkpoint`. That goes with the next write, unless the row's checkpoint
    /// is another one by then.
    pub(crate) fn idle(&mut self, idle: IdlePosition) {
        self.idle = Some(idle);
    }

    /// Asks the consumer to finish. A hand-off that comes during a shutdown replaces it: the lease goes to the next owner.
    pub(crate) fn drain(&mut self, drain: Drain) -> Vec<Effect<W>> {
        match (&self.drain, &drain) {
            (Some(Drain::HandOff { .. } | Drain::StreamCreatedAgain), _)
            | (Some(Drain::Shutdown), Drain::Shutdown | Drain::StreamCreatedAgain) => Vec::new(),
            (None, _) | (Some(Drain::Shutdown), Drain::HandOff { .. }) => {
                self.drain = Some(drain.clone());
                vec![Effect::Drain(drain)]
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_write`](Self::poll_write) has something to do next.
    pub(crate) fn poll_timeout(&self) -> Instant {
        match (&self.in_flight, self.vanished) {
            (Some(_), _) | (None, Some(Vanished::Doubted)) => self.valid_until,
            (None, None | Some(Vanished::ToMake)) => self.write_at().min(self.valid_until),
        }
    }

    /// Ends the ownership if others may have taken the lease by now.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Effect<W>> {
        match now >= self.valid_until {
            true => vec![self.end(End::Lapsed)],
            false => Vec::new(),
        }
    }

    /// The write to make now, if any. Its outcome must be reported to [`handle_outcome`](Self::handle_outcome).
    pub(crate) fn poll_write(&mut self, now: Instant) -> Option<OwnerWrite> {
        if self.vanished.is_some() || !self.may_write(now) {
            return None;
        }
        let then = self.then();
        let written = match self.moved_to() {
            Some(position) => Written::at(position.clone()),
            None => self.progress.to_write(&self.row),
        };
        let write = OwnerWrite {
            checkpoint: written.checkpoint.clone(),
            pending: written.pending.clone(),
            children: self.children.clone(),
            own: OwnAttributes::of(&self.stream),
            idle: self
                .idle
                .clone()
                .filter(|idle| self.row.checkpoint.as_ref() == Some(&idle.checkpoint)),
            then,
            ..OwnerWrite::renewal(self.row.clone())
        };
        self.in_flight = Some(InFlight {
            sent: now,
            written,
            then,
        });
        Some(write)
    }

    /// Takes the outcome of the write in flight. After a failure the next one waits for `retry_in`.
    pub(crate) fn handle_outcome(
        &mut self,
        outcome: WriteOutcome,
        retry_in: impl FnOnce(u32) -> Duration,
        now: Instant,
    ) -> Vec<Effect<W>> {
        let Some(sent) = self.in_flight.take() else {
            return Vec::new();
        };
        let has_left = matches!(outcome, WriteOutcome::Applied(_)) && sent.then != Then::Keep;
        #[cfg(feature = "_simulation")]
        let has_left = has_left || PlantedBug::RenewWithoutReader.is_planted();
        if now >= self.valid_until && !has_left {
            return vec![self.end(End::Lapsed)];
        }
        match outcome {
            WriteOutcome::Applied(row) => self.applied(row, &sent),
            WriteOutcome::Refused(found) => self.refused(found, &sent),
            WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error) => self.failed(&error, &sent, now, retry_in),
        }
    }

    /// Whether a write is due, and no other is in flight.
    fn may_write(&self, now: Instant) -> bool {
        self.in_flight.is_none() && now >= self.write_at() && now < self.valid_until
    }

    fn applied(&mut self, row: Lease, sent: &InFlight) -> Vec<Effect<W>> {
        self.valid_until = self.valid_until.max(sent.sent + self.terms.failover);
        self.renew_at = sent.sent + self.terms.renewal;
        let to = row.owner.clone();
        match sent.then {
            Then::Keep => {
                let mut effects = self.adopt(row);
                effects.push(Effect::Valid {
                    until: self.valid_until,
                });
                effects
            }
            Then::Release => self.left(row, End::Released),
            Then::HandOver => self.left(row, End::HandedOver { to }),
        }
    }

    fn refused(&mut self, found: Option<Lease>, sent: &InFlight) -> Vec<Effect<W>> {
        let Some(found) = found else {
            return self.vanish();
        };
        let conclusion = match self.vanished {
            None => conclude(&self.worker, &self.row, sent.then, found),
            Some(Vanished::Doubted | Vanished::ToMake) => self.found_again(found),
        };
        match conclusion {
            Conclusion::GoOn(row) => {
                let hand_off = row.checkpoint_owner.is_some().then(|| row.owner.clone()).flatten();
                let mut effects = self.adopt(*row);
                effects.extend(hand_off.into_iter().flat_map(|to| self.drain(Drain::HandOff { to })));
                effects
            }
            Conclusion::Left(row, end) => self.left(*row, end),
            Conclusion::Lost(end) => vec![self.end(end)],
        }
    }

    /// Takes over the row as it was found, which holds all that this worker has written.
    fn adopt(&mut self, row: Lease) -> Vec<Effect<W>> {
        if row.own.stream.is_known() {
            self.stream = Incarnation::default();
        }
        self.idle = self.idle.take().filter(|idle| row.idle.as_ref() != Some(idle));
        let made_again = self.vanished.take().map(|_| Effect::MadeAgain);
        let before = std::mem::replace(&mut self.row, row).checkpoint;
        let row = &self.row;
        self.failures = 0;
        self.children = self.children.take().filter(|children| *children != row.children);
        let reached = row.checkpoint.clone().filter(|_| before != row.checkpoint);
        let answers = self
            .progress
            .settle(row)
            .into_iter()
            .map(|waiter| Effect::Checkpointed { waiter });
        let reached = reached.map(Effect::Reached);
        made_again.into_iter().chain(reached).chain(answers).collect()
    }

    fn failed(
        &mut self,
        error: &TableError,
        sent: &InFlight,
        now: Instant,
        retry_in: impl FnOnce(u32) -> Duration,
    ) -> Vec<Effect<W>> {
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + retry_in(self.failures);
        let answer = |waiter| Effect::NotCheckpointed {
            waiter,
            error: error.clone(),
        };
        self.progress.fail(&sent.written).into_iter().map(answer).collect()
    }

    /// When the next write is to be made.
    fn write_at(&self) -> Instant {
        let waits = self.vanished.is_some() || self.leaving.is_some() || !self.progress.is_empty();
        match waits {
            true => self.not_before,
            false => self.not_before.max(self.renew_at),
        }
    }

    fn end(&mut self, end: End) -> Effect<W> {
        Effect::Ended {
            end,
            waiters: self.progress.drain(),
            leaver: self.leaving.take().and_then(|leaving| leaving.waiter),
        }
    }
}

/// Whether the row stands at `position` or behind it.
fn holds(row: &Lease, position: &Position) -> bool {
    row.checkpoint.as_ref().is_some_and(|checkpoint| position <= checkpoint)
}
