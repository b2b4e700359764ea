//! Pure: the lease table: who owns what, how leases changed hands, and that checkpoints pass over nothing (C1).

use std::collections::BTreeMap;
use std::time::Duration;

use super::departure::{Departure, Tenure, Way};
use super::fact::{LeaseRow, LeaseWrite};
use super::faults::Faults;
use super::judge::Judge;
use super::name::{Ownership, Process};
use super::position::Position;
use super::rare::Rare;
use super::rules::Rule;
use super::shard::{Life, Shard};
use super::stream::Stream;
use testkit::Service;
use testkit::kinesis::ShardId;

/// The lease table.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    leases: BTreeMap<ShardId, Lease>,
    /// How often the stream was deleted.
    pub(crate) deletions: usize,
}

/// One lease, and what became of its owners.
#[derive(Debug)]
struct Lease {
    row: Option<LeaseRow>,
    /// How often the stream whose shard it is had been deleted before.
    deletions: usize,
    /// When its counter moved last, which is what other workers watch.
    renewed_at: Duration,
    /// When its counter moved last after it had stood still for about the failover time.
    revived_at: Option<Duration>,
    /// The last write of it.
    written: Option<Written>,
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

/// How often a lease is renewed in its life. Source: amazon-kinesis-client, `DynamoDBLeaseCoordinator`.
const RENEWALS: u32 = 3;

/// A write of a lease.
#[derive(Debug)]
struct Written {
    writer: Process,
    sent: Duration,
    at: Duration,
}

impl Leases {
    /// The row of a shard's lease, whatever stream it is of.
    pub(crate) fn row(&self, shard: ShardId) -> Option<&LeaseRow> {
        self.leases.get(&shard).and_then(|lease| lease.row.as_ref())
    }

    /// The row of the lease, if it is of the stream's incarnation after `deletions` deletions.
    pub(crate) fn row_of(&self, deletions: usize, shard: ShardId) -> Option<&LeaseRow> {
        self.row(shard).filter(|_| self.deletions(shard) == Some(deletions))
    }

    /// The row of the lease, if it is of the present stream.
    pub(crate) fn present_row(&self, shard: ShardId) -> Option<&LeaseRow> {
        self.row_of(self.deletions, shard)
    }

    /// Whether there are leases, and of another stream than the present one.
    pub(crate) fn is_any_of_another_stream(&self) -> bool {
        let mut leases = self.leases.values().filter(|lease| lease.row.is_some());
        leases.any(|lease| lease.deletions != self.deletions)
    }

    /// The stream was deleted: from now on, all leases are of another one.
    pub(crate) fn stream_deleted(&mut self) {
        self.deletions += 1;
    }

    /// How often the stream whose shard the lease is of had been deleted before; `None` without a row.
    pub(crate) fn deletions(&self, shard: ShardId) -> Option<usize> {
        let lease = self.leases.get(&shard).filter(|lease| lease.row.is_some());
        lease.map(|lease| lease.deletions)
    }

    /// The lease, of whose shard nothing was read, is taken for one of the present stream, unless its row names its own.
    pub(crate) fn adopt(&mut self, shard: ShardId) {
        let lease = self.leases.get_mut(&shard);
        let is_nameless = |row: &LeaseRow| row.stream_created.is_none();
        if let Some(lease) = lease.filter(|lease| lease.row.as_ref().is_none_or(is_nameless)) {
            lease.deletions = self.deletions;
        }
    }

    /// The furthest checkpoint that was ever written.
    pub(crate) fn reached(&self, shard: ShardId) -> Option<Position> {
        self.leases.get(&shard).and_then(|lease| lease.reached)
    }

    /// The owner has left a checkpoint to the next write of the shard's row.
    pub(crate) fn deferred(&mut self, shard: ShardId, position: Position) {
        if let Some(lease) = self.leases.get_mut(&shard) {
            lease.deferred = Some(position);
        }
    }

    /// How the worker lost the shard's lease last, if another has been its owner since.
    pub(crate) fn departure(&self, shard: ShardId, worker: &Process) -> Option<Departure> {
        let lease = self.leases.get(&shard)?;
        lease.departures.get(worker).copied()
    }

    /// When the counter of the shard's lease moved last.
    pub(crate) fn renewed_at(&self, shard: ShardId) -> Option<Duration> {
        self.leases.get(&shard).map(|lease| lease.renewed_at)
    }

    /// Since when the shard's lease has its present owner.
    pub(crate) fn owned_since(&self, shard: ShardId) -> Option<Duration> {
        self.leases.get(&shard).map(|lease| lease.owned_since)
    }

    /// Since when the worker has the shard's lease, or, if it is another's by now, when it lost it last.
    pub(crate) fn had_since(&self, shard: ShardId, worker: &Process) -> Duration {
        let owner = self.row(shard).and_then(LeaseRow::reader);
        let lost_at = || self.departure(shard, worker).map(|departure| departure.at);
        let since = match owner == Some(worker) {
            true => self.owned_since(shard),
            false => lost_at(),
        };
        since.unwrap_or_default()
    }

    /// Whether the shard's lease was renewed within the failover time.
    pub(crate) fn is_renewed(&self, shard: ShardId, judge: &Judge) -> bool {
        let lease = self.leases.get(&shard);
        lease.is_some_and(|lease| judge.now <= lease.renewed_at + judge.rules.failover)
    }

    /// Whether the shard's lease was not renewed for so long, at some time since then, that its owner gave it up.
    pub(crate) fn lapsed_since(&self, shard: ShardId, time: Duration) -> bool {
        let lease = self.leases.get(&shard);
        lease.and_then(|lease| lease.revived_at).is_some_and(|at| at >= time)
    }

    /// Whether the ownership's worker may deliver now.
    pub(crate) fn tenure(&self, ownership: &Ownership, judge: &Judge) -> Tenure<'_> {
        let lost = Tenure::Lost {
            now_owned_by: None,
            departure: None,
        };
        let Some(lease) = self.leases.get(&ownership.shard) else {
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
    pub(crate) fn written(&mut self, write: LeaseWrite, (stream, faults): (&mut Stream, &Faults), judge: &mut Judge) {
        judge.figures.lease_writes += 1;
        let lease = self.leases.entry(write.shard).or_insert_with(|| Lease::new(judge.now));
        if write.makes_anew(lease.row.as_ref()) {
            judge.reached(Rare::LeaseOfFormerReplaced);
            lease.change_hands(None, judge);
            (lease.row, lease.deferred) = (None, None);
        }
        lease.find_stream(&write, stream, judge);
        lease.check_move(&write, stream.of(lease.deletions, write.shard), judge);
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
        if lease.carries_a_renewal(&write, judge.rules.failover) {
            judge.reached(Rare::CheckpointRidesOnRenewal);
        }
        lease.written = Some(Written {
            writer: write.writer,
            sent: write.sent,
            at: judge.now,
        });
        lease.row = write.after;
        if ends && self.leaves_a_second_parent(write.shard, stream) {
            judge.reached(Rare::SecondParentAwaited);
        }
        if self.is_empty() {
            if stream.is_told() {
                judge.reached(Rare::BegunAnew);
            }
            self.leases.values_mut().for_each(|lease| lease.reached = None);
            stream.begin_anew();
        }
    }

    /// Whether there is no lease.
    pub(crate) fn is_empty(&self) -> bool {
        self.leases.values().all(|lease| lease.row.is_none())
    }

    /// Whether a child of the shard has another parent that was not read to its end.
    fn leaves_a_second_parent(&self, shard: ShardId, stream: &Stream) -> bool {
        let mut children = stream.shards().filter(|(_, child)| child.parents.contains(&shard));
        children.any(|(_, child)| {
            let mut rows = child.parents.iter().filter_map(|parent| self.present_row(*parent));
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

    /// Finds of which stream the lease is: of the one that its row names, or else of the last one that has or had its
    /// shard as the row is created. A row that comes to name a stream after something was read by it stays of the one that
    /// was read.
    fn find_stream(&mut self, write: &LeaseWrite, stream: &mut Stream, judge: &mut Judge) {
        let Some(after) = &write.after else { return };
        let named = after.stream_created.and_then(|created| stream.created_at(created));
        match &self.row {
            None => {
                let deletions = named.or_else(|| stream.last_with(write.shard));
                if deletions.is_none() {
                    judge.broken(
                        Rule::History,
                        format_args!(
                            "{} wrote a lease of {}, a shard that nobody told of",
                            write.writer, write.shard
                        ),
                    );
                }
                let deletions = deletions.unwrap_or_default();
                let is_first = self.reached.is_none() || self.deletions != deletions;
                self.deletions = deletions;
                if is_first && deletions == stream.deletions() {
                    stream.first_lease(write.shard, after.checkpoint, judge.now);
                }
            }
            Some(before) if before.stream_created.is_none() && before.checkpoint.is_start() => {
                self.deletions = named.unwrap_or(self.deletions);
            }
            Some(_) => {}
        }
    }

    /// When the checkpoint moves, nothing that the application wants may lie behind it unprocessed.
    ///
    /// It moves back in one case alone: the row was deleted, and is created again. It does not move in a shard that its
    /// stream never had.
    fn check_move(&mut self, write: &LeaseWrite, stored: Option<&Shard>, judge: &mut Judge) {
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
        self.reached = self.reached.max(Some(to));
        let Some(stored) = stored else {
            if !to.is_start() {
                judge.broken(Rule::AtLeastOnce, format_args!("{moved}, which its stream never had"));
            }
            return;
        };
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
    }

    /// Whether the write says that the shard was read to its end, which the row did not.
    fn ends(&self, write: &LeaseWrite) -> bool {
        let ended = |row: &LeaseRow| row.checkpoint == Position::ShardEnd;
        write.after.as_ref().is_some_and(ended) && !self.row.as_ref().is_some_and(ended)
    }

    /// Whether the owner writes again, on top of a write of its own that was not acknowledged to it.
    fn is_renewed_after_a_lost_reply(&self, write: &LeaseWrite, faults: &Faults, now: Duration) -> bool {
        let (Some(before), Some(after), Some(Written { writer, at, .. })) = (&self.row, &write.after, &self.written)
        else {
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

    /// Whether the write in which an owner moves the checkpoint, and keeps the lease, was due as a renewal: a third of the
    /// failover time had passed as it was sent since the owner sent its last one.
    fn carries_a_renewal(&self, write: &LeaseWrite, failover: Duration) -> bool {
        let (Some(before), Some(after), Some(last)) = (&self.row, &write.after, &self.written) else {
            return false;
        };
        before.checkpoint != after.checkpoint
            && before.reader().is_some()
            && before.reader() == after.reader()
            && last.writer == write.writer
            && write.sent >= last.sent + failover / RENEWALS
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
