//! The search for leases, by the rule of the fleet. `ports` makes it.

mod ports;

use std::fmt;

use tokio_util::sync::CancellationToken;

use crate::assignment::task::Assignment;
use crate::coordination::participation::Participation;
use crate::error::WorkerError;
pub(super) use ports::Ports;

/// How a worker comes to its leases.
pub(super) enum Search {
    /// It takes them for itself.
    Kcl2(Box<Assignment>),
    /// They are assigned.
    Kcl3(Box<Participation>),
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kcl2(_) => "Kcl2",
            Self::Kcl3(_) => "Kcl3",
        })
    }
}

/// Whether a search has work to do after it was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtTheEnd {
    Nothing,
    /// It deletes the rows of this worker.
    Retires,
}

impl Search {
    pub(super) fn at_the_end(&self) -> AtTheEnd {
        match self {
            Self::Kcl2(_) => AtTheEnd::Nothing,
            Self::Kcl3(_) => AtTheEnd::Retires,
        }
    }

    /// Searches until `draining` is set.
    ///
    /// # Errors
    ///
    /// [`WorkerError::LedByOthers`] when the fleet changes its rule.
    pub(super) async fn run(self, draining: CancellationToken) -> Result<(), WorkerError> {
        match self {
            Self::Kcl2(assignment) => assignment.run(draining).await,
            Self::Kcl3(participation) => Box::pin(participation.run(draining)).await,
        }
    }
}
