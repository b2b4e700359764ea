//! The thread on which this worker's leases are kept, apart from the application's threads.
//!
//! A handler that blocks the application's threads stops every task of the application's runtime. The leases are kept by
//! a runtime of their own, which is built, run and ended inside its thread: elsewhere, ending a runtime panics in an
//! async context, or waits. Nobody joins the thread.

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use service::Tasks;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The name of the thread, as debuggers and `top -H` show it.
const THREAD_NAME: &str = "kcl-leases";

/// Where the leases are kept.
#[derive(Debug, Clone)]
pub(crate) enum LeaseRuntime {
    /// On a thread of their own, in real time.
    OwnThread,
    /// In a task of the current runtime, which passes through these `Tasks`: a simulation has one runtime, whose time is
    /// virtual, for all of its processes.
    Here(Tasks),
}

/// A future that runs on the lease thread. Dropping this stops it.
///
/// The drop only sends a signal: it never blocks, and may happen anywhere, inside of a runtime or outside. The thread
/// drops the future and all tasks of its runtime at their next await, so nothing is sent after that. A request that was
/// already written to a socket arrives.
#[derive(Debug)]
pub(crate) struct LeaseThread<T> {
    running: Running<T>,
}

#[derive(Debug)]
enum Running<T> {
    OnThread {
        result: oneshot::Receiver<Result<T, LeaseThreadError>>,
        /// Dropped to stop the thread.
        _stop: oneshot::Sender<Infallible>,
    },
    InTask(JoinSet<T>),
    Ended,
}

/// Why the lease thread has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseThreadError {
    /// The system has no thread or no event queue left for it.
    #[error("the lease thread could not be started")]
    NotStarted(#[source] io::Error),
    /// The future panicked.
    #[error("the lease thread panicked")]
    Panicked,
    /// The result was already taken, or the runtime of the task was shut down.
    #[error("the lease thread has ended")]
    Ended,
}

impl LeaseRuntime {
    /// Starts the future that `make` returns. `make` is called where the future runs.
    ///
    /// If the thread cannot be started, [`LeaseThread::ended`] returns the error.
    ///
    /// # Panics
    ///
    /// `Here` panics outside of a tokio runtime.
    pub(crate) fn spawn<T, F>(&self, make: impl FnOnce() -> F + Send + 'static) -> LeaseThread<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let running = match self {
            Self::OwnThread => on_thread(make),
            Self::Here(tasks) => {
                let mut set = JoinSet::new();
                set.spawn(tasks.vital("leases", async move { make().await }));
                Running::InTask(set)
            }
        };
        LeaseThread { running }
    }
}

impl<T: Send + 'static> LeaseThread<T> {
    /// Waits for the future's result.
    ///
    /// # Errors
    ///
    /// [`LeaseThreadError`] if the thread was not started, if the future panicked, and after the result was returned.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: the next call returns the result.
    pub(crate) async fn ended(&mut self) -> Result<T, LeaseThreadError> {
        let result = match &mut self.running {
            // A thread that leaves without a result was killed by a panic outside of the future.
            Running::OnThread { result, .. } => result.await.unwrap_or(Err(LeaseThreadError::Panicked)),
            Running::InTask(tasks) => match tasks.join_next().await {
                Some(Ok(result)) => Ok(result),
                Some(Err(error)) if error.is_panic() => Err(LeaseThreadError::Panicked),
                Some(Err(_)) | None => Err(LeaseThreadError::Ended),
            },
            Running::Ended => Err(LeaseThreadError::Ended),
        };
        self.running = Running::Ended;
        result
    }
}

fn on_thread<T, F>(make: impl FnOnce() -> F + Send + 'static) -> Running<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (done, result) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let body = move || {
        // Nobody waits for the result any more when the thread was stopped.
        let _ = match run(make, stopped) {
            Ok(None) => Ok(()),
            Ok(Some(result)) => done.send(Ok(result)).map_err(drop),
            Err(error) => done.send(Err(error)).map_err(drop),
        };
    };
    // The handle is dropped: a detached thread does not keep the process alive.
    match thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(body) {
        Ok(_handle) => Running::OnThread { result, _stop: stop },
        Err(error) => {
            let (done, result) = oneshot::channel();
            drop(done.send(Err(LeaseThreadError::NotStarted(error))));
            Running::OnThread { result, _stop: stop }
        }
    }
}

/// Runs the future until it ends or `stopped` is closed, and then ends its runtime without waiting for anything.
fn run<T, F: Future<Output = T>>(
    make: impl FnOnce() -> F,
    stopped: oneshot::Receiver<Infallible>,
) -> Result<Option<T>, LeaseThreadError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name(THREAD_NAME)
        .build()
        .map_err(LeaseThreadError::NotStarted)?;
    let until_stopped = async {
        tokio::select! {
            biased;
            _closed = stopped => None,
            result = async { make().await } => Some(result),
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(until_stopped)));
    // Its own drop would wait for a name lookup that hangs.
    runtime.shutdown_background();
    outcome.map_err(|_panic| LeaseThreadError::Panicked)
}

#[cfg(test)]
mod blocked_application;
#[cfg(test)]
mod tests;
