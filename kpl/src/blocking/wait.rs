//! Waiting for a future on the calling thread, inside a runtime or outside.
//!
//! What is waited for here is woken from the producer's thread. It is not held back to let other tasks run: inside a task
//! of tokio it would be woken again when that task yields, and it is this thread that waits.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::task::unconstrained;

use crate::clock;

/// Waits until `future` is ready.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(unconstrained(future));
    let waker = waker();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Waits until `future` is ready, at most for `timeout`; what is beyond the clock counts as for ever.
pub(super) fn wait_at_most<F: Future>(timeout: Duration, future: F) -> Option<F::Output> {
    let Some(deadline) = clock::now().checked_add(timeout) else {
        return Some(wait(future));
    };
    let mut future = pin!(unconstrained(future));
    let waker = waker();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        thread::park_timeout(left(deadline)?);
    }
}

fn left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(clock::now());
    (!left.is_zero()).then_some(left)
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Unparks the thread that waits. An unpark before the park is kept, so none is missed.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::oneshot;
    use tokio::runtime::Builder;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_future_that_is_woken_from_another_thread_is_waited_for() {
        let (sender, receiver) = oneshot::channel();
        let other = thread::spawn(move || sender.send(7));
        assert_eq!(wait(receiver), Ok(7));
        other.join().unwrap().unwrap();
    }

    /// More waits than a task of tokio may have ready ones before it has to yield.
    fn wait_often(wait: fn(&Semaphore) -> bool) -> bool {
        let runtime = Builder::new_current_thread().build().unwrap();
        let room = Semaphore::new(1);
        runtime.block_on(async { (0..500).all(|_| wait(&room)) })
    }

    #[test]
    fn what_is_ready_is_not_waited_for_however_often_a_task_of_a_runtime_asks() {
        assert!(wait_often(
            |room| wait_at_most(Duration::from_secs(10), room.acquire()).is_some()
        ));
        assert!(wait_often(|room| wait(room.acquire()).is_ok()));
    }

    #[test]
    fn waiting_ends_with_the_time_and_the_longest_time_is_as_good_as_any() {
        assert_eq!(
            wait_at_most(Duration::from_millis(5), std::future::pending::<()>()),
            None
        );
        assert_eq!(wait_at_most(Duration::ZERO, std::future::ready(1)), Some(1));
        assert_eq!(wait_at_most(Duration::MAX, std::future::ready(1)), Some(1));
    }
}
