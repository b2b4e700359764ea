//! Code of the application that runs inside ours: its log, its recorder of metrics once the producer runs, and whatever wakes who waits. A panic
//! in it ends there.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// Calls code of the application. `None` if it panicked; the process's panic hook has told of that already.
///
/// What it leaves half done is its own: it shares no state with ours.
pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Wakes somebody who waits, by a waker of the application.
pub(crate) fn wake(wake: impl FnOnce()) {
    if contained(wake).is_none() {
        contained(|| tracing::error!("a waker panicked; whoever it was to wake may wait for ever")).unwrap_or_default();
    }
}

/// Waits for `future` where others wait, too. Whoever wakes them all is shown a waker that does not panic: it would leave
/// the others asleep.
pub(crate) async fn among_others<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let waker = Waker::from(Arc::new(Contained(cx.waker().clone())));
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

/// A waker of the application; its panic ends here.
struct Contained(Waker);

impl Wake for Contained {
    fn wake(self: Arc<Self>) {
        wake(|| self.0.wake_by_ref());
    }
}
