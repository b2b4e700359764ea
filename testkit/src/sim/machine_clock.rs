//! The clocks of one simulated process: they may be wrong, and those that measure stand still while it is suspended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use service::ClockSource;
use tokio::time::sleep;

use crate::clock::{SkewedClock, VirtualClock};

/// What the process sees of the time, and the SDK's clients in it. Clones are the same clocks.
#[derive(Debug, Clone)]
pub(super) struct MachineClock {
    world: VirtualClock,
    wall: SkewedClock,
    suspensions: Arc<Mutex<Suspensions>>,
}

#[derive(Debug, Default)]
struct Suspensions {
    /// Of those that are over.
    total: Duration,
    /// When the present one began, since the simulation's start.
    since: Option<Duration>,
}

impl MachineClock {
    /// Clocks that are right.
    pub(super) fn new(world: VirtualClock) -> Self {
        Self {
            world,
            wall: SkewedClock::new(world),
            suspensions: Arc::default(),
        }
    }

    /// The wall clock, which can be set.
    pub(super) fn skew(&self) -> &SkewedClock {
        &self.wall
    }

    pub(super) fn suspend(&self) {
        let now = self.world.elapsed();
        self.suspensions().since.get_or_insert(now);
    }

    pub(super) fn resume(&self) {
        let total = self.suspended();
        *self.suspensions() = Suspensions { total, since: None };
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.suspensions().since.is_some()
    }

    /// A timer that begins now, and stands still while the machine is suspended.
    fn timer(&self, duration: Duration) -> impl Future<Output = ()> + Send + Sync + 'static {
        let (clock, begun) = (self.clone(), self.monotonic());
        let timer = sleep(duration);
        async move {
            timer.await;
            // The timer of the runtime went on meanwhile.
            loop {
                let slept = clock.monotonic().saturating_duration_since(begun);
                match duration.checked_sub(slept) {
                    None | Some(Duration::ZERO) => return,
                    Some(left) => sleep(left).await,
                }
            }
        }
    }

    fn suspensions(&self) -> MutexGuard<'_, Suspensions> {
        self.suspensions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClockSource for MachineClock {
    fn monotonic(&self) -> Instant {
        let now = self.world.instant();
        now.checked_sub(self.suspended()).unwrap_or(now)
    }

    fn suspended(&self) -> Duration {
        let now = self.world.elapsed();
        let Suspensions { total, since } = *self.suspensions();
        total + since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    fn wall(&self) -> SystemTime {
        self.wall.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.timer(duration).boxed()
    }
}

impl TimeSource for MachineClock {
    fn now(&self) -> SystemTime {
        self.wall()
    }
}

impl AsyncSleep for MachineClock {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(self.timer(duration))
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_clocks_that_measure_stand_still_while_the_machine_is_suspended() {
        let clock = MachineClock::new(VirtualClock::start());
        let (monotonic, wall) = (clock.monotonic(), clock.wall());
        sleep(SECOND).await;
        for _ in 0..2 {
            clock.suspend();
            // Once is enough.
            clock.suspend();
            sleep(10 * SECOND).await;
            assert_eq!(clock.monotonic() - monotonic, SECOND, "while it lasts");
            clock.resume();
            clock.resume();
        }
        sleep(SECOND).await;
        assert_eq!(clock.monotonic() - monotonic, 2 * SECOND);
        assert_eq!(clock.suspended(), 20 * SECOND);
        assert_eq!(clock.wall().duration_since(wall).unwrap(), 22 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_goes_on_from_where_it_stood() {
        let world = VirtualClock::start();
        let clock = MachineClock::new(world);
        let mut slept = JoinSet::new();
        slept.spawn(ClockSource::sleep(&clock, 5 * SECOND));
        for _ in 0..2 {
            sleep(2 * SECOND).await;
            clock.suspend();
            sleep(10 * SECOND).await;
            clock.resume();
        }
        slept.join_all().await;
        assert_eq!(world.elapsed(), 25 * SECOND);
    }
}
