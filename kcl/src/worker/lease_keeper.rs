//! What keeps a worker's leases: the search for leases and their renewal, as one future.

use tokio_util::sync::CancellationToken;

use crate::assignment::task::Assignment;
use crate::error::WorkerError;
use crate::lease::renewer::RenewerTask;

/// Takes leases and renews them.
#[derive(Debug)]
pub(super) struct LeaseKeeper {
    pub(super) assignment: Assignment,
    pub(super) renewing: RenewerTask,
    /// Asks the worker to stop. The search for leases ends with it, and cancels it when it ends by itself.
    pub(super) draining: CancellationToken,
    /// Ends the renewals: no consumer is left.
    pub(super) stop: CancellationToken,
}

impl LeaseKeeper {
    /// Runs until it is stopped.
    ///
    /// # Errors
    ///
    /// At once if another process uses this worker's id. Once it is stopped, what ended the search for leases.
    pub(super) async fn run(self) -> Result<(), WorkerError> {
        let assignment = self.assignment.run(self.draining.clone());
        let renewing = self.renewing.run();
        tokio::pin!(assignment, renewing);
        let mut searched = None;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return searched.unwrap_or(Ok(())),
                renewed = &mut renewing => return renewed.and(searched.unwrap_or(Ok(()))),
                ended = &mut assignment, if searched.is_none() => {
                    searched = Some(ended);
                    self.draining.cancel();
                }
            }
        }
    }
}
