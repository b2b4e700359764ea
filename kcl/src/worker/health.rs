//! How a worker is, for probes and operators.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::consumer::application::LONG_CALL;
use crate::consumer::status::{ShardState, ShardStatus};
use crate::lease::model::LeaseKey;
use crate::stream::ShardRef;

/// How a worker is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How far the run of the worker has come.
    pub phase: WorkerPhase,
    /// What needs somebody's attention. Empty for a healthy worker.
    pub degraded: Vec<Degraded>,
}

impl Health {
    /// Whether [`Worker::run`](crate::Worker::run) has not ended: for a liveness probe. A worker that is degraded is live;
    /// to restart it would only move its shards.
    pub fn is_live(&self) -> bool {
        self.phase != WorkerPhase::Ended
    }

    /// Whether the lease table is usable and the worker looks for shards to read: for a readiness probe.
    pub fn is_ready(&self) -> bool {
        self.phase == WorkerPhase::Running
    }
}

/// How far the run of a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerPhase {
    /// [`Worker::run`](crate::Worker::run) was not called yet.
    NotStarted,
    /// The lease table is made usable, and the leases that are missing are created.
    Starting,
    /// The worker looks for shards and reads them.
    Running,
    /// The run has ended, or its future was dropped.
    Ended,
}

/// Something about a worker that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Degraded {
    /// The worker cannot start yet, and tries again.
    Starting {
        /// Why not.
        error: String,
    },
    /// The handler of a shard keeps failing, and its records are not delivered.
    Halted {
        /// The shard.
        shard: ShardRef,
        /// For how long.
        lasting: Duration,
        /// The handler's last error.
        error: Option<String>,
    },
    /// A shard can be neither read nor ended.
    OnHold {
        /// The shard.
        shard: ShardRef,
        /// For how long.
        lasting: Duration,
        /// Why, and what to do.
        reason: String,
    },
    /// A call to a processor has been running for more than a minute.
    SlowHandler {
        /// The shard.
        shard: ShardRef,
        /// For how long.
        lasting: Duration,
    },
    /// The lease table cannot be read or written: throttled, denied, or out of reach.
    LeaseTable {
        /// For how long.
        lasting: Duration,
        /// The last error.
        error: String,
    },
    /// A row of the lease table cannot be read, so nobody reads its shard.
    UnreadableRow {
        /// The key of the row.
        lease: LeaseKey,
    },
}

/// Where the parts of a worker note how they are. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct HealthBoard {
    phase: Arc<watch::Sender<WorkerPhase>>,
    troubles: Arc<Mutex<Troubles>>,
}

#[derive(Debug, Default)]
struct Troubles {
    start: Option<String>,
    table: Option<(Instant, String)>,
    unreadable: BTreeSet<LeaseKey>,
}

impl Default for HealthBoard {
    fn default() -> Self {
        Self {
            phase: Arc::new(watch::Sender::new(WorkerPhase::NotStarted)),
            troubles: Arc::default(),
        }
    }
}

impl HealthBoard {
    /// How the worker is, with shards of which this is known.
    pub(crate) fn health(&self, shards: &[ShardStatus], now: Instant) -> Health {
        let mut degraded = self.troubles().degraded(now);
        degraded.extend(shards.iter().filter_map(of_shard));
        degraded.extend(shards.iter().filter_map(slow_handler));
        Health {
            phase: *self.phase.borrow(),
            degraded,
        }
    }

    /// Waits until the worker is running. Whether it is; not if it has ended.
    pub(crate) async fn ready(&self) -> bool {
        let mut phase = self.phase.subscribe();
        let reached = phase
            .wait_for(|phase| matches!(phase, WorkerPhase::Running | WorkerPhase::Ended))
            .await;
        reached.is_ok_and(|phase| *phase == WorkerPhase::Running)
    }

    /// Notes how far the run has come.
    pub(crate) fn enter(&self, phase: WorkerPhase) {
        self.phase.send_replace(phase);
        self.troubles().start = None;
    }

    /// Notes that the worker could not start, and tries again.
    pub(crate) fn start_failed(&self, error: String) {
        self.troubles().start = Some(error);
    }

    /// Notes how a use of the lease table ended.
    pub(crate) fn table_used(&self, error: Option<String>, now: Instant) {
        let mut troubles = self.troubles();
        let since = troubles.table.take().map_or(now, |(since, _)| since);
        troubles.table = error.map(|error| (since, error));
    }

    /// Notes which rows could not be read.
    pub(crate) fn rows_unreadable(&self, keys: impl IntoIterator<Item = LeaseKey>) {
        self.troubles().unreadable = keys.into_iter().collect();
    }

    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Troubles {
    fn degraded(&self, now: Instant) -> Vec<Degraded> {
        let start = self.start.clone().map(|error| Degraded::Starting { error });
        let table = self.table.clone().map(|(since, error)| Degraded::LeaseTable {
            lasting: now.saturating_duration_since(since),
            error,
        });
        let unreadable = self
            .unreadable
            .iter()
            .cloned()
            .map(|lease| Degraded::UnreadableRow { lease });
        start.into_iter().chain(table).chain(unreadable).collect()
    }
}

fn of_shard(status: &ShardStatus) -> Option<Degraded> {
    let (shard, lasting) = (status.shard.clone(), status.in_state);
    match &status.state {
        ShardState::Halted { .. } => Some(Degraded::Halted {
            shard,
            lasting,
            error: status.last_error.clone(),
        }),
        ShardState::OnHold { reason } => Some(Degraded::OnHold {
            shard,
            lasting,
            reason: reason.clone(),
        }),
        ShardState::WaitingForParents
        | ShardState::Initializing
        | ShardState::Reading
        | ShardState::Retrying { .. }
        | ShardState::Paused
        | ShardState::Ending
        | ShardState::Ended
        | ShardState::Leaving => None,
    }
}

fn slow_handler(status: &ShardStatus) -> Option<Degraded> {
    let lasting = status.in_handler.filter(|lasting| *lasting >= LONG_CALL)?;
    let shard = status.shard.clone();
    Some(Degraded::SlowHandler { shard, lasting })
}
