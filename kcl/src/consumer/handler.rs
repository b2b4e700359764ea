//! Calls to the application: a failure is followed by another call after a wait, and nothing is skipped.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;

use crate::clock;
use crate::error::HandlerError;
use crate::event::Event;
use crate::lease::guard::LeaseGuard;
use crate::retry::RetryDelays;
use crate::stream::ShardId;

/// The wait after the first failure of a handler, and the longest. Our choice: the KCL waits 500 ms for other tasks.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Counts the failures of one shard's processor.
#[derive(Debug)]
pub(crate) struct HandlerRetries {
    shard: ShardId,
    guard: LeaseGuard,
    allowed: u32,
    failures: u32,
    delays: RetryDelays,
}

/// The handler keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp;

impl HandlerRetries {
    pub(crate) fn new(shard: ShardId, guard: LeaseGuard, allowed: u32, rng: fastrand::Rng) -> Self {
        Self {
            shard,
            guard,
            allowed,
            failures: 0,
            delays: RetryDelays::new(WAITS.0, WAITS.1, rng),
        }
    }

    /// Notes how a call ended: done, to be called again after a wait, or given up. A panic is a failure.
    ///
    /// # Errors
    ///
    /// [`GivenUp`] after as many failures in a row as are allowed.
    pub(crate) async fn attempt(
        &mut self,
        call: impl Future<Output = Result<(), HandlerError>>,
    ) -> Result<Attempted, GivenUp> {
        let result = AssertUnwindSafe(call).catch_unwind().await;
        let error = match result {
            Ok(Ok(())) => {
                self.failures = 0;
                return Ok(Attempted::Done);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the handler panicked".to_owned(),
        };
        // A checkpoint on a lost lease fails, and the handler with it: nothing is wrong with the handler.
        if !self.guard.is_valid() {
            return Ok(Attempted::Again);
        }
        self.failures += 1;
        Event::HandlerFailed {
            shard: &self.shard,
            error,
            failures: self.failures,
        }
        .emit();
        if self.failures > self.allowed {
            return Err(GivenUp);
        }
        let wait = self.delays.after(self.failures);
        clock::sleep_until(clock::now().checked_add(wait)).await;
        Ok(Attempted::Again)
    }
}

/// How one call to the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempted {
    Done,
    Again,
}
