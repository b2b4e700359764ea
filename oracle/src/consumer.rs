//! Pure: what happened to the application, ownership by ownership (C1 to C3, C5, duplicates).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::cause::Cause;
use super::coverage;
use super::duplicates;
use super::evidence::Evidence;
use super::fact::{ConsumerFact, LeaseClaim, LeaseRow, LeaseWrite, OfferedRecord};
use super::judge::Judge;
use super::leases::Leases;
use super::name::{Ownership, Process};
use super::permission;
use super::position::Position;
use super::rare::Rare;
use super::rules::Rule;
use super::shard::Life;
use super::stream::Stream;
use super::tenant::{Tenant, excuse_unpinned};
use testkit::kinesis::ShardId;

/// All ownerships of a run.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    numbers: BTreeMap<Ownership, usize>,
    tenants: Vec<Tenant>,
    /// The latest ownership of each shard by each worker.
    latest: BTreeMap<(ShardId, Process), usize>,
    /// The shards that a worker says it reads, and the worker.
    said: BTreeSet<(ShardId, Process)>,
    /// Those of a lease whose stream never had the shard.
    strangers: BTreeSet<Ownership>,
    /// The largest fencing token of each shard.
    largest: BTreeMap<ShardId, u64>,
    /// The shards that were given up, and by which worker.
    halted: BTreeMap<ShardId, Process>,
}

impl Consumers {
    pub(crate) fn tell(
        &mut self,
        ownership: &Ownership,
        fact: ConsumerFact,
        evidence: &mut Evidence,
        judge: &mut Judge,
    ) {
        if let ConsumerFact::Initialized { checkpoint } = fact {
            self.initialized(ownership, checkpoint, evidence, judge);
            return;
        }
        if self.strangers.contains(ownership) {
            permission::check_stranger(ownership, &fact, judge);
            return;
        }
        let number = self.numbers.get(ownership).copied();
        let tenant = number.and_then(|number| self.tenants.get_mut(number));
        let shard = tenant
            .as_ref()
            .and_then(|tenant| evidence.stream.of_mut(tenant.deletions, ownership.shard));
        let (Some(number), Some(tenant), Some(shard)) = (number, tenant, shard) else {
            judge.broken(
                Rule::History,
                format_args!("{ownership} did something before it was initialized"),
            );
            return;
        };
        tenant.told(&fact, shard, judge);
        let deletions = tenant.deletions;
        match fact {
            ConsumerFact::Offered { records, lease } => {
                self.check_permission((ownership, deletions), lease, evidence, judge);
                self.offered(number, &records, evidence, judge);
            }
            ConsumerFact::RecordBegun { record, lease } => {
                self.check_permission((ownership, deletions), lease, evidence, judge);
                self.begun(number, record, evidence, judge);
            }
            ConsumerFact::AtWork { lease } => {
                permission::check_work((ownership, deletions), lease, &evidence.leases, judge)
            }
            ConsumerFact::PendingFound { position } => {
                permission::check_pending(ownership, position, &evidence.leases, judge);
            }
            ConsumerFact::CheckpointAcknowledged { position } => {
                permission::check_acknowledgement(ownership, position, &evidence.leases, judge);
            }
            ConsumerFact::CheckpointDeferred { position } => evidence.leases.deferred(ownership.shard, position),
            ConsumerFact::LeaseLost => {
                if evidence.lapsed_before_its_reply(ownership) {
                    judge.reached(Rare::LapseBeforeReply);
                }
            }
            ConsumerFact::ShardHalted => self.shard_halted(ownership, judge),
            ConsumerFact::HaltEnds { .. } => self.halt_is_over(ownership),
            ConsumerFact::Initialized { .. }
            | ConsumerFact::BegunAnew { .. }
            | ConsumerFact::Processed { .. }
            | ConsumerFact::Failed
            | ConsumerFact::GaveUp { .. }
            | ConsumerFact::RecordNamed { .. }
            | ConsumerFact::RecordDone { .. }
            | ConsumerFact::RecordFailed { .. }
            | ConsumerFact::ShardEnded
            | ConsumerFact::ShutdownRequested
            | ConsumerFact::Left => {}
        }
    }

    /// At the end of a quiet run, every wanted record was processed; unless its shard, or one before it, was halted.
    pub(crate) fn finish(&self, evidence: &Evidence, judge: &mut Judge) {
        if evidence.stream.is_told() {
            return;
        }
        for (id, shard) in evidence.stream.shards() {
            let Some(undone) = shard.first_undone() else { continue };
            if self.is_halted(id, evidence) {
                continue;
            }
            let row = evidence.leases.row(id);
            let row = row.map_or("no lease".to_owned(), |row| {
                format!("a checkpoint at {}", row.checkpoint)
            });
            judge.broken(
                Rule::AtLeastOnce,
                format_args!(
                    "{} of {id} was never processed, the first of up to {} records; the shard has {row}",
                    undone.place,
                    shard.len() - shard.done()
                ),
            );
        }
    }

    fn initialized(&mut self, ownership: &Ownership, checkpoint: Position, evidence: &mut Evidence, judge: &mut Judge) {
        // From a start position nothing is passed over, whatever stream the row was made for.
        if checkpoint.is_start() && evidence.stream.get(ownership.shard).is_some() {
            evidence.leases.adopt(ownership.shard);
        }
        let deletions = evidence.leases.deletions(ownership.shard);
        let deletions = deletions.unwrap_or_else(|| evidence.stream.deletions());
        let Some(shard) = evidence.stream.of_mut(deletions, ownership.shard) else {
            // The stream was created again while the worker that created the lease listed its shards.
            self.strangers.insert(ownership.clone());
            return;
        };
        // An error is followed by another call, in the same ownership.
        if self.numbers.contains_key(ownership) {
            return;
        }
        judge.figures.ownerships += 1;
        let largest = self.largest.entry(ownership.shard).or_default();
        permission::check_new_token(ownership, *largest, &evidence.leases, judge);
        permission::check_beginning(ownership, checkpoint, &evidence.leases, judge);
        *largest = ownership.token.max(*largest);
        let leased_at = evidence.leases.had_since(ownership.shard, &ownership.worker);
        // The next owner tries again.
        let halted_by = self.halted.remove(&ownership.shard);
        if halted_by.is_some_and(|worker| !evidence.faults.share_a_host(&worker, &ownership.worker)) {
            judge.reached(Rare::HaltedShardMoved);
        }
        self.numbers.insert(ownership.clone(), self.tenants.len());
        let reader = (ownership.shard, ownership.worker.clone());
        self.latest.insert(reader, self.tenants.len());
        let held = (ownership.clone(), deletions);
        self.tenants
            .push(Tenant::new(held, leased_at, checkpoint, shard, judge));
    }

    /// An owner that began at `LATEST` moves to the shard's end without being offered anything. A handler that is told of
    /// records alone does not say that it begins, so the lease shows it.
    pub(crate) fn excuse_what_an_owner_at_latest_left(
        &mut self,
        write: &LeaseWrite,
        leases: &Leases,
        stream: &mut Stream,
        judge: &mut Judge,
    ) {
        let ends = write
            .after
            .as_ref()
            .is_some_and(|row| row.checkpoint == Position::ShardEnd);
        let before = leases.row(write.shard).filter(|row| row.checkpoint == Position::Latest);
        let (true, Some(owner)) = (ends, before.and_then(LeaseRow::reader)) else {
            return;
        };
        let is_told_of = self.tenant_of(write.shard, owner, leases).is_some();
        let deletions = leases.deletions(write.shard).unwrap_or_default();
        if let Some(shard) = stream.of_mut(deletions, write.shard).filter(|_| !is_told_of) {
            excuse_unpinned(shard, judge);
        }
    }

    /// The owner of a lease at `LATEST` begins with what is stored from now on, unless its handler was offered something by this
    /// ownership.
    pub(crate) fn begins_at_latest(
        &mut self,
        id: ShardId,
        caller: &Process,
        evidence: &mut Evidence,
        judge: &mut Judge,
    ) {
        let Evidence {
            stream, leases, faults, ..
        } = evidence;
        let row = leases.row(id).filter(|row| row.checkpoint == Position::Latest);
        let owner = row.and_then(LeaseRow::reader).cloned();
        let Some(owner) = owner.filter(|owner| faults.share_a_host(owner, caller)) else {
            return;
        };
        let tenant = self.tenant_of(id, &owner, leases);
        let is_offered = tenant.is_some_and(|tenant| {
            let has_lapsed = leases.lapsed_since(id, tenant.offered_at);
            tenant.is_offered_records() && !tenant.is_over() && !has_lapsed
        });
        let deletions = leases.deletions(id).unwrap_or_default();
        if let Some(shard) = stream.of_mut(deletions, id).filter(|_| !is_offered) {
            excuse_unpinned(shard, judge);
        }
    }

    /// The tenant that the worker is by the ownership it has now.
    fn tenant_of(&mut self, shard: ShardId, worker: &Process, leases: &Leases) -> Option<&mut Tenant> {
        let since = leases.had_since(shard, worker);
        self.latest(shard, worker).filter(|tenant| tenant.leased_at == since)
    }

    fn check_permission(
        &self,
        (ownership, deletions): (&Ownership, usize),
        lease: LeaseClaim,
        evidence: &Evidence,
        judge: &mut Judge,
    ) {
        let largest = self.largest.get(&ownership.shard).copied().unwrap_or_default();
        permission::check((ownership, deletions), lease, largest, evidence, judge);
    }

    /// A record of an ownership begins to run, beside others.
    fn begun(&mut self, number: usize, record: OfferedRecord, evidence: &mut Evidence, judge: &mut Judge) {
        judge.figures.offered += 1;
        let Some(tenant) = self.tenants.get_mut(number) else {
            return;
        };
        let Some(shard) = evidence.stream.of_mut(tenant.deletions, tenant.ownership.shard) else {
            return;
        };
        if let Some(found) = tenant.locate(&[record], shard, judge) {
            tenant.record_begun(found.start, shard, judge);
            self.count_duplicates(number, found, evidence, judge);
        }
    }

    /// The tenant of a shard whose records a worker tells of.
    pub(crate) fn latest(&mut self, shard: ShardId, worker: &Process) -> Option<&mut Tenant> {
        let number = self.latest.get(&(shard, worker.clone()))?;
        self.tenants.get_mut(*number)
    }

    fn offered(&mut self, number: usize, records: &[OfferedRecord], evidence: &mut Evidence, judge: &mut Judge) {
        judge.figures.offered += records.len() as u64;
        let Some(tenant) = self.tenants.get_mut(number) else {
            return;
        };
        let Some(shard) = evidence.stream.of_mut(tenant.deletions, tenant.ownership.shard) else {
            return;
        };
        if let Some(batch) = tenant.locate(records, shard, judge) {
            tenant.take(batch.clone(), shard, judge);
            let ownership = tenant.ownership.clone();
            // A halted shard is tried now and then.
            self.halt_is_over(&ownership);
            self.count_duplicates(number, batch, evidence, judge);
        }
    }

    /// Counts the records of the batch that were offered before, by cause.
    fn count_duplicates(&self, number: usize, batch: Range<usize>, evidence: &mut Evidence, judge: &mut Judge) {
        let Some(tenant) = self.tenants.get(number) else { return };
        // Neighbours were mostly offered to the same ownership before.
        let mut known: Option<(usize, Option<Cause>)> = None;
        for index in batch {
            let Some(shard) = evidence.stream.of_mut(tenant.deletions, tenant.ownership.shard) else {
                return;
            };
            let Some(before) = shard.offer(index, number) else {
                continue;
            };
            let cause = match known {
                _ if before == number => Some(Cause::HandlerFailure),
                Some((same, cause)) if same == before => cause,
                _ => {
                    let Some(previous) = self.tenants.get(before) else {
                        continue;
                    };
                    let cause = duplicates::between(previous, tenant, evidence, judge);
                    if cause.is_none() {
                        tenant.took_without_cause(index, &previous.ownership, evidence, judge);
                    }
                    known = Some((before, cause));
                    cause
                }
            };
            if let Some(cause) = cause {
                *judge.figures.offered_again.entry(cause).or_default() += 1;
            }
        }
    }

    /// Only the latest owner of a shard can halt it.
    fn shard_halted(&mut self, ownership: &Ownership, judge: &mut Judge) {
        let largest = self.largest.get(&ownership.shard).copied().unwrap_or_default();
        if ownership.token == largest {
            self.halted.insert(ownership.shard, ownership.worker.clone());
        }
        judge.figures.halted += 1;
    }

    fn halt_is_over(&mut self, ownership: &Ownership) {
        if self.halted.get(&ownership.shard) == Some(&ownership.worker) {
            self.halted.remove(&ownership.shard);
        }
    }

    pub(crate) fn says_that_it_reads(&mut self, shard: ShardId, worker: &Process) {
        self.said.insert((shard, worker.clone()));
    }

    pub(crate) fn says_that_it_left(&mut self, shard: ShardId, worker: &Process) {
        self.said.remove(&(shard, worker.clone()));
    }

    /// Whether the worker reads the shard: the application was given it, and not told that this is over; or the worker says so.
    pub(crate) fn reads(&self, shard: ShardId, worker: &Process) -> bool {
        if self.said.contains(&(shard, worker.clone())) {
            return true;
        }
        let latest = self.latest.get(&(shard, worker.clone()));
        latest
            .and_then(|number| self.tenants.get(*number))
            .is_some_and(|tenant| !tenant.is_over())
    }

    /// All leases were deleted, and all workers with them are gone: nothing is halted any more.
    pub(crate) fn begin_anew(&mut self) {
        self.halted.clear();
    }

    /// Whether each open shard is read by the owner of its lease, or given up by the application.
    pub(crate) fn are_complete(&self, evidence: &Evidence) -> bool {
        let mut open = evidence.stream.shards().filter(|(_, shard)| shard.life == Life::Open);
        let is_told = evidence.stream.is_told();
        is_told
            || open.all(|(id, _)| {
                let owner = evidence.leases.present_row(id).and_then(|row| row.reader());
                owner.is_some_and(|owner| self.reads(id, owner))
                    || coverage::waits(id, &evidence.stream, &evidence.leases)
                    || self.is_halted(id, evidence)
            })
    }

    /// Whether the shard, or one before it, is halted.
    pub(crate) fn is_halted(&self, shard: ShardId, evidence: &Evidence) -> bool {
        let mut line = vec![shard];
        while let Some(shard) = line.pop() {
            if self.halted.contains_key(&shard) {
                return true;
            }
            line.extend(evidence.stream.get(shard).into_iter().flat_map(|shard| &shard.parents));
        }
        false
    }
}
