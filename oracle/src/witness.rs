//! Feeds an oracle from a simulation: what the service and the lease table do it sees by itself, the rest it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::row::{self, Unreadable};
use super::{
    Ending, Fact, FaultId, FleetFact, LeaseWrite, Oracle, Process, Report, Rules, ServiceFact, Target, Violation,
};
use testkit::Service;
use testkit::dynamodb::Change;
use testkit::kinesis::{Kinesis, SequenceNumber, ServiceError, ShardId, Timestamp, response};
use testkit::sim::observation::{Lesson, Phase, Turn, Unacknowledged};
use testkit::sim::{Sim, Trouble, TroubleKind};

/// An [`Oracle`] that watches a stream and a lease table of a simulation. Clones are the same witness.
///
/// It sees by itself what the service stores, how its shards come and go, each write to the lease table, and the troubles
/// of [plans](Sim::follow). It must be [told](Self::tell) the rest: what callers of producers and handlers of consumers
/// see.
#[derive(Clone)]
pub struct Witness {
    sim: Sim,
    seen: Arc<Mutex<Seen>>,
}

/// A fact and when it happened.
type Told = (Duration, Fact);

/// What was seen so far.
struct Seen {
    /// `None` once it has judged.
    oracle: Option<Oracle>,
    /// The time of the latest fact.
    told: Duration,
    stream: String,
    /// Each shard, and the last record of it that was told.
    shards: BTreeMap<ShardId, SeenShard>,
    /// The stream that was told of last.
    incarnation: Option<u64>,
    /// The stream that was deleted last, while there is no other one.
    deleted: Option<u64>,
    turns: usize,
    unacknowledged: usize,
    learnt: usize,
}

#[derive(Default)]
struct SeenShard {
    is_closed: bool,
    last: Option<SequenceNumber>,
    /// All records before this one are known to be trimmed.
    kept_from: Option<SequenceNumber>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = &self.seen().stream;
        f.debug_struct("Witness")
            .field("stream", stream)
            .finish_non_exhaustive()
    }
}

impl Witness {
    /// Watches a stream and a lease table, which may both come to exist only later.
    pub fn new(sim: &Sim, stream: &str, table: &str, rules: Rules) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            oracle: Some(Oracle::new(rules)),
            told: Duration::ZERO,
            stream: stream.to_owned(),
            shards: BTreeMap::new(),
            incarnation: None,
            deleted: None,
            turns: 0,
            unacknowledged: 0,
            learnt: 0,
        }));
        // Weak, for the simulation must not keep alive what keeps it alive.
        let (watched, watching) = (sim.downgrade(), Arc::downgrade(&seen));
        let watch = move |change: &Change| {
            if let (Some(sim), Some(seen)) = (watched.upgrade(), watching.upgrade()) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.catch_up(&sim);
                seen.row_changed(&sim, change);
            }
        };
        sim.dynamodb(|dynamodb| dynamodb.watch(table, watch));
        let sim = sim.clone();
        Self { sim, seen }
    }

    /// Tells what the simulation does not see. What the service did before is seen first.
    pub fn tell(&self, fact: Fact) {
        let mut seen = self.seen();
        seen.catch_up(&self.sim);
        seen.tell(self.sim.elapsed(), fact);
    }

    /// Deletes the stream, as a DeleteStream would: what it stored until then is seen first. A stream that is created under
    /// its name later is watched instead of it.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a call, for instance that the stream is being updated.
    pub fn delete_stream(&self) -> Result<(), ServiceError> {
        let mut seen = self.seen();
        seen.catch_up(&self.sim);
        let incarnation = self.sim.kinesis(|kinesis| kinesis.incarnation(&seen.stream));
        self.sim.stream(&seen.stream).delete()?;
        seen.deleted = incarnation;
        seen.shards.clear();
        seen.tell(self.sim.elapsed(), Fact::Service(ServiceFact::StreamDeleted));
        Ok(())
    }

    /// Has the stream forget what arrived before that time, as its retention period would: what it stored is seen first.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such stream.
    pub fn trim_before(&self, horizon: SystemTime) -> Result<(), ServiceError> {
        let mut seen = self.seen();
        seen.catch_up(&self.sim);
        let incarnation = self.sim.kinesis(|kinesis| kinesis.incarnation(&seen.stream));
        if seen.deleted.is_some() && seen.deleted == incarnation {
            // Nothing more is told of a stream that is being deleted, so it forgets nothing more.
            return Ok(());
        }
        let trimmed = self.sim.stream(&seen.stream).control(|stream| {
            stream.trim_before(horizon);
            Ok(())
        });
        seen.catch_up(&self.sim);
        trimmed
    }

    /// The rules that were broken so far.
    pub fn violations(&self) -> Vec<Violation> {
        let seen = self.seen();
        seen.oracle
            .as_ref()
            .map_or_else(Vec::new, |oracle| oracle.violations().to_vec())
    }

    /// Whether a worker said that the stream was created again, and the leases of the earlier one are still there.
    pub fn is_recreation_told(&self) -> bool {
        let seen = self.seen();
        seen.oracle.as_ref().is_some_and(Oracle::is_recreation_told)
    }

    /// Whether every stored record was processed, and each open shard is read by a living worker that owns its lease.
    pub fn is_caught_up(&self) -> bool {
        let mut seen = self.seen();
        seen.catch_up(&self.sim);
        seen.told = self.sim.elapsed();
        let told = seen.told;
        seen.oracle.as_mut().is_none_or(|oracle| {
            oracle.wait(told);
            oracle.is_caught_up()
        })
    }

    /// The verdict. Nothing that is told afterwards counts; a second call has nothing more to say.
    pub fn finish(&self, ending: Ending) -> Option<Report> {
        let mut seen = self.seen();
        seen.catch_up(&self.sim);
        let oracle = seen.oracle.take()?;
        Some(oracle.finish(self.sim.elapsed(), ending))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn tell(&mut self, at: Duration, fact: Fact) {
        if let Some(oracle) = &mut self.oracle {
            // The service counts in milliseconds: what it dates may seem to be older than what was told before.
            self.told = self.told.max(at);
            oracle.tell(self.told, fact);
        }
    }

    /// Tells what happened since the last time, in the order of its times: it comes before whatever is told next.
    fn catch_up(&mut self, sim: &Sim) {
        let mut facts: Vec<Told> = sim
            .unacknowledged_after(self.unacknowledged)
            .iter()
            .map(unacknowledged)
            .collect();
        self.unacknowledged += facts.len();
        let lessons = sim.learnt_after(self.learnt);
        self.learnt += lessons.len();
        facts.extend(
            lessons
                .into_iter()
                .map(|(at, caller, lesson)| (at, learnt(&caller, lesson))),
        );
        facts.extend(self.news_of_the_stream(sim));
        let turns = sim.turns_after(self.turns);
        self.turns += turns.len();
        facts.extend(turns.iter().map(|turn| (turn.at, turned(turn))));
        // What is alike to the millisecond keeps its order: records are dated no better.
        facts.sort_by_key(|(at, _)| at.as_millis());
        facts.into_iter().for_each(|(at, fact)| self.tell(at, fact));
    }

    /// What the service did since the last time.
    fn news_of_the_stream(&mut self, sim: &Sim) -> Vec<Told> {
        let (now, shown) = (sim.elapsed(), sim.now());
        sim.kinesis(|kinesis| {
            kinesis.settle(shown);
            let mut facts = Vec::new();
            if self.deleted.is_some() && self.deleted == kinesis.incarnation(&self.stream) {
                return facts;
            }
            facts.extend(self.news_of_its_creation(kinesis));
            let listed = kinesis.shards(&self.stream);
            let gone = self.shards.iter_mut().filter(|(id, _)| {
                let id = **id;
                !listed.iter().any(|shard| shard.shard_id == id)
            });
            facts.extend(gone.filter_map(|(id, seen)| Some((now, seen.trimmed_with_its_shard(*id)?))));
            for shard in listed {
                let is_new = !self.shards.contains_key(&shard.shard_id);
                let seen = self.shards.entry(shard.shard_id).or_default();
                let stored = seen.stored(kinesis, &self.stream, shard.shard_id);
                let (opened, closed_at) = life(kinesis, &self.stream, shard.shard_id);
                if is_new {
                    facts.push((opened.unwrap_or(now), created(&shard)));
                }
                facts.extend(stored);
                let trimmed = seen.trimmed(kinesis, &self.stream, shard.shard_id);
                facts.extend(trimmed.map(|fact| (now, fact)));
                let is_closed = shard.sequence_number_range.ending_sequence_number.is_some();
                if is_closed && !std::mem::replace(&mut seen.is_closed, true) {
                    let closed = ServiceFact::ShardClosed { shard: shard.shard_id };
                    facts.push((closed_at.unwrap_or(now), Fact::Service(closed)));
                }
            }
            facts
        })
    }

    /// That there is a stream which was not told of yet.
    fn news_of_its_creation(&mut self, kinesis: &Kinesis) -> Option<Told> {
        let incarnation = kinesis.incarnation(&self.stream);
        let created = kinesis
            .created(&self.stream)
            .filter(|_| self.incarnation != incarnation)?;
        self.incarnation = incarnation;
        let fact = Fact::Service(ServiceFact::StreamCreated { created });
        Some((Sim::elapsed_at(created.into()), fact))
    }

    fn row_changed(&mut self, sim: &Sim, change: &Change) {
        // A row that is no shard's is none of ours.
        let Some(shard) = row::shard(&change.key) else {
            return;
        };
        let writer = Process::new(&sim.caller());
        let fact = match change.after.as_ref().map(row::read).transpose() {
            Ok(after) => FleetFact::LeaseWritten(LeaseWrite {
                writer,
                sent: sim.called_at(),
                shard,
                after,
            }),
            Err(Unreadable(attribute)) => FleetFact::LeaseGarbled {
                writer,
                shard,
                attribute: attribute.to_owned(),
            },
        };
        self.tell(sim.elapsed(), Fact::Fleet(fact));
    }
}

impl SeenShard {
    /// The records that were not told yet.
    fn stored(&mut self, kinesis: &Kinesis, stream: &str, shard: ShardId) -> Vec<Told> {
        let mut facts = Vec::new();
        for record in kinesis.stored_after(stream, shard, self.last) {
            self.last = Some(record.sequence_number);
            let stored = ServiceFact::RecordStored {
                shard,
                sequence_number: record.sequence_number,
                partition_key: record.partition_key.clone().unwrap_or_default(),
                data: record.data.clone(),
            };
            facts.push((Sim::elapsed_at(record.arrival.into()), Fact::Service(stored)));
        }
        facts
    }
}

impl SeenShard {
    /// That the shard is gone, and with it the records which were told. The service forgets closed shards that are empty.
    fn trimmed_with_its_shard(&mut self, shard: ShardId) -> Option<Fact> {
        let below = self.last?.successor();
        if self.kept_from.replace(below) == Some(below) {
            return None;
        }
        Some(Fact::Service(ServiceFact::RecordsTrimmed { shard, below }))
    }

    /// That records which were told have been trimmed since.
    fn trimmed(&mut self, kinesis: &Kinesis, stream: &str, shard: ShardId) -> Option<Fact> {
        let oldest = kinesis.stored_after(stream, shard, None).next();
        let kept_from = match oldest {
            Some(record) => record.sequence_number,
            None => self.last?.successor(),
        };
        if self
            .kept_from
            .replace(kept_from)
            .is_none_or(|before| before == kept_from)
        {
            return None;
        }
        let below = kept_from;
        Some(Fact::Service(ServiceFact::RecordsTrimmed { shard, below }))
    }
}

/// When a shard was opened and closed.
fn life(kinesis: &Kinesis, stream: &str, shard: ShardId) -> (Option<Duration>, Option<Duration>) {
    let (opened, closed) = kinesis.life(stream, shard).unzip();
    let elapsed = |at: Timestamp| Sim::elapsed_at(at.into());
    (opened.map(elapsed), closed.flatten().map(elapsed))
}

fn created(shard: &response::Shard) -> Fact {
    let range = &shard.hash_key_range;
    Fact::Service(ServiceFact::ShardCreated {
        shard: shard.shard_id,
        parents: shard
            .parent_shard_id
            .into_iter()
            .chain(shard.adjacent_parent_shard_id)
            .collect(),
        hash_range: range.starting_hash_key.value()..=range.ending_hash_key.value(),
    })
}

fn learnt(caller: &str, lesson: Lesson) -> Fact {
    let caller = Process::new(caller);
    Fact::Service(match lesson {
        Lesson::Missing { answered } => ServiceFact::StreamMissed { caller, answered },
        Lesson::Shards { asked, as_of } => ServiceFact::StreamListed { caller, asked, as_of },
        Lesson::BeginsAtLatest(shard) => ServiceFact::BeginsAtLatest { caller, shard },
    })
}

fn unacknowledged(call: &Unacknowledged) -> Told {
    let Unacknowledged {
        caller,
        service,
        operation,
        applied,
        because,
    } = call;
    let fact = FleetFact::Unacknowledged {
        caller: Process::new(caller),
        service: *service,
        operation: operation.clone(),
        applied: *applied,
        because: *because,
    };
    (*applied, Fact::Fleet(fact))
}

fn turned(turn: &Turn) -> Fact {
    let fault = FaultId(turn.number as u64);
    Fact::Fleet(match turn.phase {
        Phase::Begins => FleetFact::FaultBegan {
            fault,
            name: turn.trouble.kind.name().to_owned(),
            target: target(&turn.trouble),
        },
        Phase::Ends => FleetFact::FaultEnded { fault },
    })
}

fn target(trouble: &Trouble) -> Target {
    match (&trouble.process, &trouble.kind) {
        (Some(process), kind) if !kind.befalls_everybody() => Target::Process(Process::new(process)),
        (_, TroubleKind::Calls { service, .. } | TroubleKind::CutOff(service)) => Target::Service(*service),
        _ => Target::Service(Service::Kinesis),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::story::row;
    use crate::{Position, Rule};

    #[tokio::test(start_paused = true)]
    async fn what_the_service_has_trimmed_is_not_missed() {
        for (horizon, broken) in [
            (Duration::ZERO, vec![Rule::AtLeastOnce]),
            (Duration::from_secs(60), Vec::new()),
        ] {
            let sim = Sim::new(1);
            sim.create_stream("orders", 1).unwrap();
            let witness = Witness::new(&sim, "orders", "leases", Rules::new(Duration::from_secs(10)));
            sim.stream("orders").put("k", "one").unwrap();
            assert!(!witness.is_caught_up());
            sim.advance(Duration::from_secs(1)).await;
            let now = sim.now();
            sim.stream("orders")
                .control(|orders| {
                    orders.trim_before(now.checked_sub(Duration::from_secs(60)).unwrap() + horizon);
                    Ok(())
                })
                .unwrap();
            let report = witness.finish(Ending::Quiet).unwrap();
            let rules: Vec<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
            assert_eq!(rules, broken);
            assert!(witness.finish(Ending::Quiet).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_split_that_nobody_has_asked_about_is_seen_before_the_stream_is_deleted() {
        let sim = Sim::new(1);
        sim.create_stream("orders", 1).unwrap();
        let witness = Witness::new(&sim, "orders", "leases", Rules::new(Duration::from_secs(10)));
        let shard = sim.stream("orders").open_shards()[0];
        let written = |counter, checkpoint| {
            let write = LeaseWrite {
                writer: Process::new("w"),
                sent: sim.elapsed(),
                shard,
                after: Some(row(Some("w"), counter, checkpoint)),
            };
            witness.tell(Fact::Fleet(FleetFact::LeaseWritten(write)));
        };
        written(1, Position::TrimHorizon);
        sim.stream("orders").split(shard).unwrap();
        sim.advance(Duration::from_secs(60)).await;
        witness.delete_stream().unwrap();
        written(2, Position::ShardEnd);
        assert_eq!(witness.violations(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn the_records_of_a_closed_shard_are_trimmed_with_it() {
        let sim = Sim::new(1);
        sim.create_stream("orders", 1).unwrap();
        let witness = Witness::new(&sim, "orders", "leases", Rules::new(Duration::from_secs(10)));
        let shard = sim.stream("orders").open_shards()[0];
        sim.stream("orders").put("k", "one").unwrap();
        sim.stream("orders").split(shard).unwrap();
        sim.advance(Duration::from_secs(2)).await;
        assert!(!witness.is_caught_up());
        witness.trim_before(sim.now()).unwrap();
        assert_eq!(sim.stream("orders").shards().len(), 2, "the closed shard is gone");
        let report = witness.finish(Ending::Quiet).unwrap();
        assert_eq!(report.violations, []);
        assert_eq!(report.figures.trimmed_unread, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_deleted_and_created_again_is_watched_as_another_one() {
        let sim = Sim::new(1);
        sim.create_stream("orders", 1).unwrap();
        let witness = Witness::new(&sim, "orders", "leases", Rules::new(Duration::from_secs(10)));
        sim.stream("orders").put("k", "one").unwrap();
        witness.delete_stream().unwrap();
        assert!(witness.is_caught_up(), "nothing is owed of a stream that is gone");
        assert!(sim.stream("orders").put("k", "two").is_err());
        sim.advance(Duration::from_secs(1)).await;
        sim.create_stream("orders", 2).unwrap();
        sim.stream("orders").put("k", "three").unwrap();
        assert!(!witness.is_caught_up());
        let report = witness.finish(Ending::CutShort).unwrap();
        assert_eq!(report.violations, []);
        assert_eq!((report.figures.stored, report.figures.unread), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_row_that_cannot_be_read_is_no_deleted_one() {
        for (counter, broken) in [("1", vec![]), ("one", vec![Rule::History])] {
            let sim = Sim::new(1);
            sim.create_stream("orders", 1).unwrap();
            let witness = Witness::new(&sim, "orders", "leases", Rules::new(Duration::from_secs(10)));
            let shard = sim.stream("orders").open_shards()[0];
            let key = json!({"leaseKey": {"S": shard.to_string()}});
            let row = json!({"checkpoint": {"S": "TRIM_HORIZON"}, "leaseCounter": {"N": counter}});
            let change = Change {
                at: sim.now(),
                table: "leases".to_owned(),
                key: serde_json::from_value(key).unwrap(),
                before: None,
                after: Some(serde_json::from_value(row).unwrap()),
            };
            let mut seen = witness.seen();
            seen.catch_up(&sim);
            seen.row_changed(&sim, &change);
            drop(seen);
            let rules: Vec<Rule> = witness.violations().iter().map(|violation| violation.rule).collect();
            assert_eq!(rules, broken);
        }
    }
}
