//! Everything that can end a run early. Each error names the thing that it is about.

use std::error::Error as StdError;
use std::io::{self, Write as _};
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{} cannot be opened", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("line {line} of {} cannot be read", path.display())]
    ReadLine {
        path: PathBuf,
        line: u64,
        source: io::Error,
    },
    #[error("line {line} of {} has more than {limit} bytes, which is more than a record holds", path.display())]
    LineTooLong { path: PathBuf, line: u64, limit: usize },
    #[error("record {number} was not delivered")]
    NotDelivered { number: u64, source: kpl::PutError },
    #[error("record {number} has a receipt that cannot be understood")]
    Receipt {
        number: u64,
        source: kcl::InvalidSequenceNumber,
    },
    #[error("the service on this machine does not start")]
    Sandbox(#[from] testkit::sandbox::SandboxError),
    #[error("{operation} failed for stream {stream}")]
    Stream {
        operation: &'static str,
        stream: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("stream {stream} has no shard that can be split")]
    NothingToSplit { stream: String },
    #[error("the lease table {table} could not be deleted; it may be left behind")]
    LeaseTableLeft {
        table: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("the producer was not built")]
    Producer(#[from] kpl::BuildError),
    #[error("the worker was not built")]
    Consumer(#[from] kcl::BuildError),
    #[error("worker {worker} ended")]
    Worker { worker: usize, source: kcl::RunError },
    #[error("worker {worker} ended, although nobody asked it to")]
    WorkerLeft { worker: usize },
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Writes it to stderr with its causes, one a line, but for those that only repeat a part of the line before.
    pub(crate) fn report(&self) {
        let mut stderr = io::stderr().lock();
        let mut said = self.to_string();
        // If stderr is closed, nobody is left to be told.
        _ = writeln!(stderr, "quickstart: error: {said}");
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !said.contains(&text) {
                _ = writeln!(stderr, "  caused by: {text}");
                said = text;
            }
            next = cause.source();
        }
    }
}
