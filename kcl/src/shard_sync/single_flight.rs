//! One call at a time, made once for all who wait for it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use service::Clock;
use tokio::sync::Semaphore;

use crate::error::StreamError;

/// Makes a call of one kind for many callers.
///
/// A caller gets the outcome of a call that began after it asked, a failure like a success. It never gets that of a call
/// that was in flight when it asked: the next call is for all who asked meanwhile.
pub(crate) struct SingleFlight<T> {
    clock: Clock,
    turn: Arc<Semaphore>,
    latest: Mutex<Option<Flight<T>>>,
}

/// One call, which its callers drive together.
#[derive(Clone)]
struct Flight<T> {
    /// Empty while an earlier call is in flight.
    begun: Arc<OnceLock<Instant>>,
    outcome: Shared<BoxFuture<'static, Result<T, StreamError>>>,
}

impl<T> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            turn: Arc::new(Semaphore::new(1)),
            latest: Mutex::default(),
        }
    }

    /// The outcome of a call that began at `since` or later. `make` makes it, with the time of its beginning, if there is no
    /// such call yet.
    ///
    /// # Cancellation
    ///
    /// The other callers go on with the call.
    pub(crate) async fn call<F>(
        &self,
        since: Instant,
        make: impl FnOnce(Instant) -> F + Send + 'static,
    ) -> Result<T, StreamError>
    where
        F: Future<Output = Result<T, StreamError>> + Send,
    {
        self.join(since, make).await
    }

    fn join<F>(
        &self,
        since: Instant,
        make: impl FnOnce(Instant) -> F + Send + 'static,
    ) -> Shared<BoxFuture<'static, Result<T, StreamError>>>
    where
        F: Future<Output = Result<T, StreamError>> + Send,
    {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late_enough = |flight: &&Flight<T>| flight.begun.get().is_none_or(|begun| *begun >= since);
        if let Some(flight) = latest.as_ref().filter(is_late_enough) {
            return flight.outcome.clone();
        }
        let begun = Arc::default();
        let outcome = self.flight(Arc::clone(&begun), make);
        // A flight that no caller drives any more ends here, and gives its turn back.
        *latest = Some(Flight {
            begun,
            outcome: outcome.clone(),
        });
        outcome
    }

    fn flight<F>(
        &self,
        begun: Arc<OnceLock<Instant>>,
        make: impl FnOnce(Instant) -> F + Send + 'static,
    ) -> Shared<BoxFuture<'static, Result<T, StreamError>>>
    where
        F: Future<Output = Result<T, StreamError>> + Send,
    {
        let (turn, clock) = (Arc::clone(&self.turn), self.clock.clone());
        let flight = async move {
            let _turn = turn.acquire().await;
            let begun = *begun.get_or_init(|| clock.now());
            make(begun).await
        };
        flight.boxed().shared()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;
    use crate::error::CallErrorKind;

    const SECOND: Duration = Duration::from_secs(1);

    /// A call that takes a second, and what came of it: its number.
    struct Bench {
        clock: Clock,
        flights: SingleFlight<usize>,
        calls: Arc<AtomicUsize>,
    }

    impl Bench {
        fn new() -> Self {
            let clock = Clock::default();
            Self {
                flights: SingleFlight::new(clock.clone()),
                clock,
                calls: Arc::default(),
            }
        }

        async fn ask(
            &self,
            answer: impl FnOnce(usize) -> Result<usize, StreamError> + Send + 'static,
        ) -> Result<usize, StreamError> {
            let (calls, clock) = (Arc::clone(&self.calls), self.clock.clone());
            let make = move |_| async move {
                let number = calls.fetch_add(1, Ordering::SeqCst);
                clock.sleep(SECOND).await;
                answer(number)
            };
            self.flights.call(self.clock.now(), make).await
        }

        fn calls(&self) -> usize {
            self.calls.load(Ordering::SeqCst)
        }
    }

    fn failure() -> StreamError {
        StreamError {
            operation: "ListShards",
            kind: CallErrorKind::NotFound,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_together_get_the_outcome_of_one_call_also_if_it_failed() {
        let bench = Bench::new();
        let outcomes = join_all((0..1_000).map(|_| bench.ask(|_| Err(failure())))).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Err(failure())));
        assert_eq!(bench.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_during_a_call_share_the_next_one() {
        let bench = Bench::new();
        let later = async {
            bench.clock.sleep(SECOND / 2).await;
            join_all((0..1_000).map(|_| bench.ask(Ok))).await
        };
        let (first, later) = tokio::join!(bench.ask(Ok), later);
        assert_eq!(first, Ok(0));
        assert!(later.iter().all(|outcome| *outcome == Ok(1)), "no older one");
        assert_eq!(bench.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_kept_for_those_who_ask_later() {
        let bench = Bench::new();
        assert_eq!(bench.ask(|_| Err(failure())).await, Err(failure()));
        assert_eq!(bench.ask(Ok).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_stops_waiting_stops_no_other() {
        let bench = Bench::new();
        let impatient = bench.clock.timeout(SECOND / 2, bench.ask(Ok));
        let (impatient, patient) = tokio::join!(impatient, bench.ask(Ok));
        assert_eq!((impatient, patient), (None, Ok(0)));
        assert_eq!(bench.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_all_have_stopped_waiting_for_keeps_no_later_one_from_beginning() {
        let bench = Bench::new();
        assert_eq!(bench.clock.timeout(SECOND / 2, bench.ask(Ok)).await, None);
        let begun = bench.clock.now();
        assert_eq!(bench.ask(Ok).await, Ok(1));
        assert!(bench.clock.now() - begun < 2 * SECOND);
    }
}
