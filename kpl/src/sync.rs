//! Locks, which a panic elsewhere does not spoil.
//!
//! Those of the lanes are the standard ones, or loom's while it explores their interleavings.

#[cfg(feature = "_loom")]
pub(crate) use loom::sync::{Mutex, MutexGuard};
use std::sync::{LockResult, PoisonError, TryLockError};
#[cfg(not(feature = "_loom"))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks if nobody else has; `None` if somebody has.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Locks, also after a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    recover(mutex.lock())
}

/// What was locked, also after a panic elsewhere: the next holder finds the state between two whole steps.
pub(crate) fn recover<G>(locked: LockResult<G>) -> G {
    locked.unwrap_or_else(PoisonError::into_inner)
}
