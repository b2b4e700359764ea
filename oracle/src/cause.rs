//! Pure: the causes for which a record is offered again.

use std::fmt;

/// Why a record was offered again. Each is a consequence of "at least once": the next owner of a shard begins behind
/// the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The handler failed on it, in the same ownership.
    HandlerFailure,
    /// The worker that had it died.
    Crash,
    /// The worker that had it did not renew its lease in time.
    Expiry,
    /// The lease was taken from a living worker.
    Theft,
    /// The lease was handed over by agreement.
    HandOver,
    /// The lease was given back, as at a shutdown.
    Release,
    /// The worker that had it was stopped, kept the lease, and was started again under its id.
    Restart,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandlerFailure => "handler failure",
            Self::Crash => "crash",
            Self::Expiry => "expiry",
            Self::Theft => "theft",
            Self::HandOver => "hand-over",
            Self::Release => "release",
            Self::Restart => "restart",
        })
    }
}
