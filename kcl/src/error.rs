//! What can go wrong, as types to act on. `build` has what is wrong with the options of a worker.

mod build;

use std::time::Duration;

use service::{CallClass, CallError, Effect};

pub use self::build::{BuildError, BuildErrorKind};
use crate::lease::model::{LeaseKey, WorkerId};

/// Why [`Worker::run`](crate::Worker::run) ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The lease table could not be used.
    #[error("the lease table {table} cannot be used")]
    LeaseTable {
        /// The table's name.
        table: String,
        /// Why.
        source: TableError,
    },
    /// The lease table does not exist, and the worker may not create it.
    #[error(
        "lease table {table} does not exist, and create_table is CreateTable::Never: create it with the key leaseKey and the \
         index LeaseOwnerToLeaseKeyIndex, or allow CreateTable::IfMissing"
    )]
    LeaseTableMissing {
        /// The table's name.
        table: String,
    },
    /// The table of this name was created by another program.
    #[error(
        "table {table} is not a lease table: its key is {key}, not leaseKey; give this application a name, or a lease \
         table, of its own"
    )]
    NotALeaseTable {
        /// The table's name.
        table: String,
        /// The attributes of its key.
        key: String,
    },
    /// Another process writes lease rows under this worker's id. This worker has stopped at once; the other one goes on.
    ///
    /// The process that notices it first ends, which mostly is the one that held the leases before. Give each process an id of
    /// its own: two that are restarted under one id take the leases from each other again and again. A lost or repeated message
    /// of the network does not raise this error: each take of a lease leaves a mark in its row.
    #[error(
        "another process uses the worker id {worker}: it has written the lease {lease}; give each process an id of its own"
    )]
    WorkerIdInUse {
        /// The id.
        worker: WorkerId,
        /// The lease by which it was noticed.
        lease: LeaseKey,
    },
    /// The application's runtime ran no task for five minutes, so the worker gave its leases up.
    #[error(
        "the application's runtime ran no task for {still:?}: handlers block all of its threads, or they are deadlocked; the \
         leases of this worker were given up"
    )]
    ApplicationStalled {
        /// How long it stood still.
        still: Duration,
    },
    /// The thread on which the leases are kept could not be started.
    #[error("the thread that keeps the leases could not be started: {reason}")]
    LeaseThread {
        /// The system's words.
        reason: String,
    },
    /// The stream's shards could not be listed.
    #[error("the shards of stream {stream} cannot be listed")]
    Stream {
        /// The stream's name or ARN.
        stream: String,
        /// Why.
        source: StreamError,
    },
    /// Other workers coordinate themselves by a rule that this version does not follow, or are about to change their rule.
    ///
    /// A worker that runs gives its leases back first.
    #[error("lease table {table} belongs to workers that follow another rule: {found}; {cure}")]
    LedByOthers {
        /// The table's name.
        table: String,
        /// What was found, and where.
        found: String,
        /// What can be done.
        cure: &'static str,
    },
    /// The worker's id is, or may become, the key of another row of the lease table, in which the workers of KCL 3.5 have rows too.
    #[error("{problem}")]
    UnusableWorkerId {
        /// The id, what it collides with, and what to choose.
        problem: String,
    },
    /// A task of the worker panicked. The others were ended in an orderly way; a fault of this library.
    #[error("a task of the worker panicked")]
    TaskPanicked,
    /// The shards that the service lists contradict each other.
    #[error("stream {stream}: {reason}")]
    InconsistentShards {
        /// The stream's name or ARN.
        stream: String,
        /// What contradicts what.
        reason: String,
    },
}

/// Why a call to the lease table failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {kind}")]
pub struct TableError {
    /// The operation.
    pub(crate) operation: &'static str,
    /// The reason.
    pub(crate) kind: CallErrorKind,
}

impl TableError {
    /// The reason, to match on.
    pub fn kind(&self) -> &CallErrorKind {
        &self.kind
    }
}

/// Why a call to the stream failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {kind}")]
pub struct StreamError {
    /// The operation.
    pub(crate) operation: &'static str,
    /// The reason.
    pub(crate) kind: CallErrorKind,
}

impl StreamError {
    /// The reason, to match on.
    pub fn kind(&self) -> &CallErrorKind {
        &self.kind
    }
}

/// The reasons of a failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The table or stream does not exist, or no longer.
    #[error("it does not exist (ResourceNotFoundException)")]
    NotFound,
    /// The service is over a limit; it works again later.
    #[error("throttled ({code})")]
    Throttled {
        /// The service's error code.
        code: String,
    },
    /// The credentials do not allow the call.
    #[error("access was denied ({code}): {message}")]
    Denied {
        /// The service's error code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The iterator of a shard is too old or was never one.
    #[error("the shard iterator is not usable ({code}): {message}")]
    Iterator {
        /// The service's error code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The service will never accept this call.
    #[error("the service refused it ({code}): {message}")]
    Rejected {
        /// The service's error code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The call did not reach the service, or came while the stream was changing. It has not taken effect, and it may work the
    /// next time.
    #[error("it failed for now ({code}): {message}")]
    Transient {
        /// `Connection` or `RequestNotBuilt`; `ResourceInUseException` for a stream that is being created or updated.
        code: String,
        /// What is known of it.
        message: String,
    },
    /// The credentials are out of date, not there yet or not known yet, or this machine's clock is wrong.
    #[error("the credentials are of no use ({code}): {message}")]
    Credentials {
        /// The service's error code, or `RequestNotBuilt` if there are no credentials.
        code: String,
        /// What is known of it.
        message: String,
    },
    /// The KMS key of the stream or of the table cannot be used until somebody puts that right.
    #[error("the KMS key cannot be used ({code}): {message}")]
    Encryption {
        /// The service's error code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The service or the way to it failed, or a proxy answered in its place. The call may work later, and this one may have
    /// taken effect.
    #[error("no usable answer ({code}): {message}")]
    Unavailable {
        /// The service's error code, or `Timeout`, `Connection` for what has none.
        code: String,
        /// What is known of it.
        message: String,
    },
    /// The service answered with something that cannot be understood.
    #[error("unreadable answer: {message}")]
    Unreadable {
        /// What was wrong with it.
        message: String,
    },
}

impl From<CallError> for CallErrorKind {
    fn from(error: CallError) -> Self {
        let CallError {
            code, message, class, ..
        } = error;
        match class {
            CallClass::NotFound => Self::NotFound,
            CallClass::Throttled => Self::Throttled { code },
            CallClass::Transient => Self::Transient { code, message },
            // A proxy that refuses calls may let them pass again. No call of a consumer is large.
            CallClass::Unanswered | CallClass::Intercepted | CallClass::TooLarge => Self::Unavailable { code, message },
            CallClass::Credentials | CallClass::UnknownKey => Self::Credentials { code, message },
            CallClass::Encryption => Self::Encryption { code, message },
            CallClass::Denied => Self::Denied { code, message },
            CallClass::Iterator => Self::Iterator { code, message },
            CallClass::Rejected => Self::Rejected { code, message },
            CallClass::Unreadable => Self::Unreadable { message },
        }
    }
}

impl CallErrorKind {
    /// An answer that cannot be understood.
    pub(crate) fn unreadable(error: &dyn std::error::Error) -> Self {
        Self::Unreadable {
            message: error.to_string(),
        }
    }

    fn class(&self) -> CallClass {
        match self {
            Self::NotFound => CallClass::NotFound,
            Self::Throttled { .. } => CallClass::Throttled,
            Self::Transient { .. } => CallClass::Transient,
            Self::Unavailable { .. } => CallClass::Unanswered,
            Self::Credentials { .. } => CallClass::Credentials,
            Self::Encryption { .. } => CallClass::Encryption,
            Self::Denied { .. } => CallClass::Denied,
            Self::Iterator { .. } => CallClass::Iterator,
            Self::Rejected { .. } => CallClass::Rejected,
            Self::Unreadable { .. } => CallClass::Unreadable,
        }
    }

    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    pub(crate) fn is_credentials(&self) -> bool {
        matches!(self, Self::Credentials { .. })
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound)
    }

    /// Whether the same call may work later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        self.class().may_pass_by_itself()
    }

    /// Whether the call may have taken effect although it failed.
    pub fn may_have_taken_effect(&self) -> bool {
        self.class().effect() == Effect::Possible
    }

    /// Whether the same call may work later, by itself or because an operator restores what it needs.
    pub(crate) fn may_pass(&self) -> bool {
        self.class().may_pass_by_itself() || self.class().may_pass_with_help()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(class: CallClass) -> CallErrorKind {
        let error = CallError {
            code: "Code".into(),
            message: "words".into(),
            request_id: None,
            class,
            effect: class.effect(),
        };
        error.into()
    }

    #[test]
    fn a_kind_answers_as_the_class_does_that_it_was_made_of() {
        for class in [
            CallClass::Throttled,
            CallClass::Transient,
            CallClass::Unanswered,
            CallClass::Credentials,
            CallClass::UnknownKey,
            CallClass::Encryption,
            CallClass::Intercepted,
            CallClass::Denied,
            CallClass::NotFound,
            CallClass::Iterator,
            CallClass::Rejected,
            CallClass::Unreadable,
        ] {
            let kind = kind(class);
            assert_eq!(kind.is_transient(), class.may_pass_by_itself(), "{class:?}");
            assert_eq!(
                kind.may_have_taken_effect(),
                class.effect() == Effect::Possible,
                "{class:?}"
            );
            let may_pass = class.may_pass_by_itself() || class.may_pass_with_help();
            assert_eq!(kind.may_pass(), may_pass, "{class:?}");
        }
    }
}
