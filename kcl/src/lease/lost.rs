//! Why a worker no longer holds a lease, in the application's words.

use std::fmt;

use crate::lease::model::WorkerId;
use crate::lease::ownership::End;

/// Why a worker no longer holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseLost {
    /// It was not renewed within the failover time, so another worker may have it.
    Expired,
    /// Another worker has taken it, or somebody has removed the owner from its row.
    Taken {
        /// The worker that has it now.
        by: Option<WorkerId>,
    },
    /// This worker handed it over, or gave it up: after a `handler_timeout`, say.
    GivenUp,
    /// Its row was deleted, made anew, or can no longer be read.
    RowGone,
    /// The stream was deleted and created again, and the shard is one of the former stream
    /// ([`OnRecreated::Restart`](crate::OnRecreated::Restart)).
    StreamCreatedAgain,
    /// Another process uses this worker's id.
    WorkerIdInUse,
}

impl From<End> for LeaseLost {
    fn from(end: End) -> Self {
        match end {
            End::Lapsed => Self::Expired,
            End::Taken { by } => Self::Taken { by },
            End::Released | End::HandedOver { .. } => Self::GivenUp,
            End::Gone => Self::RowGone,
            End::StreamCreatedAgain => Self::StreamCreatedAgain,
            End::WorkerIdInUse => Self::WorkerIdInUse,
        }
    }
}

impl fmt::Display for LeaseLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the lease was not renewed within the failover time"),
            Self::Taken { by: Some(by) } => write!(f, "worker {by} has taken the lease"),
            Self::Taken { by: None } => f.write_str("somebody has removed the owner from the lease row"),
            Self::GivenUp => f.write_str("this worker gave the lease up"),
            Self::RowGone => f.write_str("the lease row was deleted, made anew, or cannot be read"),
            Self::StreamCreatedAgain => f.write_str("the stream was deleted and created again"),
            Self::WorkerIdInUse => f.write_str("another process uses this worker's id"),
        }
    }
}
