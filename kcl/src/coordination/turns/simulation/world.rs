//! Time, the network, the table and the workers.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use super::SECOND;
use crate::coordination::members::tests::{BEGUN, lease, rust};
use crate::coordination::planner::PlannerPolicy;
use crate::coordination::turns::{TurnCall, TurnNews, TurnReply, Turns, TurnsPolicy};
use crate::error::{CallErrorKind, TableError};
use crate::lease::item::{self, Row};
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::table::ScanPage;
use crate::lease::write::{LeaseWrite, WriteOutcome};

const FAILOVER: u64 = 10 * SECOND;
const MILLI: u64 = 1_000;
/// Rows of a page of a scan.
const PAGE: usize = 100;
/// One of this number of calls is lost, on its way there or back.
const LOSSES: u64 = 200;

/// How large a fleet is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fleet {
    pub(super) workers: usize,
    /// Of each worker, at first.
    pub(super) leases: usize,
    /// Workers without leases besides.
    pub(super) idle: usize,
}

/// Times are microseconds of true time.
#[derive(Debug)]
pub(super) struct World {
    base: Instant,
    now: u64,
    pub(super) rng: fastrand::Rng,
    leases: BTreeMap<LeaseKey, Lease>,
    /// By their keys.
    metrics: BTreeMap<String, Row>,
    workers: Vec<Worker>,
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
    weather: Weather,
    figures: Figures,
}

/// Whether calls get lost, and renewals are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    Foul,
}

#[derive(Debug)]
struct Worker {
    id: WorkerId,
    turns: Turns,
    is_alive: bool,
    /// By how much its estimate of the service's time is late.
    behind: u64,
    /// When it sent the last write of each lease that was applied.
    held: BTreeMap<LeaseKey, u64>,
    /// Tells its calls apart.
    call: u64,
    wake_at: Option<u64>,
}

#[derive(Debug)]
enum Event {
    Wake(usize),
    Arrive {
        worker: usize,
        call: u64,
        request: TurnCall,
    },
    Reply {
        worker: usize,
        call: u64,
        reply: Box<TurnReply>,
    },
    /// A worker renews a lease.
    Renew {
        worker: usize,
        key: LeaseKey,
        sent: u64,
        attempt: Attempt,
    },
    /// A worker looks for leases that it was given.
    Discover(usize),
    Report(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Send,
    Arrive,
}

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// From each crash to the first write that gives a lease of the dead worker to a live one.
    found: Vec<u64>,
    /// Leases of dead workers that nobody has found.
    pub(super) unfound: Vec<String>,
    /// Leases that were taken from workers that renewed them.
    pub(super) torn: Vec<String>,
    /// Leases of dead workers, with the times of the crashes.
    lost: BTreeMap<LeaseKey, u64>,
    scans: u64,
    gets: u64,
    counted_from: u64,
    time: u64,
    refused: u64,
}

impl World {
    pub(super) fn new(seed: u64, fleet: Fleet) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let base = Instant::now() + Duration::from_secs(1_000);
        let policy = TurnsPolicy {
            failover: Duration::from_micros(FAILOVER),
            planner: PlannerPolicy::default(),
        };
        let worker = |number: usize| {
            let id = WorkerId::new(&format!("w{number:03}"));
            Worker {
                turns: Turns::new(id.clone(), policy, base),
                id,
                is_alive: true,
                behind: 0,
                held: BTreeMap::new(),
                call: 0,
                wake_at: None,
            }
        };
        let workers: Vec<_> = (0..fleet.workers + fleet.idle).map(worker).collect();
        let mut world = Self {
            base,
            now: 0,
            rng: rng.fork(),
            leases: BTreeMap::new(),
            metrics: BTreeMap::new(),
            workers,
            events: BTreeMap::new(),
            planned: 0,
            weather: Weather::Foul,
            figures: Figures::default(),
        };
        for number in 0..fleet.workers + fleet.idle {
            let leases = if number < fleet.workers { fleet.leases } else { 0 };
            world.workers[number].behind = rng.u64(0..100 * MILLI);
            world.report(number);
            for shard in 0..leases {
                let id = world.workers[number].id.clone();
                let lease = lease(&format!("s{number}-{shard}"), Some(id.as_str()), 1);
                let key = lease.key.clone();
                world.leases.insert(key.clone(), lease);
                world.adopt(number, key, rng.u64(0..FAILOVER / 3));
            }
            world.plan(0, Event::Wake(number));
            let at = rng.u64(0..2 * SECOND);
            world.plan(at, Event::Discover(number));
            let at = rng.u64(0..30 * SECOND);
            world.plan(at, Event::Report(number));
        }
        world
    }

    pub(super) fn run_until(&mut self, end: u64) {
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Kills some workers.
    pub(super) fn crash(&mut self, count: usize) {
        for _ in 0..count {
            let alive: Vec<_> = (0..self.workers.len())
                .filter(|worker| self.workers[*worker].is_alive)
                .collect();
            let victim = *self.rng.choice(&alive).unwrap();
            self.kill(victim);
        }
    }

    /// Kills all workers that have no lease, and some that have some, at once or the former this long before.
    pub(super) fn crash_with_idle(&mut self, count: usize, before: u64) {
        let has_lease = |world: &Self, worker: usize| {
            let id = Some(&world.workers[worker].id);
            world.leases.values().any(|lease| lease.owner.as_ref() == id)
        };
        let alive = (0..self.workers.len()).filter(|worker| self.workers[*worker].is_alive);
        let (readers, idle): (Vec<_>, Vec<_>) = alive.partition(|worker| has_lease(self, *worker));
        idle.into_iter().for_each(|worker| self.kill(worker));
        self.run_until(self.now + before);
        readers.into_iter().take(count).for_each(|worker| self.kill(worker));
    }

    /// Shuts a worker down whose releases are lost: its metrics row goes, and its leases still name it.
    pub(super) fn retire(&mut self) {
        let alive: Vec<_> = (0..self.workers.len())
            .filter(|worker| self.workers[*worker].is_alive)
            .collect();
        let leaver = *self.rng.choice(&alive).unwrap();
        self.kill(leaver);
        self.metrics.remove(self.workers[leaver].id.as_str());
    }

    fn kill(&mut self, victim: usize) {
        self.workers[victim].is_alive = false;
        let id = &self.workers[victim].id;
        let mine = self.leases.values().filter(|lease| lease.owner.as_ref() == Some(id));
        self.figures
            .lost
            .extend(mine.map(|lease| (lease.key.clone(), self.now)));
    }

    /// From now on calls may get lost, or not. Reads are counted from now.
    pub(super) fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        (self.figures.scans, self.figures.gets, self.figures.counted_from) = (0, 0, self.now);
    }

    pub(super) fn figures(mut self) -> Figures {
        let (lost, now) = (std::mem::take(&mut self.figures.lost), self.now);
        let late = lost
            .iter()
            .map(|(key, at)| format!("{key}, lost for {} s", (now - at) / SECOND));
        self.figures.unfound.extend(late);
        self.figures.time = self.now - self.figures.counted_from;
        self.figures
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.insert((at.max(self.now), self.planned), event);
    }

    fn instant(&self) -> Instant {
        self.base + Duration::from_micros(self.now)
    }

    /// One way of a call.
    fn way(&mut self) -> u64 {
        match self.rng.u64(0..50) {
            0 => self.rng.u64(10 * MILLI..300 * MILLI),
            _ => self.rng.u64(MILLI..4 * MILLI),
        }
    }

    fn is_lost(&mut self) -> bool {
        self.weather == Weather::Foul && self.rng.u64(0..LOSSES) == 0
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(worker) => self.wake(worker),
            Event::Arrive { worker, call, request } => self.arrive(worker, call, request),
            Event::Reply { worker, call, reply } => self.reply(worker, call, *reply),
            Event::Renew {
                worker,
                key,
                sent,
                attempt,
            } => self.renew(worker, key, sent, attempt),
            Event::Discover(worker) => self.discover(worker),
            Event::Report(worker) => {
                if self.workers[worker].is_alive {
                    self.report(worker);
                    self.plan(self.now + 30 * SECOND, Event::Report(worker));
                }
            }
        }
    }

    fn wake(&mut self, number: usize) {
        let now = self.instant();
        let worker = &mut self.workers[number];
        worker.wake_at = None;
        if !worker.is_alive {
            return;
        }
        let Some(request) = worker.turns.next(now) else {
            return self.sleep(number);
        };
        worker.call += 1;
        let call = worker.call;
        self.note(&request);
        let at = self.now + self.way();
        let timeout = Event::Reply {
            worker: number,
            call,
            reply: Box::new(failed(&request)),
        };
        self.plan(self.now + SECOND, timeout);
        if !self.is_lost() {
            self.plan(
                at,
                Event::Arrive {
                    worker: number,
                    call,
                    request,
                },
            );
        }
    }

    fn note(&mut self, request: &TurnCall) {
        match request {
            TurnCall::ScanPage { from: None } => self.figures.scans += 1,
            TurnCall::ScanPage { from: Some(_) } => {}
            TurnCall::Get(keys) => self.figures.gets += keys.len() as u64,
            TurnCall::Assign(assignments) => {
                let is_alive = |id: &WorkerId| self.workers.iter().any(|worker| worker.is_alive && worker.id == *id);
                for assignment in assignments.iter().filter(|it| is_alive(&it.decision.to)) {
                    if let Some(at) = self.figures.lost.remove(&assignment.decision.lease) {
                        self.figures.found.push(self.now - at);
                    }
                }
            }
        }
    }

    fn sleep(&mut self, number: usize) {
        let Some(at) = self.workers[number].turns.next_at() else {
            return;
        };
        let at = u64::try_from(at.saturating_duration_since(self.base).as_micros())
            .unwrap()
            .max(self.now);
        if self.workers[number].wake_at.is_none_or(|before| at < before) {
            self.workers[number].wake_at = Some(at);
            self.plan(at, Event::Wake(number));
        }
    }

    fn arrive(&mut self, worker: usize, call: u64, request: TurnCall) {
        let reply = match request {
            TurnCall::ScanPage { from } => TurnReply::Page(Ok(self.page(from.as_ref()))),
            TurnCall::Get(keys) => {
                let row = |key: LeaseKey| {
                    let row = self.leases.get(&key).cloned().map(Row::Lease);
                    (key, Ok(row))
                };
                TurnReply::Rows(keys.into_iter().map(row).collect())
            }
            TurnCall::Assign(assignments) => {
                let writes = assignments.into_iter().map(|it| self.assign(&it.write));
                TurnReply::Assigned(writes.collect())
            }
        };
        if self.is_lost() {
            return;
        }
        let (at, reply) = (self.now + self.way(), Box::new(reply));
        self.plan(at, Event::Reply { worker, call, reply });
    }

    fn page(&self, from: Option<&LeaseKey>) -> ScanPage {
        // The metrics rows are in the last page.
        let is_behind = |key: &LeaseKey| from.is_none_or(|from| key > from);
        let mut rows: Vec<_> = self
            .leases
            .values()
            .filter(|lease| is_behind(&lease.key))
            .take(PAGE + 1)
            .cloned()
            .collect();
        let next = (rows.len() > PAGE).then(|| rows[PAGE - 1].key.clone());
        rows.truncate(PAGE);
        let leases = rows.into_iter().map(Row::Lease);
        let metrics = self.metrics.values().filter(|_| next.is_none()).cloned();
        ScanPage {
            rows: leases.chain(metrics).collect(),
            next: next.clone(),
        }
    }

    fn assign(&mut self, write: &LeaseWrite) -> (LeaseKey, WriteOutcome) {
        let LeaseWrite::Assign { seen, to, .. } = write else {
            unreachable!()
        };
        let row = self.leases.get_mut(&seen.key).unwrap();
        if row.counter != seen.counter || row.owner != seen.owner {
            self.figures.refused += 1;
            return (seen.key.clone(), WriteOutcome::Refused(Some(row.clone())));
        }
        let former = self
            .workers
            .iter()
            .find(|worker| Some(&worker.id) == row.owner.as_ref());
        let held = former
            .filter(|former| former.is_alive)
            .and_then(|former| former.held.get(&seen.key));
        if held.is_some_and(|sent| self.now - sent < FAILOVER) {
            self.figures
                .torn
                .push(format!("{} at {} s", seen.key, self.now / SECOND));
        }
        row.counter += 1;
        row.owner = Some(to.clone());
        let key = seen.key.clone();
        (key, WriteOutcome::Applied(row.clone()))
    }

    fn reply(&mut self, number: usize, call: u64, reply: TurnReply) {
        let now = self.instant();
        let worker = &mut self.workers[number];
        if !worker.is_alive || worker.call != call || worker.turns.next_at().is_some() {
            return;
        }
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGUN) + Duration::from_micros(self.now);
        let wall = wall - Duration::from_micros(worker.behind);
        for news in worker.turns.replied(now, wall, reply) {
            if let TurnNews::Mine(key) = news {
                self.adopt(number, key, 0);
            }
        }
        self.wake(number);
    }

    fn adopt(&mut self, worker: usize, key: LeaseKey, after: u64) {
        self.workers[worker].held.insert(key.clone(), self.now);
        let (sent, attempt) = (self.now + after, Attempt::Send);
        self.plan(
            sent,
            Event::Renew {
                worker,
                key,
                sent,
                attempt,
            },
        );
    }

    fn renew(&mut self, number: usize, key: LeaseKey, sent: u64, attempt: Attempt) {
        let worker = &mut self.workers[number];
        let Some(valid) = worker.held.get(&key).copied().filter(|_| worker.is_alive) else {
            return;
        };
        if attempt == Attempt::Send {
            if self.now - valid >= FAILOVER {
                worker.held.remove(&key);
                return;
            }
            let (arrival, sent, is_lost) = (self.now + self.way(), self.now, self.is_lost());
            // Now and then a second late. A lost call is made again after a second.
            let late = if self.weather == Weather::Foul && self.rng.u64(0..100) == 0 {
                SECOND
            } else {
                0
            };
            let pause = FAILOVER / 3 - 25 * MILLI + self.rng.u64(0..100 * MILLI) + late;
            let next = sent + if is_lost { SECOND } else { pause };
            self.plan(
                next,
                Event::Renew {
                    worker: number,
                    key: key.clone(),
                    sent: next,
                    attempt,
                },
            );
            if !is_lost {
                let attempt = Attempt::Arrive;
                self.plan(
                    arrival,
                    Event::Renew {
                        worker: number,
                        key,
                        sent,
                        attempt,
                    },
                );
            }
            return;
        }
        let row = self.leases.get_mut(&key).unwrap();
        if row.owner.as_ref() == Some(&worker.id) {
            row.counter += 1;
            worker.held.insert(key, sent);
        } else {
            worker.held.remove(&key);
        }
    }

    fn discover(&mut self, number: usize) {
        if !self.workers[number].is_alive {
            return;
        }
        let worker = &self.workers[number];
        let mine = self
            .leases
            .values()
            .filter(|lease| lease.owner.as_ref() == Some(&worker.id));
        let held: BTreeSet<_> = worker.held.keys().cloned().collect();
        let found: Vec<_> = mine
            .map(|lease| lease.key.clone())
            .filter(|key| !held.contains(key))
            .collect();
        for key in found {
            self.adopt(number, key, 0);
        }
        self.plan(self.now + 2 * SECOND, Event::Discover(number));
    }

    fn report(&mut self, number: usize) {
        let id = self.workers[number].id.as_str().to_owned();
        let row = rust(&id, i64::try_from(self.now / SECOND).unwrap());
        self.metrics.insert(id, item::decode(row.encode()));
    }
}

impl Figures {
    pub(super) fn and(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        self.unfound.extend(other.unfound);
        self.torn.extend(other.torn);
        self.scans += other.scans;
        self.gets += other.gets;
        self.time += other.time;
        self.refused += other.refused;
        self
    }

    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut found = self.found.clone();
        found.sort_unstable();
        let at = (found.len().saturating_sub(1) * percent).div_ceil(100);
        Duration::from_micros(found[at])
    }

    /// Scans, and rows that were read by their keys.
    pub(super) fn reads_per_second(&self) -> (f64, f64) {
        let seconds = self.time as f64 / SECOND as f64;
        (self.scans as f64 / seconds, self.gets as f64 / seconds)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scans, rows) = self.reads_per_second();
        write!(
            f,
            "{} leases, found after p50 {:.1?} p90 {:.1?} worst {:.1?}; scans {scans:.2}/s, rows by key {rows:.2}/s, writes refused {}",
            self.found.len(),
            self.percentile(50),
            self.percentile(90),
            self.percentile(100),
            self.refused,
        )
    }
}

fn failed(request: &TurnCall) -> TurnReply {
    match request {
        TurnCall::ScanPage { .. } => TurnReply::Page(Err(error())),
        TurnCall::Get(keys) => TurnReply::Rows(keys.iter().map(|key| (key.clone(), Err(error()))).collect()),
        TurnCall::Assign(assignments) => {
            let unknown = |key: &LeaseKey| (key.clone(), WriteOutcome::Unknown(error()));
            TurnReply::Assigned(assignments.iter().map(|it| unknown(&it.decision.lease)).collect())
        }
    }
}

pub(in crate::coordination::turns) fn error() -> TableError {
    TableError {
        operation: "Scan",
        kind: CallErrorKind::Unavailable {
            code: "Timeout".to_owned(),
            message: "no answer".to_owned(),
        },
    }
}
