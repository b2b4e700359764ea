//! The two notions of time: virtual for the simulation, wall clock for the sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z, where every simulation starts.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// A wall clock that moves with tokio's, so that a paused runtime can move it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VirtualClock {
    started: Instant,
}

impl VirtualClock {
    /// A clock that shows the epoch now.
    pub(crate) fn start() -> Self {
        Self { started: instant() }
    }

    /// The time since [`start`](Self::start).
    pub(crate) fn elapsed(&self) -> Duration {
        instant().saturating_duration_since(self.started)
    }

    /// The monotonic time that it follows.
    pub(crate) fn instant(&self) -> std::time::Instant {
        instant().into_std()
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + EPOCH + self.elapsed()
    }
}

impl TimeSource for VirtualClock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

/// When the [`VirtualClock`] showed this time, since its start.
pub(crate) fn elapsed_at(shown: SystemTime) -> Duration {
    shown.duration_since(UNIX_EPOCH + EPOCH).unwrap_or_default()
}

/// The wall clock of one simulated process, which may be wrong. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct SkewedClock {
    right: VirtualClock,
    /// By how many milliseconds it is ahead.
    ahead: Arc<AtomicI64>,
}

impl SkewedClock {
    /// A clock that is right.
    pub(crate) fn new(right: VirtualClock) -> Self {
        let ahead = Arc::default();
        Self { right, ahead }
    }

    pub(crate) fn set_ahead(&self, by: Duration) {
        self.ahead.store(millis(by), Ordering::Relaxed);
    }

    pub(crate) fn set_behind(&self, by: Duration) {
        self.ahead.store(-millis(by), Ordering::Relaxed);
    }
}

impl TimeSource for SkewedClock {
    fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_millis(ahead.unsigned_abs());
        let right = self.right.now();
        let skewed = if ahead < 0 {
            right.checked_sub(by)
        } else {
            right.checked_add(by)
        };
        skewed.unwrap_or(right)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this file is where the crate reads its clocks")]
fn instant() -> Instant {
    Instant::now()
}

/// The machine's wall clock.
#[cfg(feature = "sandbox")]
#[expect(clippy::disallowed_methods, reason = "this file is where the crate reads its clocks")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}
