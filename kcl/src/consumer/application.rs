//! Calls to the application: guarded against panics, hangs, and a lease that is lost meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::poll;
use service::Clock;
use tracing::Span;

use crate::consumer::status::StatusBoard;
use crate::event::{HandlerEvent, WhyDropped};
use crate::lease::guard::LeaseGuard;
use crate::observers::ShardObserver;
use crate::processor::handler_error::HandlerError;
use crate::processor::handler_timeout::HandlerTimeout;
use crate::spans::failed;

/// After what time a call that has not returned is told of, and how often again. Our choice.
pub(crate) const LONG_CALL: Duration = Duration::from_secs(60);

/// The rules for calls to the application, for one shard.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) observer: ShardObserver,
    pub(crate) guard: LeaseGuard,
    pub(crate) clock: Clock,
    pub(crate) board: StatusBoard,
    /// How long a call may go on after the lease is lost.
    pub(crate) grace: Duration,
    /// How long a call may take at all.
    pub(crate) timeout: HandlerTimeout,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Called {
    /// It returned, or panicked, which is an error.
    Returned(Result<(), HandlerError>),
    /// It was dropped unfinished, so its processor may be in any state, and is called for nothing more.
    Dropped,
}

impl Called {
    /// Whether the call did what it was made for; a failure is noted in its span.
    pub(super) fn succeeded(&self, span: &Span) -> Result<(), ()> {
        match self {
            Self::Returned(Ok(())) => Ok(()),
            Self::Returned(Err(_)) | Self::Dropped => {
                failed(span);
                Err(())
            }
        }
    }
}

impl Application {
    /// Makes a call.
    pub(crate) async fn call(&self, call: BoxFuture<'_, Result<(), HandlerError>>) -> Called {
        let mut call = CaughtDrop(Some(call));
        let begun = self.clock.now();
        let _running = self.board.call_begins();
        let dropped = {
            let mut returned = pin!(AssertUnwindSafe(call.future()).catch_unwind());
            // A call on a lease that is lost already, without any grace, runs at least until its first wait.
            if let Poll::Ready(returned) = poll!(&mut returned) {
                return Called::Returned(unless_panicked(returned));
            }
            tokio::select! {
                biased;
                why = self.over(begun) => why,
                returned = returned => return Called::Returned(unless_panicked(returned)),
            }
        };
        self.observer.tell(HandlerEvent::Dropped {
            after: self.clock.now() - begun,
            why: dropped,
        });
        Called::Dropped
    }

    /// The text of an error of the application, whose formatting may panic.
    pub(crate) fn text(&self, error: &HandlerError) -> String {
        let text = catch_unwind(AssertUnwindSafe(|| error.to_string()));
        text.unwrap_or_else(|_| "an error whose text cannot be formatted".to_owned())
    }

    /// Lets the application make something.
    ///
    /// # Errors
    ///
    /// A panic.
    pub(crate) fn make<T>(&self, make: impl FnOnce() -> T) -> Result<T, HandlerError> {
        catch_unwind(AssertUnwindSafe(make)).map_err(|_| HandlerError::new("the processor's factory panicked"))
    }

    /// Drops what is the application's.
    pub(crate) fn drop<T>(&self, it: T) {
        if catch_unwind(AssertUnwindSafe(|| drop(it))).is_err() {
            self.observer.tell(HandlerEvent::DropPanicked);
        }
    }

    /// Waits until a call that began at `begun` has to be dropped, and tells of it while it is long.
    async fn over(&self, begun: Instant) -> WhyDropped {
        tokio::select! {
            biased;
            () = self.grace_is_over() => WhyDropped::LeaseLost,
            () = self.times_out(begun) => WhyDropped::TimedOut,
            never = self.watch(begun) => match never {},
        }
    }

    async fn grace_is_over(&self) {
        self.guard.lost().await;
        self.clock.sleep(self.grace).await;
    }

    async fn times_out(&self, begun: Instant) {
        let end = self.timeout.of_a_call().and_then(|timeout| begun.checked_add(timeout));
        self.clock.sleep_until(end).await;
    }

    async fn watch(&self, begun: Instant) -> std::convert::Infallible {
        loop {
            self.clock.sleep(LONG_CALL).await;
            self.observer.tell(HandlerEvent::Slow {
                running: self.clock.now() - begun,
            });
        }
    }
}

fn unless_panicked(returned: std::thread::Result<Result<(), HandlerError>>) -> Result<(), HandlerError> {
    returned.unwrap_or_else(|_| Err(HandlerError::new("the handler panicked")))
}

/// A future whose `Drop` may panic, which stays inside.
struct CaughtDrop<'a>(Option<BoxFuture<'a, Result<(), HandlerError>>>);

impl<'a> CaughtDrop<'a> {
    async fn future(&mut self) -> Result<(), HandlerError> {
        match &mut self.0 {
            Some(future) => future.await,
            None => Ok(()),
        }
    }
}

impl Drop for CaughtDrop<'_> {
    fn drop(&mut self) {
        let future = self.0.take();
        // The panic hook has told of it.
        drop(catch_unwind(AssertUnwindSafe(|| drop(future))));
    }
}
