//! The one place through which a worker tells what happens: its log, its listener and its metrics see the same event.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use service::Clock;

use crate::event::{Event, OfShard};
use crate::fold::Folds;
use crate::lease::model::{LeaseKey, WorkerId};
use crate::metrics::{Meter, Outcome, Series, ShardMeter, sample_of};
use crate::spans::worker_span;
use crate::stream::ShardRef;

/// Those who observe one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Observers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    worker: WorkerId,
    listener: Listener,
    meter: Meter,
    folds: Mutex<Folds>,
    clock: Clock,
}

/// The application's listener, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<Listen>>);

type Listen = dyn Fn(&Event) + Send + Sync;

impl Listener {
    pub(crate) fn new(listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listen)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}

/// The log alone, for a worker without a name.
impl Default for Observers {
    fn default() -> Self {
        Self::new(
            WorkerId::new("unnamed"),
            Listener::default(),
            Meter::default(),
            Clock::default(),
        )
    }
}

impl Observers {
    pub(crate) fn new(worker: WorkerId, listener: Listener, meter: Meter, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            worker,
            listener,
            meter,
            folds: Mutex::default(),
            clock,
        }))
    }

    /// Tells of an event. Repeats of ten seconds are counted, and told with the next one that is.
    pub(crate) fn tell(&self, event: impl Into<Event>) {
        self.observe(event.into(), None);
    }

    /// Adds a sample to a series.
    pub(crate) fn add(&self, series: Series, value: f64) {
        contained(|| self.0.meter.add(None, series, value));
    }

    /// Adds the time of what began at `begun` and has ended now.
    pub(crate) fn took(&self, series: Series, begun: Instant) {
        self.add(series, self.millis_since(begun));
    }

    /// Adds the outcome of a call that began at `begun` and has ended now.
    pub(crate) fn ended<T, E>(&self, outcome: Outcome, begun: Instant, result: &Result<T, E>) {
        self.took(outcome.time, begun);
        self.add(outcome.success, f64::from(u8::from(result.is_ok())));
    }

    /// Those who observe one shard, whose lease has this key.
    pub(crate) fn of_shard(&self, shard: ShardRef, lease: LeaseKey) -> ShardObserver {
        let mut meter = None;
        contained(|| meter = Some(self.0.meter.shard(&shard.shard)));
        ShardObserver {
            all: self.clone(),
            shard,
            lease,
            meter: Arc::new(meter.unwrap_or_default()),
        }
    }

    fn observe(&self, mut event: Event, meter: Option<&ShardMeter>) {
        let Shared {
            worker,
            listener,
            meter: all,
            ..
        } = &*self.0;
        if let Some((series, value)) = sample_of(&event) {
            contained(|| all.add(meter, series, value));
        }
        if !self.is_told(&mut event) {
            return;
        }
        contained(|| event.log(worker));
        if let Listener(Some(listen)) = listener {
            contained(|| listen(&event));
        }
    }

    /// Whether an event is told, and not only counted.
    fn is_told(&self, event: &mut Event) -> bool {
        let Some((kind, repeated)) = event.repeats() else {
            return true;
        };
        let mut folds = self.0.folds.lock().unwrap_or_else(PoisonError::into_inner);
        match folds.happened(kind, self.0.clock.now()) {
            Some(untold) => {
                *repeated = untold;
                true
            }
            None => false,
        }
    }

    fn millis_since(&self, begun: Instant) -> f64 {
        self.0.clock.now().saturating_duration_since(begun).as_secs_f64() * 1e3
    }
}

/// Those who observe one shard. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ShardObserver {
    all: Observers,
    shard: ShardRef,
    lease: LeaseKey,
    meter: Arc<ShardMeter>,
}

impl ShardObserver {
    /// The key of the shard's lease.
    pub(crate) fn lease(&self) -> &LeaseKey {
        &self.lease
    }

    /// Tells of an event of the shard.
    pub(crate) fn tell(&self, event: impl OfShard) {
        self.all.observe(event.of(self.shard.clone()), Some(&self.meter));
    }

    /// Tells of an event of the shard outside of its task: in the span of its worker, which names the worker.
    pub(crate) fn tell_in_span(&self, event: impl OfShard) {
        worker_span(&self.all.0.worker).in_scope(|| self.tell(event));
    }

    /// Adds a sample to a series of the shard.
    pub(crate) fn add(&self, series: Series, value: f64) {
        contained(|| self.all.0.meter.add(Some(&self.meter), series, value));
    }

    /// Adds the time of a call that began at `begun` and has ended now.
    pub(crate) fn took(&self, series: Series, begun: Instant) {
        self.add(series, self.all.millis_since(begun));
    }

    /// Adds the outcome of a call that began at `begun` and has ended now.
    pub(crate) fn ended<T, E>(&self, outcome: Outcome, begun: Instant, result: &Result<T, E>) {
        self.took(outcome.time, begun);
        self.add(outcome.success, f64::from(u8::from(result.is_ok())));
    }
}

/// Calls code of the application that observes. A panic in it ends here: the process's panic hook has told of it.
fn contained(call: impl FnOnce()) {
    // What it leaves half done is its own: it shares no state with the worker's.
    drop(catch_unwind(AssertUnwindSafe(call)));
}

#[cfg(test)]
mod tests;
