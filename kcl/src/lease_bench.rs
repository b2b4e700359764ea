//! Many leases under one renewer in real time, for the benchmark `leases`. Not part of the API.
//!
//! The table is in memory and answers at once, so what is measured is the renewer itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aggregation::HashKeyRange;
use futures::future::BoxFuture;
use service::Clock;
use tokio::task::JoinSet;

use crate::checkpoint::position::Position;
use crate::config::Config;
use crate::coordination::rows::{FleetRow, FleetRows};
use crate::coordination::table::{FleetTable, Place};
use crate::coordination::write::{FleetOutcome, FleetWrite};
use crate::error::{TableError, WorkerError};
use crate::lease::guard::LeaseGuard;
use crate::lease::item::Row;
use crate::lease::layout::TableLayout;
use crate::lease::listings::Listings;
use crate::lease::memory::MemoryLeaseTable;
use crate::lease::model::{Lease, LeaseKey, OwnAttributes, WorkerId};
use crate::lease::ownership::Terms;
use crate::lease::renewer::{OwnedLease, Renewer, RenewerParts};
use crate::lease::table::{Creation, LeaseTable, OpenError, ScanPage, SeparateTable};
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::observers::Observers;
use crate::stream::{Incarnation, ShardId, ShardRef, StreamRef};
use crate::trouble::Trouble;

const WORKER: &str = "0123456789abcdef0123456789abcdef";
const STREAM_ARN: &str = "arn:aws:kinesis:eu-north-1:123456789012:stream/orders";
const SEQUENCE_NUMBER: &str = "49666716197061357389751170868210642185623031110770360322";

/// The rows of a lease table, all owned by one worker that has just taken them.
#[derive(Debug)]
pub struct TakenLeases {
    table: Arc<MeasuredTable>,
    terms: Terms,
    leases: usize,
}

/// Leases that are held and renewed. Dropping it ends the renewals.
#[derive(Debug)]
pub struct HeldLeases {
    table: Arc<MeasuredTable>,
    owned: Vec<OwnedLease>,
    clock: Clock,
    _renewer: Renewer,
    _renewing: JoinSet<Result<(), WorkerError>>,
}

/// What was seen of the renewals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renewals {
    /// Their number.
    pub count: u64,
    /// The most by which one was sent after it was due.
    pub latest: Duration,
    /// The longest time between two of one lease, or between its taking and its first.
    pub longest_gap: Duration,
    /// Leases that are no longer held.
    pub lost: usize,
}

impl TakenLeases {
    /// So many leases, by the default times of a worker.
    pub fn new(leases: usize) -> Self {
        let config = Config::default();
        let terms = Terms {
            failover: config.failover_time,
            renewal: config.renewal_interval(),
        };
        let rows = MemoryLeaseTable::new("leases", 1_000);
        (0..leases).for_each(|n| rows.put(Row::Lease(row(n))));
        let table = Arc::new(MeasuredTable {
            rows,
            terms,
            clock: Clock::default(),
            seen: Mutex::default(),
        });
        Self { table, terms, leases }
    }

    /// Hands the leases to a renewer, which runs in a task of the current runtime.
    pub async fn adopt(&self) -> HeldLeases {
        let clock = Clock::default();
        let (renewer, task) = Renewer::new(RenewerParts {
            table: Arc::<MeasuredTable>::clone(&self.table),
            worker: WorkerId::new(WORKER),
            terms: self.terms,
            write_timeout: Config::default().lease_write_timeout(),
            writes: Trouble::default(),
            listings: Listings::new().0,
            clock: clock.clone(),
            rng: fastrand::Rng::with_seed(1),
            observers: Observers::default(),
        });
        let mut renewing = JoinSet::new();
        renewing.spawn(task.run());
        let mut owned = Vec::with_capacity(self.leases);
        for n in 0..self.leases {
            // As decoded from a reply: it shares no text with the table.
            owned.extend(renewer.adopt(row(n), clock.now()).await);
        }
        HeldLeases {
            table: Arc::clone(&self.table),
            owned,
            clock,
            _renewer: renewer,
            _renewing: renewing,
        }
    }
}

impl HeldLeases {
    /// Lets the renewals go on for `time`.
    pub async fn renew_for(&self, time: Duration) -> Renewals {
        self.table.watch(&self.owned);
        self.clock.sleep(time).await;
        let held = self.owned.iter().filter(|owned| owned.guard.is_valid()).count();
        let lost = self.owned.len() - held;
        let renewals = std::mem::take(&mut *self.table.seen()).renewals;
        Renewals { lost, ..renewals }
    }
}

/// A row as a stream of many shards has it: a shard that a split has made and that was read for a while.
fn row(n: usize) -> Lease {
    let checkpoint = Position::from_row(SEQUENCE_NUMBER, 7).unwrap_or(Position::TrimHorizon);
    let stream = StreamRef::parse(STREAM_ARN);
    let shard_ref = ShardRef::new(stream.clone(), shard(20_000 + n));
    Lease {
        owner: Some(WorkerId::new(WORKER)),
        counter: 1_000,
        owner_switches: 1,
        parents: [shard(n / 2)].into(),
        range: Some(HashKeyRange::FULL),
        own: OwnAttributes {
            stream: Incarnation {
                arn: Some(STREAM_ARN.into()),
                created: Some(1_700_000_000_000),
            },
            token_base: Some(1_700_000_000_000),
        },
        ..Lease::new(&TableLayout::OneStream(stream), &shard_ref, checkpoint)
    }
}

fn shard(n: usize) -> ShardId {
    ShardId::new(&format!("shardId-{n:012}"))
}

/// A table in memory that notes when leases are written.
#[derive(Debug)]
struct MeasuredTable {
    rows: MemoryLeaseTable,
    terms: Terms,
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    leases: BTreeMap<LeaseKey, Watched>,
    renewals: Renewals,
}

/// A lease whose renewals are noted.
#[derive(Debug)]
struct Watched {
    owned: LeaseGuard,
    /// When it was renewed last.
    renewed: Instant,
}

impl MeasuredTable {
    fn watch(&self, owned: &[OwnedLease]) {
        let leases = owned.iter().map(|owned| {
            let watched = Watched {
                owned: owned.guard.clone(),
                renewed: self.sent(&owned.guard),
            };
            (owned.lease.key.clone(), watched)
        });
        self.seen().leases = leases.collect();
    }

    /// When the last applied write of a lease was sent.
    fn sent(&self, guard: &LeaseGuard) -> Instant {
        let valid_until = guard.valid_until();
        valid_until.checked_sub(self.terms.failover).unwrap_or(valid_until)
    }

    fn note(&self, key: &LeaseKey) {
        let now = self.clock.now();
        let mut seen = self.seen();
        let Seen { leases, renewals } = &mut *seen;
        let Some(lease) = leases.get_mut(key) else {
            return;
        };
        // A first renewal is due earlier, by chance.
        let due = self.sent(&lease.owned) + self.terms.renewal;
        let gap = now.saturating_duration_since(std::mem::replace(&mut lease.renewed, now));
        renewals.count += 1;
        renewals.latest = renewals.latest.max(now.saturating_duration_since(due));
        renewals.longest_gap = renewals.longest_gap.max(gap);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FleetTable for MeasuredTable {
    fn fleet_row<'a>(&'a self, at: Place, key: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>> {
        self.rows.fleet_row(at, key)
    }

    fn coordinator_rows(&self) -> BoxFuture<'_, Result<Option<FleetRows>, TableError>> {
        self.rows.coordinator_rows()
    }

    fn write_fleet<'a>(&'a self, write: &'a FleetWrite) -> BoxFuture<'a, FleetOutcome> {
        self.rows.write_fleet(write)
    }
}

impl LeaseTable for MeasuredTable {
    fn name(&self) -> &str {
        self.rows.name()
    }

    fn open(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        self.rows.open()
    }

    fn scan_page<'a>(&'a self, from: Option<&'a LeaseKey>) -> BoxFuture<'a, Result<ScanPage, TableError>> {
        self.rows.scan_page(from)
    }

    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Row>, TableError>> {
        self.rows.get(key)
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Creation, TableError>> {
        self.rows.create(lease)
    }

    fn write<'a>(&'a self, write: &'a LeaseWrite) -> BoxFuture<'a, WriteOutcome> {
        self.note(write.key());
        self.rows.write(write)
    }

    fn service_time(&self) -> Option<SystemTime> {
        self.rows.service_time()
    }

    fn on_another_runtime(&self, rng: fastrand::Rng) -> SeparateTable {
        self.rows.on_another_runtime(rng)
    }

    fn keys_of<'a>(&'a self, _worker: &'a WorkerId) -> BoxFuture<'a, Result<Option<Vec<LeaseKey>>, TableError>> {
        Box::pin(async { Ok(None) })
    }
}
