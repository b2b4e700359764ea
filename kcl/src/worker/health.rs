//! How a worker is, for probes and operators.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::checkpoint::position::RecordPosition;
use crate::consumer::application::LONG_CALL;
use crate::consumer::status::{ShardState, ShardStatus};
use crate::error::{StreamError, TableError};
use crate::event::text::{at, seconds};
use crate::lease::model::LeaseKey;
use crate::stream::{ShardId, ShardRef};
use crate::trouble::Trouble;

/// How long the reads of a shard may fail before that needs attention. Our choice: a failed read is tried again after ten
/// seconds at most, so at least six have failed in a row; throttling by other readers of a shard passes sooner.
const READS_FAIL: Duration = Duration::from_secs(60);

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
        /// The record that `error` is about, as [`ShardStatus::failing_at`] says.
        position: Option<RecordPosition>,
        /// The handler's last error, also one of the lease table that it has passed on.
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
    /// Each read of a shard has failed, or was throttled, for more than a minute. Ends with the next one that succeeds.
    ReadsFail {
        /// The shard.
        shard: ShardRef,
        /// Since the first of these failures.
        lasting: Duration,
        /// The last error.
        error: StreamError,
    },
    /// Credentials are refused, or cannot be loaded. Those that were loaded before are used while they are valid. Ends with
    /// the next success of what failed: a load, a read, or a use of the lease table.
    Credentials {
        /// For how long.
        lasting: Duration,
        /// The last error.
        error: String,
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
    /// No lease leads to an open shard, as the last audit by this worker has found: nobody reads the shard.
    NotCovered {
        /// The shard.
        shard: ShardId,
        /// Why, and what to do.
        problem: String,
    },
    /// The index of owners cannot be asked: the worker finds its leases by scans, which are slower and cost more.
    OwnerIndex {
        /// Why.
        problem: String,
    },
}

/// One line, which names the shard or the row, says for how long it lasts, and why.
impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting { error } => write!(f, "the worker cannot start yet, and tries again: {error}"),
            Self::Halted {
                shard,
                lasting,
                position,
                error,
            } => {
                write!(f, "shard {shard} has been halted")?;
                at(f, position.as_ref())?;
                write!(f, " for {}", seconds(*lasting))?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::OnHold { shard, lasting, reason } => {
                write!(f, "shard {shard} has been on hold for {}: {reason}", seconds(*lasting))
            }
            Self::SlowHandler { shard, lasting } => {
                write!(
                    f,
                    "a call to the handler of shard {shard} has been running for {}",
                    seconds(*lasting)
                )
            }
            Self::ReadsFail { shard, lasting, error } => {
                write!(
                    f,
                    "no read of shard {shard} has succeeded for {}: {error}",
                    seconds(*lasting)
                )
            }
            Self::Credentials { lasting, error } => {
                write!(
                    f,
                    "the credentials have been unusable for {}: {error}",
                    seconds(*lasting)
                )
            }
            Self::LeaseTable { lasting, error } => {
                write!(
                    f,
                    "the lease table has been unusable for {}: {error}",
                    seconds(*lasting)
                )
            }
            Self::OwnerIndex { problem } => {
                write!(
                    f,
                    "the index of owners cannot be asked, so leases are found by scans: {problem}"
                )
            }
            Self::UnreadableRow { lease } => {
                write!(
                    f,
                    "row {lease} of the lease table cannot be read, so nobody reads its shard"
                )
            }
            Self::NotCovered { shard, problem } => write!(f, "nobody reads shard {shard}: {problem}"),
        }
    }
}

/// Where the parts of a worker note how they are. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct HealthBoard {
    phase: Arc<watch::Sender<WorkerPhase>>,
    troubles: Arc<Mutex<Troubles>>,
    /// Of the searches for leases.
    pub(crate) scans: Trouble<TableError>,
    /// Of the writes of lease rows. The last that was answered counts, of whatever lease.
    pub(crate) writes: Trouble<TableError>,
    /// Of the writes of the worker's metrics row: a worker that holds no lease writes no other row.
    pub(crate) reports: Trouble<TableError>,
    /// Of the loads of credentials on the lease thread.
    pub(crate) credentials: Trouble<String>,
}

#[derive(Debug, Default)]
struct Troubles {
    start: Option<String>,
    unreadable: BTreeSet<LeaseKey>,
    uncovered: BTreeMap<ShardId, String>,
    index: Option<String>,
}

impl Default for HealthBoard {
    fn default() -> Self {
        Self {
            phase: Arc::new(watch::Sender::new(WorkerPhase::NotStarted)),
            troubles: Arc::default(),
            scans: Trouble::default(),
            writes: Trouble::default(),
            reports: Trouble::default(),
            credentials: Trouble::default(),
        }
    }
}

impl HealthBoard {
    /// How the worker is, with shards of which this is known.
    pub(crate) fn health(&self, shards: &[ShardStatus], now: Instant) -> Health {
        let mut degraded: Vec<_> = self.start_failing().into_iter().collect();
        degraded.extend(self.credentials_failing(shards, now));
        degraded.extend(self.table_failing(now));
        degraded.extend(self.rows_failing());
        degraded.extend(self.index_failing());
        degraded.extend(shards.iter().filter_map(of_shard));
        degraded.extend(shards.iter().filter_map(reads_fail));
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

    /// Notes which rows could not be read.
    pub(crate) fn rows_unreadable(&self, keys: impl IntoIterator<Item = LeaseKey>) {
        self.troubles().unreadable = keys.into_iter().collect();
    }

    /// Notes the open shards that nobody reads, and why.
    pub(crate) fn uncovered(&self, shards: BTreeMap<ShardId, String>) {
        self.troubles().uncovered = shards;
    }

    /// Notes why the index of owners cannot be asked, if so.
    pub(crate) fn index_unusable(&self, problem: Option<String>) {
        self.troubles().index = problem;
    }

    fn start_failing(&self) -> Option<Degraded> {
        let error = self.troubles().start.clone()?;
        Some(Degraded::Starting { error })
    }

    /// One entry, however many calls the credentials fail.
    fn credentials_failing(&self, shards: &[ShardStatus], now: Instant) -> Option<Degraded> {
        let loads = self.credentials.lasting(now);
        let of_table = self.of_table(now).filter(|(_, error)| error.kind().is_credentials());
        let of_table = of_table.map(|(lasting, error)| (lasting, error.to_string()));
        let reads = shards.iter().filter_map(failing_reads);
        let reads = reads.filter(|(_, error)| error.kind().is_credentials());
        let reads = reads.map(|(lasting, error)| (lasting, error.to_string()));
        let longest = loads.into_iter().chain(of_table).chain(reads);
        let (lasting, error) = longest.max_by_key(|(lasting, _)| *lasting)?;
        Some(Degraded::Credentials { lasting, error })
    }

    fn table_failing(&self, now: Instant) -> Option<Degraded> {
        let of_table = self.of_table(now).filter(|(_, error)| !error.kind().is_credentials());
        let (lasting, error) = of_table.max_by_key(|(lasting, _)| *lasting)?;
        let error = error.to_string();
        Some(Degraded::LeaseTable { lasting, error })
    }

    fn rows_failing(&self) -> Vec<Degraded> {
        let unreadable = self.troubles().unreadable.clone();
        let unreadable = unreadable.into_iter().map(|lease| Degraded::UnreadableRow { lease });
        let uncovered = self.troubles().uncovered.clone();
        let uncovered = uncovered
            .into_iter()
            .map(|(shard, problem)| Degraded::NotCovered { shard, problem });
        unreadable.chain(uncovered).collect()
    }

    fn index_failing(&self) -> Option<Degraded> {
        let problem = self.troubles().index.clone()?;
        Some(Degraded::OwnerIndex { problem })
    }

    /// What fails of the lease table.
    fn of_table(&self, now: Instant) -> impl Iterator<Item = (Duration, TableError)> + use<> {
        let uses = [&self.scans, &self.writes, &self.reports].map(|trouble| trouble.lasting(now));
        uses.into_iter().flatten()
    }

    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_shard(status: &ShardStatus) -> Option<Degraded> {
    let (shard, lasting) = (status.shard.clone(), status.in_state);
    match &status.state {
        ShardState::Halted { .. } => Some(Degraded::Halted {
            shard,
            lasting,
            position: status.failing_at.clone(),
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

/// The failures to read a shard, if that is what its worker is at.
fn failing_reads(status: &ShardStatus) -> Option<(Duration, StreamError)> {
    let is_read = status.state == ShardState::Reading;
    is_read.then(|| status.reads_failing.zip(status.read_error.clone()))?
}

fn reads_fail(status: &ShardStatus) -> Option<Degraded> {
    let (lasting, error) = failing_reads(status)?;
    let is_told = lasting >= READS_FAIL && !error.kind().is_credentials();
    let shard = status.shard.clone();
    is_told.then_some(Degraded::ReadsFail { shard, lasting, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CallErrorKind;
    use crate::lease::layout::TableLayout;
    use crate::stream::{ShardId, StreamRef};

    const LASTING: Duration = Duration::from_secs(90);

    fn shard() -> ShardRef {
        ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-7"))
    }

    fn halted(position: Option<RecordPosition>, error: Option<String>) -> Degraded {
        Degraded::Halted {
            shard: shard(),
            lasting: LASTING,
            position,
            error,
        }
    }

    #[test]
    fn a_shard_that_needs_attention_is_told_in_one_line_that_says_for_how_long() {
        let position = RecordPosition {
            sequence_number: "49".parse().unwrap(),
            sub_sequence_number: 2,
        };
        let kind = CallErrorKind::Throttled { code: "Slow".into() };
        let error = StreamError {
            operation: "GetRecords",
            kind,
        };
        let (shard, lasting, reason) = (shard(), LASTING, "gone".to_owned());
        let on_hold = Degraded::OnHold {
            shard: shard.clone(),
            lasting,
            reason,
        };
        let slow = Degraded::SlowHandler {
            shard: shard.clone(),
            lasting,
        };
        let reads_fail = Degraded::ReadsFail { shard, lasting, error };
        for (degraded, expected) in [
            (
                halted(Some(position), Some("refused".into())),
                "shard orders/shardId-7 has been halted at 49:2 for 90 s: refused",
            ),
            (halted(None, None), "shard orders/shardId-7 has been halted for 90 s"),
            (on_hold, "shard orders/shardId-7 has been on hold for 90 s: gone"),
            (
                slow,
                "a call to the handler of shard orders/shardId-7 has been running for 90 s",
            ),
            (
                reads_fail,
                "no read of shard orders/shardId-7 has succeeded for 90 s: GetRecords failed: throttled (Slow)",
            ),
        ] {
            assert_eq!(degraded.to_string(), expected);
        }
    }

    #[test]
    fn a_service_that_needs_attention_is_told_in_one_line_that_says_for_how_long() {
        let (lasting, error, of) = (LASTING, "refused".to_owned(), shard());
        let rows = TableLayout::OneStream(of.stream.clone());
        let lease = rows.rows_of(&of.stream).key_of(&of.shard);
        for (degraded, expected) in [
            (
                Degraded::Starting { error: error.clone() },
                "the worker cannot start yet, and tries again: refused",
            ),
            (
                Degraded::Credentials {
                    lasting,
                    error: error.clone(),
                },
                "the credentials have been unusable for 90 s: refused",
            ),
            (
                Degraded::LeaseTable { lasting, error },
                "the lease table has been unusable for 90 s: refused",
            ),
            (
                Degraded::OwnerIndex {
                    problem: "denied".into(),
                },
                "the index of owners cannot be asked, so leases are found by scans: denied",
            ),
            (
                Degraded::UnreadableRow { lease },
                "row shardId-7 of the lease table cannot be read, so nobody reads its shard",
            ),
        ] {
            assert_eq!(degraded.to_string(), expected);
        }
    }
}
