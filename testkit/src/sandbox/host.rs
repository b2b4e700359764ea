//! What all connections of a sandbox share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::faults::Faults;
use crate::dispatch::Services;

/// What all connections of a sandbox share.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) services: Services,
    faults: Mutex<Faults>,
    pub(super) body_timeout: Duration,
}

impl Host {
    pub(super) fn new(services: Services, body_timeout: Duration) -> Self {
        Self {
            services,
            faults: Mutex::default(),
            body_timeout,
        }
    }

    /// Lends the faults to come.
    pub(super) fn faults<R>(&self, visit: impl FnOnce(&mut Faults) -> R) -> R {
        visit(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
