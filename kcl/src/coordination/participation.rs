//! What one worker does in a fleet of the 3.x rule, as one future.
//!
//! ```text
//!  reporter ──► metrics row                 lock_keeper ──► the leader's lock
//!                                               │ term
//!                                               ▼
//!           scans, assignments, hand-offs ◄── observer ── leases given to itself ──► discovery ──► renewer
//! ```
//!
//! The `reporter` writes the metrics row of the worker, and deletes it when the worker stops. The `lock_keeper` contends for the
//! leader's lock. The `observer` looks at the table by turns, gives away the leases that nobody reads, and levels while it leads,
//! by the pure `duties`. By the pure `failures` it finds that it cannot lead. The `housekeeper` deletes rows that a leader has found
//! to be of no use. The `discovery` finds the leases that name this worker and begins their ownerships.

mod discovery;
mod duties;
mod failures;
mod lock_keeper;
mod observer;
mod reporter;

use std::sync::Arc;
use std::time::Duration;

use service::Clock;
use tokio_util::sync::CancellationToken;

pub(crate) use self::discovery::{Discovery, DiscoveryParts};
pub(crate) use self::lock_keeper::LockKeeper;
pub(crate) use self::observer::{Housekeeper, Observer, ObserverParts};
pub(crate) use self::reporter::Reporter;
use crate::assignment::other_streams::OtherStreams;
use crate::error::WorkerError;
use crate::lease::model::WorkerId;
use crate::lease::table::LeaseTable;
use crate::observers::Observers;
use crate::worker::health::HealthBoard;

/// How long one call may take. Our choice: a turn must not wait for longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// What the parts of one worker share.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) worker: WorkerId,
    pub(crate) table: Arc<dyn LeaseTable>,
    pub(crate) clock: Clock,
    pub(crate) observers: Observers,
    pub(crate) health: HealthBoard,
    pub(crate) other_streams: OtherStreams,
}

/// The parts of one worker.
#[derive(Debug)]
pub(crate) struct Participation {
    pub(crate) reporter: Reporter,
    pub(crate) lock_keeper: LockKeeper,
    pub(crate) observer: Observer,
    pub(crate) housekeeper: Housekeeper,
    pub(crate) discovery: Discovery,
    /// Is cancelled once the fleet can know that the worker has left.
    pub(crate) retired: CancellationToken,
}

impl Participation {
    /// Takes part until `draining` is set; then deletes the metrics row and the lock of this worker.
    ///
    /// # Errors
    ///
    /// [`WorkerError::LedByOthers`] when the fleet changes its rule.
    pub(crate) async fn run(self, draining: CancellationToken) -> Result<(), WorkerError> {
        let Self {
            mut reporter,
            lock_keeper,
            observer,
            housekeeper,
            discovery,
            retired,
        } = self;
        let stop = draining.child_token();
        // Before the first look at the table: workers that start together see each other by their rows.
        reporter.report().await;
        let observing = async {
            let ended = observer.run(&stop).await;
            stop.cancel();
            ended
        };
        let reporting = async {
            reporter.run(&stop).await;
            retired.cancel();
        };
        let (ended, (), (), (), ()) = tokio::join!(
            observing,
            housekeeper.run(&stop),
            discovery.run(&stop),
            lock_keeper.run(&stop),
            reporting
        );
        ended
    }
}
