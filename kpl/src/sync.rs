//! The locks of the lanes: the standard ones, or loom's while it explores their interleavings.

#[cfg(feature = "_loom")]
pub(crate) use loom::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(feature = "_loom"))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks, also after a panic elsewhere: the next holder finds the state between two whole steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
