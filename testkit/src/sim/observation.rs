//! Pure: what the network sees of calls and their callers, for a witness.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::Service;
use crate::oracle::Missed;

/// What a process learnt of a stream from Kinesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// There is none.
    Missing,
    /// Its open shards, at that time.
    Shards(Duration),
}

/// A call that a service applied without its caller's knowing, or not in time: whoever made it makes it again.
#[derive(Debug, Clone)]
pub(crate) struct Unacknowledged {
    pub(crate) caller: Arc<str>,
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) applied: Duration,
    pub(crate) because: Missed,
}
