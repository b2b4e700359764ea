//! The only file of this crate that reads a clock.
//!
//! Tasks take `now` from here and hand it on; pure files get it as an argument. Under tokio's paused time the monotonic
//! clock follows the virtual one.

use std::time::{Instant, SystemTime};

/// The monotonic time, which a paused tokio runtime can move.
#[expect(clippy::disallowed_methods, reason = "this is the clock file")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall-clock time, for values that leave the process.
#[expect(clippy::disallowed_methods, reason = "this is the clock file")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
