//! What fails for now: noted by the task that meets it, cleared by its next success, told by the worker's health.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One kind of calls of which the last has failed. Cheap to clone; all clones are one.
pub(crate) struct Trouble<E>(Arc<Mutex<Option<(Instant, E)>>>);

impl<E: Clone> Trouble<E> {
    /// Notes a failure. Those without a success between them are one trouble, with the last error.
    pub(crate) fn met(&self, error: E, now: Instant) {
        let mut noted = self.noted();
        let since = noted.take().map_or(now, |(since, _)| since);
        *noted = Some((since, error));
    }

    /// Notes a success.
    pub(crate) fn over(&self) {
        *self.noted() = None;
    }

    /// For how long it has lasted, and the last error.
    pub(crate) fn lasting(&self, now: Instant) -> Option<(Duration, E)> {
        let noted = self.noted();
        let (since, error) = noted.as_ref()?;
        Some((now.saturating_duration_since(*since), error.clone()))
    }
}

impl<E> Trouble<E> {
    fn noted(&self) -> MutexGuard<'_, Option<(Instant, E)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Clone for Trouble<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> Default for Trouble<E> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }
}

impl<E: fmt::Debug> fmt::Debug for Trouble<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trouble").field(&*self.noted()).finish()
    }
}
