//! The observations of one worker, call by call.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use super::simulation::world::error;
use super::*;
use crate::coordination::members::tests::{BEGUN, java, lease, rust};
use crate::coordination::rows::WorkerMetrics;
use crate::lease::item;
use crate::lease::model::Lease;

const FAILOVER: Duration = Duration::from_secs(10);

/// The observer `me` and its table, whose calls take no time. Times are seconds since it began.
struct Bench {
    begun: Instant,
    now: f64,
    turns: Turns,
    leases: Vec<Lease>,
    metrics: Vec<WorkerMetrics>,
    is_away: bool,
    calls: Vec<(f64, TurnCall)>,
    news: Vec<TurnNews>,
}

impl Bench {
    fn new(leases: Vec<Lease>, metrics: Vec<WorkerMetrics>) -> Self {
        let begun = Instant::now();
        let planner = PlannerPolicy::default();
        let policy = TurnsPolicy {
            failover: FAILOVER,
            planner,
        };
        Self {
            begun,
            now: 0.0,
            turns: Turns::new(WorkerId::new("me"), policy, begun),
            leases,
            metrics,
            is_away: false,
            calls: Vec::new(),
            news: Vec::new(),
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.begun + Duration::from_secs_f64(seconds)
    }

    /// Makes the calls until a time. `live` are renewed before each call.
    fn run(&mut self, until: f64, live: &[&str]) {
        while let Some(at) = self.turns.next_at() {
            let at = at.saturating_duration_since(self.begun).as_secs_f64();
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            for lease in self
                .leases
                .iter_mut()
                .filter(|lease| live.contains(&lease.key.as_str()) || lease.key.as_str() == BEAT)
            {
                lease.counter += 1;
            }
            let now = self.at(self.now);
            let call = self.turns.next(now).unwrap();
            self.calls.push((self.now, call.clone()));
            let reply = self.reply(call);
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGUN) + Duration::from_secs_f64(self.now);
            self.news.extend(self.turns.replied(now, wall, reply));
        }
        self.now = until;
    }

    fn reply(&mut self, call: TurnCall) -> TurnReply {
        match call {
            TurnCall::ScanPage { .. } if self.is_away => TurnReply::Page(Err(error())),
            TurnCall::ScanPage { .. } => {
                let leases = self.leases.iter().cloned().map(Row::Lease);
                let metrics = self.metrics.iter().map(|row| item::decode(row.encode()));
                let rows = leases.chain(metrics).collect();
                TurnReply::Page(Ok(ScanPage { rows, next: None }))
            }
            TurnCall::Get(keys) => TurnReply::Rows(keys.into_iter().map(|key| self.row(key)).collect()),
            TurnCall::Assign(writes) => TurnReply::Assigned(writes.iter().map(|it| self.write(&it.write)).collect()),
        }
    }

    fn row(&self, key: LeaseKey) -> (LeaseKey, Result<Option<Row>, TableError>) {
        let row = self.leases.iter().find(|lease| lease.key == key).cloned();
        let row = if self.is_away {
            Err(error())
        } else {
            Ok(row.map(Row::Lease))
        };
        (key, row)
    }

    fn write(&mut self, write: &LeaseWrite) -> (LeaseKey, WriteOutcome) {
        let LeaseWrite::Assign { seen, to, counter } = write else {
            unreachable!()
        };
        assert_eq!(*counter, CounterCondition::AsSeen);
        let row = self.leases.iter_mut().find(|lease| lease.key == seen.key).unwrap();
        let outcome = if self.is_away {
            WriteOutcome::Unknown(error())
        } else if row.counter == seen.counter {
            row.owner = Some(to.clone());
            row.checkpoint_owner = None;
            row.counter += 1;
            WriteOutcome::Applied(row.clone())
        } else {
            WriteOutcome::Refused(Some(row.clone()))
        };
        (seen.key.clone(), outcome)
    }

    fn scans(&self) -> Vec<f64> {
        let scans = self
            .calls
            .iter()
            .filter(|(_, call)| matches!(call, TurnCall::ScanPage { .. }));
        scans.map(|(at, _)| *at).collect()
    }

    /// The times and keys of the rows that were read by key, without the neighbour's.
    fn gets(&self) -> Vec<(f64, String)> {
        let gets = self.calls.iter().filter_map(|(at, call)| match call {
            TurnCall::Get(keys) => Some(keys.iter().map(|key| (*at, key.to_string()))),
            TurnCall::ScanPage { .. } | TurnCall::Assign(_) => None,
        });
        gets.flatten().filter(|(_, key)| key != BEAT).collect()
    }

    /// The times of the writes, with lease and new owner.
    fn writes(&self) -> Vec<(f64, &str, &str)> {
        let writes = self.calls.iter().filter_map(|(at, call)| match call {
            TurnCall::Assign(writes) => Some(
                writes
                    .iter()
                    .map(|it| (*at, it.write.key().as_str(), it.decision.to.as_str())),
            ),
            TurnCall::ScanPage { .. } | TurnCall::Get(_) => None,
        });
        writes.flatten().collect()
    }
}

/// A lease that is renewed before each call, of the worker next in rank.
const BEAT: &str = "beat";

/// So many workers that the observer has one turn in a test.
fn crowd(mut leases: Vec<Lease>) -> Bench {
    leases.push(lease(BEAT, Some("next"), 1));
    let mut metrics: Vec<_> = (0..60).map(|number| rust(&format!("a{number:02}"), 0)).collect();
    metrics.push(rust("next", 0));
    Bench::new(leases, metrics)
}

#[test]
fn an_observation_is_two_scans_and_a_read_of_what_stood_still_and_of_witnesses_when_its_time_is_over() {
    let leases = vec![lease("dead", Some("a00"), 7), lease("live", Some("a01"), 7)];
    let mut bench = crowd(leases);
    bench.run(9.999, &["live"]);
    assert_eq!(bench.scans(), [0.0, 4.0]);
    assert_eq!((bench.gets(), bench.writes()), (vec![], vec![]));
    bench.run(10.0, &["live"]);
    let witness = (10.0, "live".to_owned());
    assert_eq!(bench.gets(), [(10.0, "dead".to_owned()), witness]);
    assert_eq!(bench.writes().len(), 1);
    assert_ne!(bench.writes()[0].2, "a00", "the dead worker");
    let (owner, at) = (WorkerId::new("a00"), bench.at(10.0));
    assert!(bench.news.contains(&TurnNews::Expired { owner, at }));
}

#[test]
fn a_worker_has_its_turn_each_so_many_seconds_as_there_are_workers() {
    let metrics = ["a", "b", "z"].map(|id| rust(id, 0)).to_vec();
    let mut bench = Bench::new(vec![], metrics);
    bench.run(16.0, &[]);
    // Its rank is 2 of 4, and the second scans coincide with the next turns.
    assert_eq!(bench.scans(), [0.0, 2.0, 4.0, 6.0, 10.0, 14.0]);
}

#[test]
fn java_workers_take_no_turns() {
    let mut bench = Bench::new(vec![], vec![java("a", 0), java("b", 0)]);
    bench.run(3.0, &[]);
    assert_eq!(bench.scans(), [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn a_lease_without_an_owner_is_assigned_at_the_first_scan() {
    let mut bench = Bench::new(vec![lease("new", None, 0), lease("other", Some("me"), 7)], vec![]);
    bench.run(0.0, &[]);
    assert_eq!(bench.writes(), [(0.0, "new", "me")]);
    let key = bench.leases[0].key.clone();
    assert_eq!(bench.news, [TurnNews::Mine(key.clone())]);
    assert_eq!(
        bench.turns.watch().get(&key).map(|watched| watched.lease.counter),
        Some(1)
    );
}

#[test]
fn a_fleet_that_begins_waits_half_a_second_for_more_workers_and_then_one_slot_for_each_lower_rank() {
    let mut bench = Bench::new(vec![lease("new", None, 0)], vec![]);
    bench.run(0.4, &[]);
    assert_eq!(bench.writes(), []);
    bench.run(0.6, &[]);
    assert_eq!(bench.writes(), [(0.5, "new", "me")]);
    // Its rank is 2 of 3.
    let mut bench = Bench::new(vec![lease("new", None, 0)], vec![rust("a", 0), rust("b", 0)]);
    bench.run(3.0, &[]);
    assert_eq!(bench.writes().first().map(|write| write.0), Some(2.5));
}

#[test]
fn a_lease_that_names_the_observer_is_left_to_it() {
    let mut bench = Bench::new(vec![lease("mine", Some("me"), 7)], vec![]);
    bench.run(30.0, &[]);
    assert_eq!((bench.gets(), bench.writes()), (vec![], vec![]));
}

#[test]
fn a_lease_that_the_observer_hands_over_and_does_not_renew_expires_as_one_of_another_worker() {
    let offered = || {
        let mut lease = lease("offered", Some("dead"), 7);
        lease.checkpoint_owner = Some(WorkerId::new("me"));
        lease
    };
    let mut bench = Bench::new(vec![offered()], vec![]);
    bench.run(12.0, &[]);
    assert_eq!(bench.writes(), [(10.0, "offered", "me")]);
    assert_eq!(bench.news.last(), Some(&TurnNews::Mine(offered().key)));

    // One that it still holds is renewed.
    let mut bench = Bench::new(vec![offered()], vec![]);
    bench.run(30.0, &["offered"]);
    assert_eq!((bench.gets(), bench.writes()), (vec![], vec![]));
}

#[test]
fn the_lease_of_a_shard_that_was_read_to_its_end_is_left_alone_without_java_workers() {
    let mut ended = lease("ended", Some("a"), 7);
    ended.checkpoint = Some(crate::checkpoint::position::Position::ShardEnd);
    let mut bench = Bench::new(vec![ended], vec![]);
    bench.run(30.0, &[]);
    assert!(!bench.turns.members().has_java());
    assert_eq!((bench.gets(), bench.writes()), (vec![], vec![]));
}

#[test]
fn an_expired_lease_goes_to_a_worker_that_was_seen_to_live_at_that_time_and_to_no_idle_one() {
    let leases = vec![
        lease("dead", Some("dead"), 7),
        lease("live-1", Some("live"), 7),
        lease("live-2", Some("live"), 7),
        lease("mine", Some("me"), 7),
        lease("mine-too", Some("me"), 7),
        lease("mine-again", Some("me"), 7),
    ];
    let mut bench = Bench::new(leases, vec![rust("dead", 0), rust("idle", 0), rust("live", 0)]);
    bench.run(12.0, &["live-1", "live-2"]);
    let writes = bench.writes();
    assert_eq!(writes.iter().map(|write| write.1).collect::<Vec<_>>(), ["dead"]);
    assert_eq!(
        writes[0].2, "live",
        "it renews what it has, which is read by one lease at that time"
    );
}

#[test]
fn of_new_leases_a_worker_of_which_nothing_was_heard_for_a_while_gets_one_or_none() {
    for (report, given) in [(-5, 4), (-20, 1), (-40, 0)] {
        let new = (0..8).map(|shard| lease(&format!("s{shard}"), None, 0));
        let leases = new.chain([lease("mine", Some("me"), 7)]).collect();
        let mut bench = Bench::new(leases, vec![rust("quiet", report)]);
        bench.run(0.0, &[]);
        let writes = bench.writes();
        let to_quiet = writes.iter().filter(|write| write.2 == "quiet").count();
        assert_eq!((writes.len(), to_quiet), (8, given), "last report at {report} s");
    }
}

#[test]
fn assignments_that_were_planned_before_the_table_was_away_are_not_made() {
    let leases = (0..250)
        .map(|shard| lease(&format!("s{shard}"), Some("a00"), 7))
        .collect();
    let mut bench = crowd(leases);
    bench.run(9.999, &[]);
    let now = bench.at(10.0);
    let call = bench.turns.next(now).unwrap();
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGUN + 10);
    let reply = bench.reply(call);
    bench.turns.replied(now, wall, reply);
    assert!(!bench.turns.to_assign.is_empty());
    let later = bench.at(21.0);
    assert!(!matches!(bench.turns.next(later), Some(TurnCall::Assign(_)) | None));
}

#[test]
fn many_leases_that_stood_still_are_read_by_a_scan() {
    let leases = (0..50)
        .map(|shard| lease(&format!("s{shard}"), Some("a00"), 7))
        .collect();
    let mut bench = crowd(leases);
    bench.run(10.0, &[]);
    assert_eq!(bench.scans(), [0.0, 4.0, 10.0]);
    assert_eq!(bench.gets(), []);
    assert_eq!(bench.writes().len(), 50);
}

#[test]
fn after_the_table_was_away_for_longer_than_the_failover_time_nothing_is_expired_on_old_evidence() {
    let mut bench = Bench::new(vec![lease("s", Some("a"), 7)], vec![rust("a", 0)]);
    bench.run(5.0, &[]);
    bench.is_away = true;
    bench.run(15.5, &[]);
    bench.is_away = false;
    bench.run(25.0, &[]);
    assert_eq!(bench.writes(), []);
    bench.run(27.0, &[]);
    assert_eq!(bench.writes().len(), 1);
}

#[test]
fn a_suspension_of_longer_than_the_failover_time_begins_the_observation_again() {
    let mut bench = Bench::new(vec![lease("s", Some("a"), 7)], vec![rust("a", 0)]);
    bench.run(5.0, &[]);
    bench.now = 100.0;
    bench.run(109.0, &[]);
    assert_eq!(bench.writes(), []);
    assert!(
        !bench
            .news
            .contains(&TurnNews::Member(MemberNews::Left(WorkerId::new("a"))))
    );
    bench.run(112.0, &[]);
    assert_eq!(bench.writes().len(), 1);
}

#[test]
fn a_write_without_an_answer_is_made_again_if_the_row_shows_that_it_was_not_applied() {
    let mut bench = crowd(vec![lease("s", Some("a00"), 7)]);
    bench.run(9.999, &[]);
    // The read succeeds, and the write does not.
    let now = bench.at(10.0);
    let Some(TurnCall::Get(keys)) = bench.turns.next(now) else {
        unreachable!()
    };
    let rows = keys.into_iter().map(|key| bench.row(key)).collect();
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGUN + 10);
    bench.turns.replied(now, wall, TurnReply::Rows(rows));
    let Some(TurnCall::Assign(writes)) = bench.turns.next(now) else {
        unreachable!()
    };
    let outcomes = writes
        .iter()
        .map(|it| (it.write.key().clone(), WriteOutcome::Unknown(error())));
    bench.turns.replied(now, wall, TurnReply::Assigned(outcomes.collect()));
    assert_eq!(bench.turns.next_at(), Some(bench.at(11.0)));
    bench.run(12.0, &[]);
    assert_eq!(bench.gets(), [(11.0, "s".to_owned())]);
    assert_eq!(bench.writes().len(), 1);
}

#[test]
fn a_call_that_failed_is_made_again_after_a_second() {
    let mut bench = crowd(vec![]);
    bench.is_away = true;
    bench.run(2.5, &[]);
    assert_eq!(bench.scans(), [0.0, 1.0, 2.0]);
    bench.is_away = false;
    bench.run(8.0, &[]);
    assert_eq!(bench.scans(), [0.0, 1.0, 2.0, 3.0, 7.0], "an observation begins");
}

#[test]
fn a_worker_of_a_large_fleet_begins_its_turn_when_its_neighbour_stands_still() {
    let mut bench = crowd(vec![lease("other", Some("a00"), 7)]);
    bench.leases[1].owner = Some(WorkerId::new("a01"));
    bench.run(12.0, &["other"]);
    assert_eq!(bench.scans(), [0.0, 4.0], "all live");

    let mut bench = crowd(vec![lease("other", Some("next"), 7)]);
    bench.leases[1].owner = None;
    bench.run(13.0, &["other"]);
    bench.calls.clear();
    bench.run(19.5, &[]);
    assert_eq!(bench.scans().len(), 1, "{:?}", bench.scans());
    bench.run(30.0, &[]);
    assert!(
        bench.writes().iter().any(|(at, key, _)| *key == "other" && *at <= 28.0),
        "{:?}",
        bench.writes()
    );
}
