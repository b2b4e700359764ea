//! The end of a run that nobody asked for.

use std::error::Error;
use std::fmt;

use crate::consumer::supervisor::ShutdownReport;
use crate::error::WorkerError;

/// Why [`Worker::run`](crate::Worker::run) ended although nobody asked it to, and what became of its shards.
#[derive(Debug)]
pub struct RunError {
    ended: Box<(WorkerError, ShutdownReport)>,
}

impl RunError {
    pub(super) fn new(error: WorkerError, report: ShutdownReport) -> Self {
        let ended = Box::new((error, report));
        Self { ended }
    }

    /// The error, to match on.
    pub fn error(&self) -> &WorkerError {
        &self.ended.0
    }

    /// What became of the shards that the worker held. Empty if it could not start.
    pub fn report(&self) -> &ShutdownReport {
        &self.ended.1
    }
}

/// Written as its [`error`](RunError::error) is.
impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error().source()
    }
}
