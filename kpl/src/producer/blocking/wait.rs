//! Waiting for a future on the calling thread, inside a runtime or outside.
//!
//! What is waited for here is woken from the producer's thread. It is not held back to let other tasks run: inside a task
//! of tokio it would be woken again when that task yields, and it is this thread that waits.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use service::Clock;
use tokio::task::unconstrained;

/// Waits until `future` is ready.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(unconstrained(future));
    let alarm = Alarm::new();
    let waker = Waker::from(Arc::clone(&alarm));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !alarm.has_rung() {
            thread::park();
        }
    }
}

/// Waits until `future` is ready, at most for `timeout`; what is beyond the clock counts as for ever.
pub(super) fn wait_at_most<F: Future>(timeout: Duration, future: F) -> Option<F::Output> {
    let clock = Clock::default();
    let Some(deadline) = clock.monotonic().checked_add(timeout) else {
        return Some(wait(future));
    };
    let mut future = pin!(unconstrained(future));
    let alarm = Alarm::new();
    let waker = Waker::from(Arc::clone(&alarm));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        while !alarm.has_rung() {
            thread::park_timeout(left(&clock, deadline)?);
        }
    }
}

fn left(clock: &Clock, deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(clock.monotonic());
    (!left.is_zero()).then_some(left)
}

/// Wakes the thread that waits. It remembers that it rang: what is polled may park the thread as well, and take the unpark
/// that was meant for the waiting.
struct Alarm {
    thread: Thread,
    rang: AtomicBool,
}

impl Alarm {
    /// For the calling thread.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            rang: AtomicBool::new(false),
        })
    }

    /// Whether it rang since it was asked last.
    fn has_rung(&self) -> bool {
        self.rang.swap(false, Ordering::Acquire)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.thread.unpark();
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

    #[test]
    fn a_wake_up_is_not_missed_though_what_is_polled_parks_the_thread_itself() {
        let greedy = || {
            let mut polls = 0;
            std::future::poll_fn(move |cx| {
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(7);
                }
                cx.waker().wake_by_ref();
                thread::park();
                Poll::Pending
            })
        };
        assert_eq!(wait_at_most(Duration::from_secs(10), greedy()), Some(7));
        assert_eq!(wait(greedy()), 7);
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
