//! The only file of this crate that reads a clock.
//!
//! Tasks take `now` from here and hand it on; pure files get it as an argument. Under tokio's paused time the monotonic
//! clock follows the virtual one.

use std::time::Instant;

/// The monotonic time, which a paused tokio runtime can move.
#[expect(clippy::disallowed_methods, reason = "this is the clock file")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Sleeps until `at`; for ever without one. Dropping the future loses nothing.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
