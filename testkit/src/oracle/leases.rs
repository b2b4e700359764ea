//! Pure: the lease table: who owns what, how leases changed hands, and that checkpoints pass over nothing (C1).

use std::collections::BTreeMap;
use std::time::Duration;

use super::fact::{LeaseRow, LeaseWrite};
use super::faults::Faults;
use super::judge::{Judge, Seconds};
use super::name::{Ownership, Process};
use super::position::Position;
use super::rare::Rare;
use super::rules::Rule;
use super::shard::{Life, Shard};
use super::stream::Stream;
use crate::Service;
use crate::kinesis::ShardId;

/// The lease table.
#[derive(Debug, Default)]
pub(super) struct Leases(BTreeMap<ShardId, Lease>);

/// One lease, and what became of its owners.
#[derive(Debug)]
struct Lease {
    row: Option<LeaseRow>,
    /// How often the stream had been deleted before, as the row was created.
    deletions: usize,
    /// When its counter moved last, which is what other workers watch.
    renewed_at: Duration,
    /// When its counter moved last after it had stood still for about the failover time.
    revived_at: Option<Duration>,
    /// Who wrote it last, and when.
    written: Option<(Process, Duration)>,
    /// The furthest checkpoint that was ever written.
    reached: Option<Position>,
    /// A checkpoint that waits for a write of the row.
    deferred: Option<Position>,
    last_owner: Option<Process>,
    /// Since when its present owner has it.
    owned_since: Duration,
    /// How each worker lost the lease last.
    departures: BTreeMap<Process, Departure>,
}

/// How a worker lost a lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    pub(super) how: Way,
    pub(super) at: Duration,
    /// Its last renewal before that.
    pub(super) renewed_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Not renewed for the failover time, and taken by another.
    Expired,
    /// Taken by another before that.
    Stolen,
    /// Passed on, as agreed in the row.
    HandedOver,
    /// Left without an owner, or deleted.
    Released,
}

/// Whether a worker may deliver, by the table.
#[derive(Debug)]
pub(super) enum Tenure<'a> {
    /// It may: it was renewed less than the failover time ago.
    Held,
    /// Others may have taken the lease by now; its last renewal.
    Overdue(Duration),
    /// The row is another's, or nobody's.
    Lost {
        now_owned_by: Option<&'a Process>,
        departure: Option<Departure>,
    },
}

impl Leases {
    /// The row of a shard's lease.
    pub(super) fn row(&self, shard: ShardId) -> Option<&LeaseRow> {
        self.0.get(&shard).and_then(|lease| lease.row.as_ref())
    }

    /// How often the stream whose shard the lease is of had been deleted before; `None` without a row.
    pub(super) fn deletions(&self, shard: ShardId) -> Option<usize> {
        let lease = self.0.get(&shard).filter(|lease| lease.row.is_some());
        lease.map(|lease| lease.deletions)
    }

    /// The lease, of whose shard nothing was read, is taken for one of the present stream.
    pub(super) fn adopt(&mut self, shard: ShardId, deletions: usize) {
        if let Some(lease) = self.0.get_mut(&shard) {
            lease.deletions = deletions;
        }
    }

    /// The furthest checkpoint that was ever written.
    pub(super) fn reached(&self, shard: ShardId) -> Option<Position> {
        self.0.get(&shard).and_then(|lease| lease.reached)
    }

    /// The owner has left a checkpoint to the next write of the shard's row.
    pub(super) fn deferred(&mut self, shard: ShardId, position: Position) {
        if let Some(lease) = self.0.get_mut(&shard) {
            lease.deferred = Some(position);
        }
    }

    /// How the worker lost the shard's lease last, if another has been its owner since.
    pub(super) fn departure(&self, shard: ShardId, worker: &Process) -> Option<Departure> {
        let lease = self.0.get(&shard)?;
        lease.departures.get(worker).copied()
    }

    /// When the counter of the shard's lease moved last.
    pub(super) fn renewed_at(&self, shard: ShardId) -> Option<Duration> {
        self.0.get(&shard).map(|lease| lease.renewed_at)
    }

    /// Since when the shard's lease has its present owner.
    pub(super) fn owned_since(&self, shard: ShardId) -> Option<Duration> {
        self.0.get(&shard).map(|lease| lease.owned_since)
    }

    /// Since when the worker has the shard's lease, or, if it is another's by now, when it lost it last.
    pub(super) fn had_since(&self, shard: ShardId, worker: &Process) -> Duration {
        let owner = self.row(shard).and_then(LeaseRow::reader);
        let lost_at = || self.departure(shard, worker).map(|departure| departure.at);
        let since = match owner == Some(worker) {
            true => self.owned_since(shard),
            false => lost_at(),
        };
        since.unwrap_or_default()
    }

    /// Whether the shard's lease was renewed within the failover time.
    pub(super) fn is_renewed(&self, shard: ShardId, judge: &Judge) -> bool {
        let lease = self.0.get(&shard);
        lease.is_some_and(|lease| judge.now <= lease.renewed_at + judge.rules.failover)
    }

    /// Whether the shard's lease was not renewed for so long, at some time since then, that its owner gave it up.
    pub(super) fn lapsed_since(&self, shard: ShardId, time: Duration) -> bool {
        let lease = self.0.get(&shard);
        lease.and_then(|lease| lease.revived_at).is_some_and(|at| at >= time)
    }

    /// Whether the ownership's worker may deliver now.
    pub(super) fn tenure(&self, ownership: &Ownership, judge: &Judge) -> Tenure<'_> {
        let lost = Tenure::Lost {
            now_owned_by: None,
            departure: None,
        };
        let Some(lease) = self.0.get(&ownership.shard) else {
            return lost;
        };
        match lease.row.as_ref().and_then(LeaseRow::reader) {
            Some(reader) if *reader == ownership.worker => {
                if judge.now <= lease.renewed_at + judge.rules.failover {
                    Tenure::Held
                } else {
                    Tenure::Overdue(lease.renewed_at)
                }
            }
            now_owned_by => Tenure::Lost {
                now_owned_by,
                departure: lease.departures.get(&ownership.worker).copied(),
            },
        }
    }

    /// The table applied a write.
    pub(super) fn written(&mut self, write: LeaseWrite, (stream, faults): (&mut Stream, &Faults), judge: &mut Judge) {
        judge.figures.lease_writes += 1;
        let lease = self.0.entry(write.shard).or_insert_with(|| Lease::new(judge.now));
        if let (None, Some(created)) = (&lease.row, &write.after) {
            let deletions = stream.last_with(write.shard).unwrap_or_default();
            let is_first = lease.reached.is_none() || lease.deletions != deletions;
            lease.deletions = deletions;
            if is_first && deletions == stream.deletions() {
                stream.first_lease(write.shard, created.checkpoint, judge.now);
            }
        }
        let Some(stored) = stream.of(lease.deletions, write.shard) else {
            judge.broken(
                Rule::History,
                format_args!(
                    "{} wrote a lease of {}, a shard that nobody told of",
                    write.writer, write.shard
                ),
            );
            return;
        };
        lease.check_move(&write, stored, judge);
        if lease.is_renewed_after_a_lost_reply(&write, faults, judge.now) {
            judge.reached(Rare::LostReplyRecognised);
        }
        let checkpoint = write.after.as_ref().map(|row| row.checkpoint);
        if lease.deferred.is_some() && lease.deferred == checkpoint {
            judge.reached(Rare::DeferredCheckpointWritten);
            lease.deferred = None;
        }
        lease.change_hands(write.after.as_ref(), judge);
        let ends = lease.ends(&write);
        lease.written = Some((write.writer, judge.now));
        lease.row = write.after;
        if ends && self.leaves_a_second_parent(write.shard, stream) {
            judge.reached(Rare::SecondParentAwaited);
        }
    }

    /// Whether a child of the shard has another parent that was not read to its end.
    fn leaves_a_second_parent(&self, shard: ShardId, stream: &Stream) -> bool {
        let mut children = stream.shards().filter(|(_, child)| child.parents.contains(&shard));
        children.any(|(_, child)| {
            let mut rows = child.parents.iter().filter_map(|parent| self.row(*parent));
            rows.any(|row| row.checkpoint != Position::ShardEnd)
        })
    }
}

impl Lease {
    fn new(now: Duration) -> Self {
        Self {
            row: None,
            deletions: 0,
            renewed_at: now,
            revived_at: None,
            written: None,
            reached: None,
            deferred: None,
            last_owner: None,
            owned_since: now,
            departures: BTreeMap::new(),
        }
    }

    /// When the checkpoint moves, nothing that the application wants may lie behind it unprocessed.
    ///
    /// It moves back in one case alone: the row was deleted, and is created again.
    fn check_move(&mut self, write: &LeaseWrite, stored: &Shard, judge: &mut Judge) {
        let Some(to) = write.after.as_ref().map(|row| row.checkpoint) else {
            return;
        };
        let from = self.row.as_ref().map(|row| row.checkpoint);
        if from == Some(to) {
            return;
        }
        let moved = format_args!("{} moved the checkpoint of {} to {to}", write.writer, write.shard).to_string();
        if let Some(from) = from.filter(|from| *from > to) {
            judge.broken(Rule::AtLeastOnce, format_args!("{moved}, back from {from}"));
        }
        let passed = stored.count_up_to(to);
        if let Some(undone) = stored.first_undone().filter(|_| stored.done() < passed) {
            judge.broken(
                Rule::AtLeastOnce,
                format_args!(
                    "{moved}, past {}, which was not processed, the first of up to {} records",
                    undone.place,
                    passed - stored.done()
                ),
            );
        }
        if to == Position::ShardEnd && stored.life == Life::Open {
            judge.broken(Rule::AtLeastOnce, format_args!("{moved}, but the shard is open"));
        }
        // A lease that begins, or is pinned, may name a place between records.
        if let (Some(Position::At(_)), Position::At(place)) = (from, to)
            && stored.find(place).is_none()
        {
            judge.broken(Rule::AtLeastOnce, format_args!("{moved}, where no record was stored"));
        }
        self.reached = self.reached.max(Some(to));
    }

    /// Whether the write says that the shard was read to its end, which the row did not.
    fn ends(&self, write: &LeaseWrite) -> bool {
        let ended = |row: &LeaseRow| row.checkpoint == Position::ShardEnd;
        write.after.as_ref().is_some_and(ended) && !self.row.as_ref().is_some_and(ended)
    }

    /// Whether the owner writes again, on top of a write of its own that was not acknowledged to it.
    fn is_renewed_after_a_lost_reply(&self, write: &LeaseWrite, faults: &Faults, now: Duration) -> bool {
        let (Some(before), Some(after), Some((writer, at))) = (&self.row, &write.after, &self.written) else {
            return false;
        };
        before.reader().is_some()
            && before.reader() == after.reader()
            && before.counter != after.counter
            && *writer == write.writer
            && *at < now
            && *at == self.renewed_at
            && faults.was_unacknowledged(writer, Service::DynamoDb, *at)
    }

    /// Notes renewals, and how the reader of the lease changes.
    fn change_hands(&mut self, after: Option<&LeaseRow>, judge: &mut Judge) {
        let before = self.row.as_ref();
        let (old, new) = (before.and_then(LeaseRow::reader), after.and_then(LeaseRow::reader));
        if old != new {
            self.owned_since = judge.now;
        }
        if let Some(old) = old.filter(|old| new != Some(*old)) {
            let pending = before.is_some_and(|row| row.checkpoint_owner.is_some());
            let departure = Departure {
                how: match new {
                    None => Way::Released,
                    Some(_) if pending => Way::HandedOver,
                    Some(_) if judge.now > self.renewed_at + judge.rules.failover => Way::Expired,
                    Some(_) => Way::Stolen,
                },
                at: judge.now,
                renewed_at: self.renewed_at,
            };
            if departure.how == Way::Stolen {
                judge.reached(Rare::LeaseStolen);
            }
            self.departures.insert(old.clone(), departure);
        }
        if let Some(new) = new.filter(|new| self.last_owner.as_ref() != Some(*new)) {
            if self.last_owner.is_some() {
                judge.figures.lease_moves += 1;
            }
            self.last_owner = Some(new.clone());
        }
        if before.map(|row| row.counter) != after.map(|row| row.counter) {
            // An owner counts from the sending of a renewal, which is a little earlier.
            if judge.now > self.renewed_at + judge.rules.failover * 4 / 5 {
                self.revived_at = Some(judge.now);
            }
            self.renewed_at = judge.now;
        }
    }
}

impl Departure {
    /// Whether another worker took the lease at this time or later, before it could have expired.
    pub(super) fn is_theft_since(self, time: Duration) -> bool {
        self.how == Way::Stolen && self.at >= time
    }

    /// Whether a worker from which the lease was stolen cannot know it yet at `now`.
    pub(super) fn is_fresh_theft(self, now: Duration, failover: Duration) -> bool {
        self.how == Way::Stolen && now <= self.renewed_at + failover
    }
}

impl std::fmt::Display for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.how {
            Way::Expired => "it expired",
            Way::Stolen => "it was stolen",
            Way::HandedOver => "it was handed over",
            Way::Released => "it was released",
        };
        write!(
            f,
            "{how} at {}, last renewed at {}",
            Seconds(self.at),
            Seconds(self.renewed_at)
        )
    }
}
