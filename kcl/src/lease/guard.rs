//! What the consumer of a lease, and the application, can ask about it at any time.

use std::time::Instant;

use service::Clock;
use tokio::sync::watch;

use crate::lease::lost::LeaseLost;
use crate::lease::ownership::{Drain, End};

/// Counts the ownerships of a lease, whatever workers have them: each is larger than all before it.
///
/// It is the fencing token for writes to other systems: the base of the lease's row, plus the row's counter. The worker
/// that takes the row first sets the base to the time of the lease table's service, in milliseconds since the Unix epoch,
/// and each later take raises it by one. So tokens also grow over a row that is deleted and made again. The clocks of the
/// workers' hosts play no part.
///
/// This holds if more time passes between the first takes of the two rows than a millisecond for each write of the former
/// row (a renewal, a checkpoint; two for a take), plus a second and the time that a reply takes, because replies show
/// whole seconds. A worker that has seen larger tokens of the former row goes on from them at any time.
/// Tokens repeat if the table is restored from a backup, or if another program changes `tokenBase` or sets `leaseCounter`
/// back. Behind a proxy that removes the `Date` header of replies the base is the time of the host, and the log says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseEpoch(pub(crate) u64);

impl LeaseEpoch {
    /// The number.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// Tells whether this worker still holds a lease. Cheap to clone.
///
/// It ends work whose effect nobody would use, and fences writes to other systems:
///
/// ```
/// # use kcl::{HandlerError, LeaseGuard};
/// # async fn store(_token: u64) -> Result<(), HandlerError> { Ok(()) }
/// # async fn handle(lease: LeaseGuard) -> Result<(), HandlerError> {
/// tokio::select! {
///     biased;
///     () = lease.cancelled() => Err(HandlerError::lease_lost()),
///     stored = store(lease.token().value()) => stored, // refuses a token lower than one that it has seen
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LeaseGuard {
    epoch: LeaseEpoch,
    state: watch::Receiver<LeaseState>,
    clock: Clock,
}

/// What is known of one ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseState {
    /// Nobody else may take the lease before then, by `Clock::now` of this process.
    pub(crate) valid_until: Instant,
    pub(crate) signal: Signal,
}

/// What the consumer of a lease is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Read.
    Run,
    /// Finish the batch at hand, and give the lease up.
    Drain(Drain),
    /// Stop: the ownership has ended.
    Lost(End),
}

impl Signal {
    /// Whether the consumer is to read.
    pub(crate) fn is_run(&self) -> bool {
        *self == Self::Run
    }
}

impl LeaseGuard {
    pub(crate) fn new(epoch: LeaseEpoch, state: watch::Receiver<LeaseState>, clock: Clock) -> Self {
        Self { epoch, state, clock }
    }

    /// The same lease under another token.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn with_token(&self, epoch: LeaseEpoch) -> Self {
        Self { epoch, ..self.clone() }
    }

    /// The fencing token: larger than that of each earlier ownership of this lease, by whatever worker.
    ///
    /// A system that refuses a token lower than the largest that it has seen refuses the late writes of earlier owners.
    #[doc(alias = "fencing_token")]
    pub fn token(&self) -> LeaseEpoch {
        self.epoch
    }

    /// Which ownership this is: the same as [`token`](Self::token).
    pub fn epoch(&self) -> LeaseEpoch {
        self.epoch
    }

    /// Until when no worker with another id can take the lease, by the writes that were answered so far.
    ///
    /// Each renewal moves it, three times in a failover time. It is a time of [`Instant::now`], for `tokio::time::timeout_at`
    /// say, as of this call: a suspension of the machine brings it nearer, and so does whatever
    /// [`is_valid`](Self::is_valid) cannot see. Of a lost lease it is no later than now.
    pub fn deadline(&self) -> Instant {
        let (monotonic, now) = (self.clock.monotonic(), self.clock.now());
        if !self.is_valid() {
            return monotonic;
        }
        monotonic + self.state.borrow().valid_until.saturating_duration_since(now)
    }

    /// Whether no worker with another id can have taken the lease yet. The time counts for which this machine was suspended.
    ///
    /// After a hypervisor has paused this virtual machine (a snapshot, a live migration) it may be wrong until the next write
    /// of the lease row is answered, usually within a third of the failover time: the machine's clocks stand still during the
    /// pause. No checkpoint is written meanwhile, because the table refuses the write. Give [`token`](Self::token) to other
    /// systems as a fencing token, so that they can refuse late writes too.
    pub fn is_valid(&self) -> bool {
        !matches!(self.signal(), Signal::Lost(_))
    }

    /// Waits until the lease is lost, to stop work whose effect would be discarded.
    ///
    /// The shutdown of the worker cancels nothing: a handler may finish then.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub async fn cancelled(&self) {
        self.lost().await;
    }

    /// Waits until the lease is lost, as [`cancelled`](Self::cancelled) does, and returns why it was.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub async fn lost(&self) -> LeaseLost {
        match self.until(|signal| matches!(signal, Signal::Lost(_))).await {
            Signal::Lost(end) => end.into(),
            Signal::Run | Signal::Drain(_) => LeaseLost::Expired,
        }
    }

    /// Until when no other worker can have taken the lease, by the writes that were answered so far.
    #[cfg(feature = "_bench")]
    pub(crate) fn valid_until(&self) -> Instant {
        self.state.borrow().valid_until
    }

    /// By which clock the lease is timed.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What the consumer is to do at this moment.
    pub(crate) fn signal(&self) -> Signal {
        let signal = self.state.borrow().at(self.clock.now());
        match signal {
            // The renewer has ended, and nobody renews the lease: a worker under the same id may take it at once.
            Signal::Run | Signal::Drain(_) if self.state.has_changed().is_err() => Signal::Lost(End::Lapsed),
            Signal::Run | Signal::Drain(_) | Signal::Lost(_) => signal,
        }
    }

    /// Waits until the consumer is to do something else than read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future only stops the waiting.
    pub(crate) async fn interrupted(&self) -> Signal {
        self.until(|signal| *signal != Signal::Run).await
    }

    async fn until(&self, is_it: impl Fn(&Signal) -> bool) -> Signal {
        let mut state = self.state.clone();
        loop {
            let now = self.clock.now();
            let (signal, lapse) = {
                let state = state.borrow_and_update();
                (state.at(now), state.valid_until)
            };
            if is_it(&signal) {
                return signal;
            }
            tokio::select! {
                biased;
                changed = state.changed() => if changed.is_err() {
                    // The renewer has ended, and nobody renews the lease.
                    return Signal::Lost(End::Lapsed);
                },
                () = self.clock.sleep_until(Some(lapse)) => {}
            }
        }
    }
}

impl LeaseState {
    /// The signal at `now`: a lapse counts, though nobody may have told of it yet.
    fn at(&self, now: Instant) -> Signal {
        match &self.signal {
            Signal::Run | Signal::Drain(_) if now >= self.valid_until => Signal::Lost(End::Lapsed),
            signal @ (Signal::Run | Signal::Drain(_) | Signal::Lost(_)) => signal.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, SystemTime};

    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use service::ClockSource;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The system's clocks, on a machine that was suspended for so many seconds.
    #[derive(Debug, Default)]
    struct Suspended(Arc<AtomicU64>);

    impl ClockSource for Suspended {
        fn monotonic(&self) -> Instant {
            Clock::default().monotonic()
        }

        fn suspended(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Clock::default().sleep(duration).boxed()
        }
    }

    /// The guard of a lease that ends in ten seconds, and who keeps it.
    fn lease(clock: &Clock) -> (watch::Sender<LeaseState>, LeaseGuard) {
        let (keeper, state) = watch::channel(LeaseState {
            valid_until: clock.now() + 10 * SECOND,
            signal: Signal::Run,
        });
        (keeper, LeaseGuard::new(LeaseEpoch(1), state, clock.clone()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_lost_while_the_machine_is_suspended() {
        let suspended = Arc::default();
        let clock = Clock::of(Arc::new(Suspended(Arc::clone(&suspended))));
        let (_keeper, guard) = lease(&clock);
        clock.sleep(SECOND).await;
        assert!(guard.is_valid());
        suspended.store(60, Ordering::SeqCst);
        assert!(!guard.is_valid());
        assert_eq!(guard.lost().now_or_never(), Some(LeaseLost::Expired));
        assert_eq!(guard.cancelled().now_or_never(), Some(()));
    }

    /// Its own timer stood still as well, but something else wakes the task after the suspension.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_loss_of_a_lease_sees_it_at_the_first_look_after_a_suspension() {
        let suspended = Arc::default();
        let clock = Clock::of(Arc::new(Suspended(Arc::clone(&suspended))));
        let (_keeper, guard) = lease(&clock);
        let mut lost = std::pin::pin!(guard.lost());
        assert_eq!(lost.as_mut().now_or_never(), None);
        suspended.store(60, Ordering::SeqCst);
        assert_eq!(lost.now_or_never(), Some(LeaseLost::Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_a_time_of_the_running_clock_and_moves_with_renewals() {
        let suspended = Arc::default();
        let clock = Clock::of(Arc::new(Suspended(Arc::clone(&suspended))));
        suspended.store(60, Ordering::SeqCst);
        let (keeper, guard) = lease(&clock);
        assert_eq!(guard.deadline(), clock.monotonic() + 10 * SECOND);
        clock.sleep(SECOND).await;
        keeper.send_modify(|state| state.valid_until += 4 * SECOND);
        assert_eq!(guard.deadline(), clock.monotonic() + 13 * SECOND);
        suspended.store(65, Ordering::SeqCst);
        assert_eq!(guard.deadline(), clock.monotonic() + 8 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_has_a_deadline_that_is_over_and_tells_why_it_was_lost() {
        let clock = Clock::default();
        let (keeper, guard) = lease(&clock);
        let end = End::Taken { by: None };
        keeper.send_modify(|state| state.signal = Signal::Lost(end));
        assert!(guard.deadline() <= clock.monotonic());
        assert_eq!(guard.lost().now_or_never(), Some(LeaseLost::Taken { by: None }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_the_loss_of_a_lease_ends_when_the_lease_does() {
        let clock = Clock::default();
        let (_keeper, guard) = lease(&clock);
        let began = clock.monotonic();
        guard.lost().await;
        let waited = clock.monotonic() - began;
        assert!(waited >= 10 * SECOND && waited < 11 * SECOND, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_whose_renewer_has_ended_is_not_valid_any_more() {
        let clock = Clock::default();
        let (renewer, guard) = lease(&clock);
        assert!(guard.is_valid());
        drop(renewer);
        assert!(!guard.is_valid());
        guard.lost().await;
    }
}
