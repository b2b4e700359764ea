//! Pure: how an ownership ends.

use std::fmt;

use crate::lease::model::WorkerId;

/// How an ownership ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// No write was applied for the failover time: others may have taken the lease.
    Lapsed,
    /// The row belongs to another worker, or to nobody.
    Taken { by: Option<WorkerId> },
    /// This worker gave the lease up: any worker may take it.
    Released,
    /// This worker handed the lease over.
    HandedOver { to: Option<WorkerId> },
    /// The row was deleted, made anew, or cannot be read.
    Gone,
    /// The row is of another stream of the same name.
    StreamCreatedAgain,
    /// Another process writes the row under this worker's id.
    WorkerIdInUse,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lapsed => f.write_str("it was not renewed within the failover time"),
            Self::Taken { by: Some(by) } => write!(f, "{by} has taken it"),
            Self::Taken { by: None } => f.write_str("its owner was removed from the row"),
            Self::Released => f.write_str("it was released"),
            Self::HandedOver { to: Some(to) } => write!(f, "it was handed over to {to}"),
            Self::HandedOver { to: None } => f.write_str("it was handed over"),
            Self::Gone => f.write_str("its row was deleted, made anew, or cannot be read"),
            Self::StreamCreatedAgain => f.write_str("its row is of a stream that was created since"),
            Self::WorkerIdInUse => f.write_str("another process uses this worker's id"),
        }
    }
}
