//! Who is alive, by what an observer has read.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use super::*;
use crate::checkpoint::position::Position;
use crate::coordination::lease_watch::LeaseWatch;
use crate::coordination::planner::{Fitness, HandOff, Reader};
use crate::lease::layout::TableLayout;
use crate::lease::model::{Lease, LeaseKey};
use crate::stream::{ShardId, ShardRef, StreamRef};

/// The service's time when an observer begins: seconds since the Unix epoch.
pub(crate) const BEGUN: u64 = 1_000_000;

pub(crate) fn lease(shard: &str, owner: Option<&str>, counter: u64) -> Lease {
    let stream = StreamRef::parse("stream");
    let shard = ShardRef::new(stream.clone(), ShardId::new(shard));
    let mut lease = Lease::new(&TableLayout::OneStream(stream), &shard, Position::TrimHorizon);
    lease.owner = owner.map(WorkerId::new);
    lease.counter = counter;
    lease
}

fn worker(id: &str) -> WorkerId {
    WorkerId::new(id)
}

/// The row of a worker of this library, whose last report was `at` seconds after the beginning.
pub(crate) fn rust(id: &str, at: i64) -> WorkerMetrics {
    WorkerMetrics {
        started_at: Some((BEGUN - 3_600) * 1_000),
        ..java(id, at)
    }
}

pub(crate) fn java(id: &str, at: i64) -> WorkerMetrics {
    WorkerMetrics::without_metrics(worker(id), BEGUN.checked_add_signed(at).unwrap())
}

/// The observer `me`. Times are seconds since it began.
struct Observer {
    begun: Instant,
    members: Members,
    owners: BTreeSet<WorkerId>,
}

impl Observer {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            members: Members::new(worker("me")),
            owners: BTreeSet::new(),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.begun + Duration::from_secs(seconds)
    }

    fn wall(&self, seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(BEGUN + seconds)
    }

    /// A scan that took no time.
    fn scan(&mut self, at: u64, rows: &[WorkerMetrics]) -> Vec<MemberNews> {
        let seen = MembersSeen {
            rows,
            owners: &self.owners,
            read: ReadTime {
                sent: self.at(at),
                replied: self.at(at),
            },
            wall: self.wall(at),
        };
        self.members.scanned(&seen)
    }

    fn renewal(&mut self, id: &str, after: u64, before: u64) {
        let (after, before) = (self.at(after), self.at(before));
        self.members.renewed(SignOfLife {
            worker: worker(id),
            after,
            before,
        });
    }

    fn alive(&self) -> Vec<&str> {
        let alive = self.members.members.iter().filter(|(_, member)| member.is_alive);
        alive.map(|(worker, _)| worker.as_str()).collect()
    }

    fn turns(&self) -> Vec<&str> {
        self.members.taking_turns().map(WorkerId::as_str).collect()
    }
}

#[test]
fn a_worker_is_alive_if_its_row_is_fresh_by_the_time_of_the_service() {
    let mut observer = Observer::new();
    observer.scan(100, &[rust("fresh", 40), rust("old", 39), rust("ahead", 161)]);
    assert_eq!(observer.alive(), ["fresh", "me"]);
}

#[test]
fn a_worker_whose_clock_is_wrong_is_alive_while_its_row_changes() {
    let mut observer = Observer::new();
    observer.scan(0, &[rust("slow", -7_200)]);
    assert_eq!(observer.alive(), ["me"]);
    observer.scan(30, &[rust("slow", -7_170)]);
    assert_eq!(observer.alive(), ["me", "slow"]);
    observer.scan(90, &[rust("slow", -7_170)]);
    assert_eq!(observer.alive(), ["me", "slow"]);
    let news = observer.scan(91, &[rust("slow", -7_170)]);
    assert_eq!(news, [MemberNews::Left(worker("slow"))]);
}

#[test]
fn a_worker_without_a_fresh_row_is_alive_while_it_renews_leases() {
    let mut observer = Observer::new();
    observer.owners = BTreeSet::from([worker("a")]);
    observer.scan(0, &[]);
    observer.renewal("a", 0, 4);
    observer.scan(60, &[]);
    assert_eq!(observer.alive(), ["a", "me"]);
    observer.scan(65, &[]);
    assert_eq!(observer.alive(), ["me"]);
}

#[test]
fn a_worker_whose_row_was_deleted_is_gone_at_once_although_it_has_just_renewed() {
    let mut observer = Observer::new();
    observer.owners = BTreeSet::from([worker("a")]);
    observer.scan(0, &[rust("a", 0)]);
    observer.renewal("a", 0, 4);
    assert_eq!(observer.scan(4, &[]), [MemberNews::Retired(worker("a"))]);
    assert_eq!(observer.members.changed(), Some(observer.at(4)));
    observer.renewal("a", 4, 8);
    assert_eq!(observer.scan(8, &[]), []);
    assert_eq!(observer.scan(9, &[rust("a", 9)]), [MemberNews::Joined(worker("a"))]);
}

#[test]
fn a_retired_worker_is_known_for_a_minute_and_a_lease_that_names_it_is_waited_for_no_longer_than_one_of_ours() {
    let mut observer = Observer::new();
    observer.scan(0, &[rust("ours", 0), java("java", 0), java("lives", 0)]);
    observer.scan(4, &[java("lives", 0)]);
    let begin_soon = |observer: &Observer| {
        let workers = ["ours", "java", "lives", "unknown", "me"];
        workers.map(|id| observer.members.begins_soon(&worker(id)))
    };
    assert_eq!(begin_soon(&observer), [true, true, false, false, true]);
    // A worker that had not seen it go gives it a lease.
    observer.scan(60, &[java("lives", 0)]);
    observer.owners = BTreeSet::from([worker("ours")]);
    observer.scan(65, &[java("lives", 0)]);
    assert_eq!(begin_soon(&observer), [true, false, false, false, true]);
    observer.owners.clear();
    observer.scan(66, &[java("lives", 0)]);
    assert_eq!(begin_soon(&observer), [false, false, false, false, true]);
}

#[test]
fn a_row_that_says_the_time_0_retires_its_worker() {
    let mut observer = Observer::new();
    observer.scan(0, &[rust("a", 0)]);
    let mut row = rust("a", 0);
    row.updated = 0;
    assert_eq!(
        observer.scan(4, std::slice::from_ref(&row)),
        [MemberNews::Retired(worker("a"))]
    );
    assert_eq!(observer.scan(8, &[row]), []);
    assert_eq!(observer.alive(), ["me"]);
}

#[test]
fn the_workers_of_the_first_scan_do_not_join_unless_they_have_just_begun() {
    let mut observer = Observer::new();
    assert_eq!(observer.scan(10, &[rust("a", 0), java("b", 0)]), []);
    assert_eq!(observer.members.changed(), None);

    let mut observer = Observer::new();
    let young = WorkerMetrics {
        started_at: Some((BEGUN + 4) * 1_000),
        ..java("c", 6)
    };
    observer.scan(10, &[rust("a", 0), young]);
    assert_eq!(observer.members.changed(), Some(observer.at(4)));
}

#[test]
fn a_clock_that_is_wrong_by_more_than_5_s_is_told_once_until_it_is_right_again() {
    let mut observer = Observer::new();
    let skew = |by| MemberNews::ClockSkew {
        worker: worker("a"),
        by,
    };
    // A row that was written at any time before the first scan may be as old as it says.
    assert_eq!(observer.scan(0, &[java("a", -30)]), []);
    let behind = Skew::Behind(Duration::from_secs(6));
    assert_eq!(observer.scan(4, &[java("a", -6)]), [skew(behind)]);
    assert_eq!(observer.scan(34, &[java("a", -3)]), []);
    assert_eq!(observer.scan(64, &[java("a", 62)]), []);
    let ahead = Skew::Ahead(Duration::from_secs(6));
    assert_eq!(observer.scan(70, &[java("a", 76)]), [skew(ahead)]);
}

#[test]
fn a_clock_that_is_ahead_is_told_at_first_sight() {
    let mut observer = Observer::new();
    let by = Skew::Ahead(Duration::from_secs(20));
    assert_eq!(
        observer.scan(0, &[java("a", 20)]),
        [MemberNews::ClockSkew {
            worker: worker("a"),
            by
        }]
    );
}

#[test]
fn a_row_that_is_older_than_a_day_is_to_be_deleted_unless_its_worker_lives() {
    let mut observer = Observer::new();
    let day = 24 * 60 * 60;
    observer.scan(0, &[rust("a", -day - 1), rust("b", -day), rust("c", -day - 90)]);
    observer.scan(30, &[rust("a", -day - 1), rust("b", -day), rust("c", -day - 60)]);
    let stale = FleetWrite::DeleteMetrics {
        worker: worker("a"),
        updated: BEGUN - 24 * 60 * 60 - 1,
    };
    assert_eq!(observer.members.stale_rows(observer.wall(0)), [stale]);
}

#[test]
fn a_worker_whose_lease_expired_takes_no_turns_until_it_was_seen_after_that() {
    let mut observer = Observer::new();
    observer.scan(10, &[rust("a", 9), rust("b", 9), java("c", 9)]);
    assert_eq!(observer.turns(), ["a", "b", "me"]);
    observer.members.expired(worker("a"), observer.at(12));
    observer.members.expired(worker("me"), observer.at(12));
    assert_eq!(observer.turns(), ["b", "me"]);
    // It was renewed between two reads, perhaps before the expiry.
    observer.renewal("a", 11, 13);
    assert_eq!(observer.turns(), ["b", "me"]);
    observer.renewal("a", 13, 17);
    assert_eq!(observer.turns(), ["a", "b", "me"]);
}

#[test]
fn a_report_after_the_expiry_makes_a_worker_count_again() {
    let mut observer = Observer::new();
    observer.scan(10, &[rust("a", 9)]);
    observer.members.expired(worker("a"), observer.at(12));
    observer.scan(40, &[rust("a", 12)]);
    assert_eq!(observer.turns(), ["me"]);
    observer.scan(44, &[rust("a", 42)]);
    assert_eq!(observer.turns(), ["a", "me"]);
}

#[test]
fn after_the_observer_was_cut_off_nobody_is_lost_or_gone() {
    let mut observer = Observer::new();
    observer.scan(0, &[rust("a", 0)]);
    observer.members.expired(worker("a"), observer.at(10));
    observer.members.begin_again(observer.at(200));
    assert_eq!(observer.scan(200, &[rust("a", 0)]), []);
    assert_eq!(observer.turns(), ["a", "me"]);
}

#[test]
fn an_owner_that_renews_too_seldom_is_told_once() {
    let mut observer = Observer::new();
    observer.scan(0, &[rust("a", 0)]);
    let every = Duration::from_secs(7);
    let slow = BTreeMap::from([(worker("a"), every)]);
    let worker = worker("a");
    assert_eq!(
        observer.members.slow(&slow),
        [MemberNews::SlowRenewals { worker, every }]
    );
    assert_eq!(observer.members.slow(&slow), []);
}

#[test]
fn the_view_has_the_live_workers_and_what_they_run() {
    let mut observer = Observer::new();
    observer.scan(10, &[rust("a", 9), java("b", 9), rust("dead", -100)]);
    let watch = LeaseWatch::new(worker("me"), Duration::from_secs(10));
    let fleet = FleetSnapshot::of(&observer.members, &watch, Duration::from_secs(10), observer.at(10));
    let workers: Vec<_> = fleet
        .workers
        .iter()
        .map(|it| (it.id.as_str(), it.implementation))
        .collect();
    let expected = [
        ("a", Implementation::Rust),
        ("b", Implementation::Java),
        ("me", Implementation::Rust),
    ];
    assert_eq!(workers, expected);
    assert!(fleet.workers.iter().all(|worker| worker.metrics == Fitness::Default));
    assert!(observer.members.has_java());
}

#[test]
fn the_view_says_who_reads_each_lease() {
    let observer = Observer::new();
    let failover = Duration::from_secs(10);
    let mut watch = LeaseWatch::new(worker("me"), failover);
    let mut see = |at: u64, lease: &Lease| {
        let at = observer.at(at);
        watch.saw(lease.clone(), ReadTime { sent: at, replied: at });
    };
    let mut child = lease("child", None, 0);
    child.parents = BTreeSet::from([ShardId::new("dead"), ShardId::new("not listed")]);
    let mut offered = lease("offered", Some("b"), 1);
    offered.checkpoint_owner = Some(worker("a"));
    for at in [0, 5, 10] {
        see(at, &lease("dead", Some("a"), 7));
        see(at, &lease("live", Some("a"), at));
        see(at, &child);
        offered.counter = at;
        see(at, &offered);
    }
    see(10, &lease("live", Some("b"), 11));
    watch.expire(|_| true);
    let fleet = |now| {
        let fleet = FleetSnapshot::of(&observer.members, &watch, failover, observer.at(now));
        let leases = fleet
            .leases
            .into_iter()
            .map(|lease| (lease.key.as_str().to_owned(), lease));
        leases.collect::<BTreeMap<_, _>>()
    };
    let (leases, later) = (fleet(39), fleet(40));
    let (owner, next) = (worker("a"), worker("b"));
    let at = observer.at(10);
    assert_eq!(leases["child"].reader, Reader::Nobody);
    assert_eq!(leases["child"].parents, [LeaseKey::clone(&leases["dead"].key)]);
    assert_eq!(
        leases["live"].reader,
        Reader::Owner {
            owner: next.clone(),
            since: Some(at)
        }
    );
    assert_eq!(
        leases["dead"].reader,
        Reader::Expired {
            owner: owner.clone(),
            next: None,
            at
        }
    );
    let handing_over = |hand_off| Reader::HandingOver {
        owner: owner.clone(),
        next: next.clone(),
        hand_off,
    };
    assert_eq!(leases["offered"].reader, handing_over(HandOff::Pending));
    assert_eq!(later["offered"].reader, handing_over(HandOff::Overdue));
}
