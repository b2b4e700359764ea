//! The locks of the lanes: the standard ones, or loom's while it explores their interleavings.

#[cfg(feature = "_loom")]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(feature = "_loom"))]
pub(crate) use std::sync::{Mutex, MutexGuard};
use std::sync::{PoisonError, TryLockError};

/// Locks if nobody else has; `None` if somebody has.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Locks, also after a panic elsewhere: the next holder finds the state between two whole steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
