//! What a worker does when its stream was deleted and created again, if it is to go on with the present one.
//!
//! ```text
//!  a consumer, or a row of a later stream, tells of another stream
//!     └─► the search for leases ends, and the consumers leave: `lease_lost`
//!            └─► a new start: the leases of the former stream are replaced or deleted
//! ```
//!
//! A worker that goes on may still find leases of a former stream: of a worker that stopped half-way, or had not noticed yet.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Worker;
use super::start::Occasion;
use crate::event::WorkerEvent;
use crate::lease::ownership::Drain;
use crate::lease::renewer::Renewer;
use crate::shard_sync::former::OnRecreated;
use crate::shard_sync::surveyor::Surveyor;

/// How long calls to processors of the former stream's shards may go on before they are dropped. Our choice, and that of the
/// default of [`WorkerControl::shutdown`](crate::WorkerControl::shutdown)'s callers.
const LEAVE: Duration = Duration::from_secs(30);

impl Worker {
    /// Waits until the stream was created again, ends the search for leases, and lets the consumers leave within [`LEAVE`]. Waits
    /// for ever if that is not wanted.
    pub(super) async fn make_way(
        &self,
        renewer: &Renewer,
        replaced: &CancellationToken,
        generation: &CancellationToken,
    ) {
        match self.config.on_recreated {
            OnRecreated::Halt => std::future::pending().await,
            OnRecreated::Restart => replaced.cancelled().await,
        }
        self.observers.tell(WorkerEvent::StreamCreatedAgain {
            stream: self.stream.clone(),
        });
        generation.cancel();
        renewer.drain(Drain::StreamCreatedAgain).await;
        self.clock.sleep(LEAVE).await;
    }

    /// Looks at the stream whenever the search for leases has found some of a former or a later one: notices the later one, and
    /// replaces or deletes those of the former. What fails is tried again after the next search.
    pub(super) async fn tidy(&self, surveyor: &Surveyor, found: &Notify, rng: fastrand::Rng) -> Infallible {
        let mut rng = rng;
        loop {
            found.notified().await;
            if surveyor.describe(self.clock.now()).await.is_err() {
                continue;
            }
            if surveyor.replaced().is_cancelled() {
                return std::future::pending().await;
            }
            if let Err(error) = self.starter(rng.fork(), Occasion::Tidy).attempt(None).await {
                let error = service::chain(&error);
                self.observers
                    .tell(WorkerEvent::LeasesNotReplaced { error, repeated: 0 });
            }
        }
    }
}
