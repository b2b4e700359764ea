//! What may go wrong with a simulated call, and who decides it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dispatch::Service;

/// A call that is about to leave its client.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CallInfo<'a> {
    /// The name of the [`Process`](super::Process) that makes it.
    pub client: &'a str,
    /// The service it goes to.
    pub service: Service,
    /// The operation, for instance `PutRecords`.
    pub operation: &'a str,
    /// The request in AWS JSON, whatever protocol the client speaks. Its keys come in no fixed order.
    pub body: &'a Bytes,
    /// Counts the calls of the simulation from zero, retries included, in the order they were sent.
    pub ordinal: u64,
    /// The virtual time of sending.
    pub now: SystemTime,
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: the call takes its modelled latency and is answered.
    #[default]
    None,
    /// The call reaches the service that much later.
    Delay(Duration),
    /// The call is applied and answered, and that much later applied once more, unanswered: a network that sends twice.
    Duplicated(Duration),
    /// The connection breaks before the service applies the call. The SDK reports a dispatch failure.
    RequestLost,
    /// The service applies the call, then the connection breaks. The SDK reports a dispatch failure.
    ReplyLost,
    /// The call is never applied and never answered; only the caller's time-outs end it.
    RequestHangs,
    /// The call is applied and never answered; only the caller's time-outs end it.
    ReplyHangs,
    /// The call is not applied; the service answers with this error.
    Error {
        /// The HTTP status: 400 for the client's faults, 500 for the service's.
        status: u16,
        /// For instance `ProvisionedThroughputExceededException`.
        code: String,
        /// The human-readable text.
        message: String,
    },
    /// Some entries of a `PutRecords` fail, the others are applied. Any other operation passes undisturbed.
    FailEntries {
        /// Which entries.
        entries: Entries,
        /// `ProvisionedThroughputExceededException` or `InternalFailure`.
        code: String,
    },
    /// The call is not applied if its body is large: a proxy in between answers with a page of its own, without an error
    /// code and without the name of the request. A smaller call passes undisturbed.
    Intercepted {
        /// The HTTP status: 413 for a body that is too large, 403 for a rule that forbids the call.
        status: u16,
        /// The largest body that passes, in bytes of AWS JSON; 0: none does.
        largest: usize,
    },
}

impl Fault {
    /// A throttled call, as Kinesis and DynamoDB both report it.
    pub fn throttled() -> Self {
        Self::Error {
            status: 400,
            code: "ProvisionedThroughputExceededException".to_owned(),
            message: "injected: throughput exceeded".to_owned(),
        }
    }

    /// A call that no policy allows.
    pub fn access_denied() -> Self {
        Self::Error {
            status: 400,
            code: "AccessDeniedException".to_owned(),
            message: "injected: not authorized to perform this action".to_owned(),
        }
    }

    /// A service that fails on its own account, with HTTP status 500.
    pub fn internal_failure() -> Self {
        Self::Error {
            status: 500,
            code: "InternalFailure".to_owned(),
            message: "injected: internal failure".to_owned(),
        }
    }

    /// The name in the call log; `None` for an undisturbed call.
    pub(super) const fn name(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Delay(_) => Some("delay"),
            Self::Duplicated(_) => Some("duplicated"),
            Self::RequestLost => Some("request lost"),
            Self::ReplyLost => Some("reply lost"),
            Self::RequestHangs => Some("request hangs"),
            Self::ReplyHangs => Some("reply hangs"),
            Self::Error { .. } => Some("error"),
            Self::FailEntries { .. } => Some("failed entries"),
            Self::Intercepted { .. } => Some("intercepted"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("none"))?;
        match self {
            Self::Delay(by) | Self::Duplicated(by) => write!(f, " {by:?}"),
            Self::Error { status, code, .. } => write!(f, " {status} {code}"),
            Self::FailEntries { entries, code } => write!(f, " {entries:?} {code}"),
            Self::Intercepted { status, largest } => write!(f, " {status} over {largest} B"),
            Self::None | Self::RequestLost | Self::ReplyLost | Self::RequestHangs | Self::ReplyHangs => Ok(()),
        }
    }
}

/// Entries of a `PutRecords` request, counted from zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entries {
    /// All of them.
    All,
    /// Every n-th one: `Every(3)` is the entries 2, 5, 8 and so on, `Every(0)` none.
    Every(usize),
    /// The ones at these places.
    At(Vec<usize>),
}

impl Entries {
    pub(crate) fn contain(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Every(nth) => (index + 1).is_multiple_of(*nth),
            Self::At(places) => places.contains(&index),
        }
    }
}

/// The closure that decides about every call.
#[derive(Clone)]
pub(super) struct Decide(Arc<dyn Fn(&CallInfo<'_>) -> Fault + Send + Sync>);

impl Decide {
    pub(super) fn new(decide: impl Fn(&CallInfo<'_>) -> Fault + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(super) fn decide(&self, call: &CallInfo<'_>) -> Fault {
        (self.0)(call)
    }
}

impl Default for Decide {
    fn default() -> Self {
        Self::new(|_call| Fault::None)
    }
}

impl fmt::Debug for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decide")
    }
}
