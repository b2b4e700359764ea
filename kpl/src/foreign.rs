//! Code of the application that runs inside ours: its log, and whatever wakes who waits. A panic in it ends there.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls code of the application. `None` if it panicked; the process's panic hook has told of that already.
///
/// What it leaves half done is its own: it shares no state with ours.
pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Wakes somebody who waits, by a waker of the application. Those who wait for the same must be woken all the same.
pub(crate) fn wake(wake: impl FnOnce()) {
    if contained(wake).is_none() {
        contained(|| tracing::error!("a waker panicked; whoever it was to wake may wait for ever")).unwrap_or_default();
    }
}
