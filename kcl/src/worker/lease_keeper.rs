//! What keeps a worker's leases: the search for leases and their renewal, as one future.

use std::convert::Infallible;
use std::fmt;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::application_watch::ApplicationWatch;
use super::search::{AtTheEnd, Search};
use crate::error::WorkerError;
use crate::lease::renewer::RenewerTask;

/// Comes to leases and renews them.
pub(super) struct LeaseKeeper {
    pub(super) search: Search,
    pub(super) renewing: RenewerTask,
    /// The upkeep of the lease table, on the runtime that calls it.
    pub(super) upkeep: BoxFuture<'static, Infallible>,
    /// Watches the application's runtime, if that is another one.
    pub(super) application: Option<ApplicationWatch>,
    /// Asks the worker to stop. The search for leases cancels it when it fails.
    pub(super) draining: CancellationToken,
    /// Ends the search for leases: with the worker, or because it begins anew.
    pub(super) searching: CancellationToken,
    /// Ends the renewals: no consumer is left.
    pub(super) stop: CancellationToken,
}

impl fmt::Debug for LeaseKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseKeeper").finish_non_exhaustive()
    }
}

impl LeaseKeeper {
    /// Runs until it is stopped.
    ///
    /// # Errors
    ///
    /// Returns at once if another process uses this worker's id, or if the application's runtime has stood still for too long;
    /// the leases then lapse. If the search for leases failed earlier, its error is returned when the keeper is stopped.
    pub(super) async fn run(self) -> Result<(), WorkerError> {
        let at_the_end = self.search.at_the_end();
        let search = self.search.run(self.searching.clone());
        let renewing = self.renewing.run();
        let stalled = stalled(self.application);
        tokio::pin!(search, renewing, stalled);
        let mut upkeep = self.upkeep;
        let mut searched = None;
        loop {
            let may_stop = searched.is_some() || at_the_end == AtTheEnd::Nothing;
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if may_stop => return searched.unwrap_or(Ok(())),
                error = &mut stalled => return Err(error),
                never = &mut upkeep => match never {},
                renewed = &mut renewing => return renewed.and(searched.unwrap_or(Ok(()))),
                ended = &mut search, if searched.is_none() => {
                    if ended.is_err() {
                        self.draining.cancel();
                    }
                    searched = Some(ended);
                }
            }
        }
    }
}

/// Waits until the application's runtime has stood still for too long; for ever if it is not watched.
async fn stalled(application: Option<ApplicationWatch>) -> WorkerError {
    match application {
        Some(mut application) => WorkerError::ApplicationStalled {
            still: application.stalled().await.still,
        },
        None => std::future::pending().await,
    }
}
