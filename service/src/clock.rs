//! The only file of the libraries that reads a clock, and the seam at which a process is given its own.
//!
//! Tasks take `now` from a [`Clock`] and pass it on; pure files get it as an argument. `wall_jumps` finds suspensions where
//! the system has no clock for them.
//!
//! # A virtual machine that its hypervisor pauses
//!
//! A suspension is counted if the machine's own system goes to sleep. A pause of the whole virtual machine by its hypervisor
//! (a snapshot, a live migration, `virsh suspend`, a debugger) is not counted, because the system inside does not notice it: on Linux both its monotonic and
//! its boot clock stand still, unless the host tells the guest of the pause and steps them. Only the wall clock of another
//! machine shows it. So a process that resumes takes a lease for valid that has run out meanwhile, until its next write of
//! the lease row is refused, usually within a renewal interval. Nothing inside the guest closes that gap: time
//! synchronisation steps the wall clock seconds later, and on Linux such a step is taken for the correction of a wrong
//! clock (elsewhere `wall_jumps` counts it as a suspension). The conditional writes of the lease table fence the table
//! itself. Other systems must be fenced by the fencing token.

#[cfg(any(test, not(target_os = "linux")))]
mod wall_jumps;

use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Either, select};

/// A sleep until a time of [`Clock::now`] compares again after half of what is left, or after this time if it is longer.
/// Our choice: so a suspension delays it by little, and a long sleep wakes a few times only.
const SHORTEST_SLICE: Duration = Duration::from_secs(1);

/// Where one process reads its time.
///
/// Cheap to clone; clones read the same source. The default reads the clocks of the system, and tokio's virtual time
/// under a paused runtime.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn ClockSource>,
}

/// The clocks of one process.
pub trait ClockSource: fmt::Debug + Send + Sync {
    /// The time that stands still while the machine is suspended. Never goes back.
    fn monotonic(&self) -> Instant;

    /// For how long the machine has been suspended so far. Never shrinks. The pauses of a virtual machine by its hypervisor
    /// are not counted, unless the host steps the guest's clocks.
    fn suspended(&self) -> Duration;

    /// The calendar time, which may be wrong and may jump.
    fn wall(&self) -> SystemTime;

    /// Sleeps for `duration`, measured by [`monotonic`](Self::monotonic). Dropping the future ends the sleep.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

impl Clock {
    /// A clock that reads `source`.
    pub fn of(source: Arc<dyn ClockSource>) -> Self {
        Self { source }
    }

    /// The time that timers follow: it stands still while the machine is suspended. Cheap.
    pub fn monotonic(&self) -> Instant {
        self.source.monotonic()
    }

    /// The monotonic time plus the time for which the machine has been suspended. Leases are timed by it.
    ///
    /// A pause of a virtual machine by its hypervisor is not counted, unless the host steps the guest's clocks.
    ///
    /// Compare it with other results of this method only.
    pub fn now(&self) -> Instant {
        // In this order: a suspension between the two is missed, as one right after the return is; it is not counted twice.
        let suspended = self.source.suspended();
        let monotonic = self.source.monotonic();
        monotonic.checked_add(suspended).unwrap_or(monotonic)
    }

    /// Whether its time is virtual: it stands still between two looks, and only a paused runtime or a simulation moves it.
    pub fn is_virtual(&self) -> bool {
        let (real, shown) = (real_time(), self.monotonic());
        while real_time() == real {
            std::hint::spin_loop();
        }
        self.monotonic() == shown
    }

    /// The calendar time, for values that leave the process.
    pub fn wall(&self) -> SystemTime {
        self.source.wall()
    }

    /// Sleeps until [`now`](Self::now) has reached `at`; for ever without one.
    ///
    /// Timers stand still while the machine is suspended, so it sleeps in slices, and compares again after each and at each poll.
    /// After a suspension it ends late by at most a second, or by half of what was left when the slice began, and at once if
    /// something else wakes the task.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the sleep and loses nothing.
    pub async fn sleep_until(&self, at: Option<Instant>) {
        let Some(at) = at else { return pending().await };
        loop {
            let left = at.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            let mut sleep = self.source.sleep(slice(left));
            poll_fn(|cx| match self.now() >= at {
                true => Poll::Ready(()),
                false => sleep.poll_unpin(cx),
            })
            .await;
        }
    }

    /// Waits for `future`, at most for `duration` of the [`monotonic`](Self::monotonic) time. `None` if it took longer.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the one that it waits for.
    pub fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        // A call of the SDK is large, and would be kept in each future around it.
        let future = Box::pin(future);
        select(future, self.source.sleep(duration)).map(|first| match first {
            Either::Left((output, _sleep)) => Some(output),
            Either::Right(((), _future)) => None,
        })
    }

    /// Sleeps for `duration` of the [`monotonic`](Self::monotonic) time.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the sleep and loses nothing.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.source.sleep(duration)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::of(Arc::new(System::new()))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.source).finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock file")]
fn real_time() -> Instant {
    Instant::now()
}

/// How long to sleep before the next comparison, with `left` to go.
fn slice(left: Duration) -> Duration {
    (left / 2).max(SHORTEST_SLICE).min(left)
}

/// The clocks of the system; tokio's, where a runtime can be paused.
#[derive(Debug)]
struct System {
    suspensions: Suspensions,
}

impl System {
    fn new() -> Self {
        Self {
            suspensions: Suspensions::new(),
        }
    }
}

impl ClockSource for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock file")]
    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn suspended(&self) -> Duration {
        self.suspensions.total()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock file")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

/// For how long the machine has been suspended since this was made: by what Linux's boot clock gained on the monotonic one.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Suspensions {
    before: Duration,
    /// In nanoseconds. The two clocks are read one after the other: a thread that is descheduled in between reads less
    /// than there was, and never more.
    most: std::sync::atomic::AtomicU64,
}

#[cfg(target_os = "linux")]
impl Suspensions {
    fn new() -> Self {
        Self {
            before: Self::since_boot(),
            most: std::sync::atomic::AtomicU64::new(0),
        }
    }

    fn total(&self) -> Duration {
        let total = Self::since_boot().saturating_sub(self.before);
        let total = u64::try_from(total.as_nanos()).unwrap_or(u64::MAX);
        let before = self.most.fetch_max(total, std::sync::atomic::Ordering::Relaxed);
        Duration::from_nanos(total.max(before))
    }

    fn since_boot() -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
        let boot = read(ClockId::Boottime);
        boot.saturating_sub(read(ClockId::Monotonic))
    }
}

/// For how long the machine has been suspended since this was made: by what the wall clock gained on the monotonic one
/// from one call to the next.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Suspensions {
    jumps: std::sync::Mutex<wall_jumps::WallJumps>,
}

#[cfg(not(target_os = "linux"))]
impl Suspensions {
    #[expect(clippy::disallowed_methods, reason = "this is the clock file")]
    fn new() -> Self {
        let jumps = wall_jumps::WallJumps::since(Instant::now(), SystemTime::now());
        Self {
            jumps: std::sync::Mutex::new(jumps),
        }
    }

    // The system's own clock: a paused runtime's stands still while the wall clock goes on.
    #[expect(clippy::disallowed_methods, reason = "this is the clock file")]
    fn total(&self) -> Duration {
        let mut jumps = self.jumps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        jumps.total_at(Instant::now(), SystemTime::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A machine whose monotonic clock is moved by its sleeps, and that is suspended in the first of them.
    #[derive(Debug)]
    struct Machine {
        began: Instant,
        time: Arc<Mutex<Time>>,
    }

    #[derive(Debug, Default)]
    struct Time {
        run: Duration,
        suspended: Duration,
        in_next_sleep: Duration,
        sleeps: Vec<Duration>,
    }

    impl Machine {
        fn start(in_next_sleep: Duration) -> (Clock, Arc<Mutex<Time>>) {
            let time = Arc::new(Mutex::new(Time {
                in_next_sleep,
                ..Time::default()
            }));
            let began = System::new().monotonic();
            let source = Self {
                began,
                time: Arc::clone(&time),
            };
            (Clock::of(Arc::new(source)), time)
        }
    }

    impl ClockSource for Machine {
        fn monotonic(&self) -> Instant {
            self.began + self.time.lock().unwrap().run
        }

        fn suspended(&self) -> Duration {
            self.time.lock().unwrap().suspended
        }

        fn wall(&self) -> SystemTime {
            let time = self.time.lock().unwrap();
            SystemTime::UNIX_EPOCH + time.run + time.suspended
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            let time = Arc::clone(&self.time);
            async move {
                let mut time = time.lock().unwrap();
                time.run += duration;
                let suspended = std::mem::take(&mut time.in_next_sleep);
                time.suspended += suspended;
                time.sleeps.push(duration);
            }
            .boxed()
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn now_counts_the_time_of_a_suspension_and_monotonic_does_not() {
        let (clock, time) = Machine::start(Duration::ZERO);
        let (now, monotonic) = (clock.now(), clock.monotonic());
        time.lock().unwrap().suspended = 60 * SECOND;
        assert_eq!(clock.now() - now, 60 * SECOND);
        assert_eq!(clock.monotonic(), monotonic);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + 60 * SECOND);
    }

    #[test]
    fn a_sleep_until_a_time_ends_when_now_has_reached_it() {
        let (clock, time) = Machine::start(Duration::ZERO);
        let (end, began) = (clock.now() + 10 * SECOND, clock.monotonic());
        assert_eq!(clock.sleep_until(Some(end)).now_or_never(), Some(()));
        assert_eq!(clock.now(), end);
        assert_eq!(clock.monotonic() - began, 10 * SECOND);
        assert!(time.lock().unwrap().sleeps.len() <= 6, "{time:?}");
    }

    #[test]
    fn a_sleep_until_a_time_ends_half_way_at_the_latest_when_the_machine_was_suspended_past_it() {
        let (clock, time) = Machine::start(60 * SECOND);
        let end = clock.now() + 10 * SECOND;
        assert_eq!(clock.sleep_until(Some(end)).now_or_never(), Some(()));
        assert_eq!(time.lock().unwrap().sleeps, [5 * SECOND]);
    }

    #[test]
    fn a_future_is_waited_for_until_its_time_is_over() {
        let (clock, time) = Machine::start(Duration::ZERO);
        assert_eq!(clock.timeout(SECOND, async { 7 }).now_or_never(), Some(Some(7)));
        assert!(time.lock().unwrap().sleeps.is_empty());
        assert_eq!(clock.timeout(SECOND, pending::<u8>()).now_or_never(), Some(None));
        assert_eq!(time.lock().unwrap().sleeps, [SECOND]);
    }

    #[test]
    fn a_short_sleep_is_not_cut_into_slices() {
        let (clock, time) = Machine::start(Duration::ZERO);
        let end = clock.now() + SECOND / 2;
        assert_eq!(clock.sleep_until(Some(end)).now_or_never(), Some(()));
        assert_eq!(time.lock().unwrap().sleeps, [SECOND / 2]);
    }

    #[test]
    fn a_sleep_until_no_time_never_ends_and_one_until_the_past_ends_at_once() {
        let (clock, time) = Machine::start(Duration::ZERO);
        assert_eq!(clock.sleep_until(None).now_or_never(), None);
        assert_eq!(clock.sleep_until(Some(clock.now())).now_or_never(), Some(()));
        assert!(time.lock().unwrap().sleeps.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_the_system_follows_the_time_of_a_paused_runtime() {
        let clock = Clock::default();
        let (now, monotonic) = (clock.now(), clock.monotonic());
        clock.sleep(3_600 * SECOND).await;
        assert_eq!(clock.monotonic() - monotonic, 3_600 * SECOND);
        clock.sleep_until(Some(now + 7_200 * SECOND)).await;
        assert!(clock.now() >= now + 7_200 * SECOND);
        assert!(clock.monotonic() < monotonic + 7_201 * SECOND);
    }

    #[test]
    fn a_machine_that_runs_is_not_suspended() {
        let system = System::new();
        for _ in 0..1_000 {
            assert!(system.suspended() < Duration::from_millis(100));
        }
    }
}
