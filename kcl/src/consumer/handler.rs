//! Calls to the application: a failure is followed by another call after a wait, and nothing is skipped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::FutureExt as _;
use service::{Clock, Jitter, RetryDelays};

use crate::consumer::shard_consumer::ConsumerParts;
use crate::error::HandlerError;
use crate::event::ShardEvent;
use crate::lease::guard::LeaseGuard;
use crate::stream::ShardRef;

/// The wait after the first failure of a handler, and the longest. Our choice: the KCL waits 500 ms for other tasks.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Counts the failures of one shard's processor.
#[derive(Debug)]
pub(crate) struct HandlerRetries {
    shard: ShardRef,
    guard: LeaseGuard,
    allowed: u32,
    failures: u32,
    delays: RetryDelays,
    clock: Clock,
}

/// The handler keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp;

impl HandlerRetries {
    pub(crate) fn new(shard: ShardRef, guard: LeaseGuard, parts: &ConsumerParts, rng: fastrand::Rng) -> Self {
        Self {
            shard,
            guard,
            allowed: parts.config.handler_retries,
            failures: 0,
            clock: parts.clock.clone(),
            delays: RetryDelays::new(WAITS, Jitter::Half, rng),
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
        let Err(error) = or_panicked(call).await else {
            self.failures = 0;
            return Ok(Attempted::Done);
        };
        let error = error.to_string();
        // A checkpoint on a lost lease fails, and the handler with it: nothing is wrong with the handler.
        if !self.guard.is_valid() {
            return Ok(Attempted::Again);
        }
        self.failures += 1;
        ShardEvent::HandlerFailed {
            error,
            failures: self.failures,
        }
        .emit(&self.shard);
        if self.failures > self.allowed {
            return Err(GivenUp);
        }
        let wait = self.delays.after(self.failures);
        tokio::select! {
            biased;
            _ = self.guard.interrupted() => {}
            () = self.clock.sleep(wait) => {}
        }
        Ok(Attempted::Again)
    }

    /// Makes a call that is not repeated.
    pub(crate) async fn once(&self, call: impl Future<Output = Result<(), HandlerError>>) {
        if let Err(error) = or_panicked(call).await {
            let error = error.to_string();
            ShardEvent::HandlerFailed {
                error,
                failures: self.failures + 1,
            }
            .emit(&self.shard);
        }
    }

    /// Lets the application make something.
    ///
    /// # Errors
    ///
    /// [`GivenUp`] if it panics.
    pub(crate) fn make<T>(&self, make: impl FnOnce() -> T) -> Result<T, GivenUp> {
        catch_unwind(AssertUnwindSafe(make)).map_err(|_| {
            let error = "the processor's factory panicked".to_owned();
            ShardEvent::HandlerFailed { error, failures: 1 }.emit(&self.shard);
            GivenUp
        })
    }
}

/// The result of a call to the application; a panic in it is an error.
async fn or_panicked(call: impl Future<Output = Result<(), HandlerError>>) -> Result<(), HandlerError> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err("the handler panicked".into()))
}

/// How one call to the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempted {
    Done,
    Again,
}
