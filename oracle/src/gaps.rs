//! Pure: how long shards go without a reader, or their records unread, although a worker could see to it (C4).

use std::collections::BTreeMap;
use std::time::Duration;

use super::consumer::Consumers;
use super::coverage;
use super::evidence::Evidence;
use super::judge::{Judge, Seconds};
use super::name::Process;
use super::rules::Rule;
use super::shard::Shard;
use testkit::kinesis::ShardId;

/// How often shards are looked at. Our choice: far below any bound that makes sense.
const INTERVAL: Duration = Duration::from_secs(1);

/// The gaps of a run that are not over.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    looked_at: Duration,
    unowned: BTreeMap<ShardId, Gap>,
    unattended: BTreeMap<ShardId, Gap>,
    unread: BTreeMap<ShardId, Gap>,
}

/// A stretch of time in which nothing moved.
#[derive(Debug)]
struct Gap {
    since: Duration,
    /// How many records were done as it began.
    done: usize,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Already,
}

impl Gaps {
    /// Looks at all shards, now and then.
    pub(crate) fn observe(&mut self, evidence: &Evidence, consumers: &Consumers, judge: &mut Judge) {
        let Some(bound) = judge.rules.coverage_within else {
            return;
        };
        if judge.now < self.looked_at + INTERVAL {
            return;
        }
        self.looked_at = judge.now;
        if evidence.stream.is_told() {
            self.forget();
            return;
        }
        for (id, shard) in evidence.stream.shards() {
            let is_due = coverage::is_unfinished(id, shard, &evidence.leases) || shard.done() < shard.len();
            if !is_due || coverage::waits(id, &evidence.stream, &evidence.leases) || consumers.is_halted(id, evidence) {
                self.unowned.remove(&id);
                self.unattended.remove(&id);
                self.unread.remove(&id);
                continue;
            }
            self.look_at_owner((id, shard), bound, evidence, judge);
            self.look_at_reader((id, shard), bound, (evidence, consumers), judge);
            self.look_at_records((id, shard), bound * 2, evidence, judge);
        }
    }

    /// The shards are others, or nobody reads them: no gap is any news.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            looked_at: self.looked_at,
            ..Self::default()
        };
    }

    /// Its lease is owned by a living worker that renews it; if not, any worker may take it.
    fn look_at_owner(
        &mut self,
        (id, shard): (ShardId, &Shard),
        bound: Duration,
        evidence: &Evidence,
        judge: &mut Judge,
    ) {
        let renewed = evidence.leases.is_renewed(id, judge);
        if renewed && coverage::is_owned(id, &evidence.leases, &evidence.fleet) {
            self.unowned.remove(&id);
            return;
        }
        let gap = Gap::of(&mut self.unowned, id, shard, judge.now);
        let able = evidence.fleet.takers().find(|worker| {
            let able_since = evidence.able_since(worker);
            able_since.is_some_and(|able_since| judge.now > able_since.max(gap.since) + bound)
        });
        if let Some(worker) = able
            && gap.is_news()
        {
            judge.broken(
                Rule::Coverage,
                format_args!(
                    "{id} has had no living owner that renews its lease since {}, though nothing kept {worker} from \
                     taking it for {}",
                    Seconds(gap.since),
                    Seconds(bound)
                ),
            );
        }
    }

    /// Whoever owns and renews its lease has handed it to the application; if not, no other worker ever will.
    fn look_at_reader(
        &mut self,
        (id, shard): (ShardId, &Shard),
        bound: Duration,
        (evidence, consumers): (&Evidence, &Consumers),
        judge: &mut Judge,
    ) {
        let owner = owner_in_service(id, evidence);
        let Some(owner) = owner.filter(|owner| !consumers.reads(id, owner)) else {
            self.unattended.remove(&id);
            return;
        };
        let gap = Gap::of(&mut self.unattended, id, shard, judge.now);
        let able_since = gap.able_since(id, owner, evidence);
        if able_since.is_some_and(|since| judge.now > since + bound) && gap.is_news() {
            judge.broken(
                Rule::Coverage,
                format_args!(
                    "{id} has had no reader since {}, though {owner} owns its lease and nothing kept it from reading \
                     for {}",
                    Seconds(gap.since),
                    Seconds(bound)
                ),
            );
        }
    }

    /// What it holds is read on, and a closed shard to its end; if not, its owner is to blame.
    fn look_at_records(
        &mut self,
        (id, shard): (ShardId, &Shard),
        bound: Duration,
        evidence: &Evidence,
        judge: &mut Judge,
    ) {
        let gap = Gap::of(&mut self.unread, id, shard, judge.now);
        let ends = coverage::is_to_be_ended(id, shard, &evidence.leases);
        if gap.done != shard.done() || (shard.done() == shard.len() && !ends) {
            self.unread.remove(&id);
            return;
        }
        let Some(owner) = owner_in_service(id, evidence) else {
            return;
        };
        let able_since = gap.able_since(id, owner, evidence);
        if able_since.is_some_and(|since| judge.now > since + bound) && gap.is_news() {
            judge.broken(
                Rule::Coverage,
                format_args!(
                    "{id} has been read no further since {}, though nothing kept {owner}, its owner, from it \
                     for {}",
                    Seconds(gap.since),
                    Seconds(bound)
                ),
            );
        }
    }
}

/// The owner of the shard's lease, if it lives and nobody has asked it to stop.
fn owner_in_service(id: ShardId, evidence: &Evidence) -> Option<&Process> {
    let owner = evidence.leases.present_row(id)?.reader()?;
    evidence.fleet.takers().find(|worker| *worker == owner)
}

impl Gap {
    fn of<'a>(gaps: &'a mut BTreeMap<ShardId, Self>, id: ShardId, shard: &Shard, now: Duration) -> &'a mut Self {
        gaps.entry(id).or_insert_with(|| Self {
            since: now,
            done: shard.done(),
            told: Told::NotYet,
        })
    }

    /// Since when the owner of the shard's lease could have ended it; `None` if a fault is in its way.
    fn able_since(&self, id: ShardId, owner: &Process, evidence: &Evidence) -> Option<Duration> {
        let owned_since = evidence.leases.owned_since(id).unwrap_or_default();
        let able_since = evidence.able_since(owner)?;
        Some(able_since.max(owned_since).max(self.since))
    }

    /// Each gap is told once.
    fn is_news(&mut self) -> bool {
        std::mem::replace(&mut self.told, Told::Already) == Told::NotYet
    }
}
