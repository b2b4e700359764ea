//! Pure: why a worker could not be built.

use std::time::Duration;

use service::{Reasons, StreamFault};

/// Why [`WorkerBuilder::build`](crate::WorkerBuilder::build) refused. It knows all that is wrong with the options, the names,
/// the clients and the handler together.
#[derive(Debug, thiserror::Error)]
#[error("the worker cannot be built: {reasons}")]
pub struct BuildError {
    reasons: Box<Reasons<BuildErrorKind>>,
}

impl BuildError {
    /// An error if there is any reason.
    pub(crate) fn unless_empty(reasons: impl IntoIterator<Item = BuildErrorKind>) -> Result<(), Self> {
        match Reasons::of(reasons) {
            Some(reasons) => Err(Self {
                reasons: Box::new(reasons),
            }),
            None => Ok(()),
        }
    }

    /// The reason, to match on; of several, the first.
    pub fn kind(&self) -> &BuildErrorKind {
        self.reasons.first()
    }

    /// All reasons.
    pub fn kinds(&self) -> impl Iterator<Item = &BuildErrorKind> {
        self.reasons.iter()
    }
}

impl From<BuildErrorKind> for BuildError {
    fn from(kind: BuildErrorKind) -> Self {
        let reasons = Box::new(Reasons::from(kind));
        Self { reasons }
    }
}

/// The reasons of a [`BuildError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// The application has no name.
    #[error("the application's name is empty")]
    EmptyApplication,
    /// The stream has neither a name nor an ARN.
    #[error("the stream's name or ARN is empty")]
    EmptyStream,
    /// No stream can have this name.
    #[error("no stream can be named {name:?}: a name is 1 to 128 of the characters a-z, A-Z, 0-9, `_`, `.` and `-`")]
    InvalidStreamName {
        /// What was given.
        name: String,
    },
    /// It begins with `arn:` and is not the ARN of a stream.
    #[error("{arn:?} is not the ARN of a stream: arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME")]
    InvalidStreamArn {
        /// What was given.
        arn: String,
    },
    /// No table can have this name: the application's, unless `table_name` was called.
    #[error(
        "no lease table can be named {name:?}: a name is 3 to 255 of the characters a-z, A-Z, 0-9, `_`, `.` and `-`; \
         it is the application's name unless `table_name` is called"
    )]
    InvalidTableName {
        /// What was given.
        name: String,
    },
    /// The worker has an id without a character.
    #[error("the worker's id is empty")]
    EmptyWorkerId,
    /// The worker's id is one of the keys that the lease table keeps for itself.
    #[error("the worker id {id:?} is a reserved key of the lease table")]
    ReservedWorkerId {
        /// The id.
        id: String,
    },
    /// A client is missing.
    #[error("no {service} client: call `aws(&SdkConfig)` or hand the client in")]
    NoClient {
        /// Of which service.
        service: &'static str,
    },
    /// A client has no region, without which no call can be made.
    #[error(
        "the {service} client has no region: set AWS_REGION, or `region` in the AWS profile, or call `region(…)` on the \
         configuration that the client is made from"
    )]
    NoRegion {
        /// Of which service.
        service: &'static str,
    },
    /// The file of [`kcl_properties`](crate::WorkerBuilder::kcl_properties) names another application, stream or region.
    #[error(
        "the properties file has {key} = {properties}, and this worker has {worker}: it was written for another one"
    )]
    PropertiesOfAnotherWorker {
        /// The key in the file.
        key: &'static str,
        /// What the file says.
        properties: String,
        /// What this worker has.
        worker: String,
    },
    /// There is nothing to hand the records to.
    #[error(
        "no handler: call one of `for_each_record`, `for_each_batch`, `processor` and `stream`, which are told the records"
    )]
    NoHandler,
    /// A time is outside its range.
    #[error("{option} is {value:?}, which is not in {min:?}..={max:?}")]
    DurationOutOfRange {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// An option is outside its range.
    #[error("{option} is {value}, which is not in {min}..={max}")]
    OutOfRange {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// A part of something is too small, or more than all of it.
    #[error("{option} is {value}, which is not in 0.01..=1")]
    ShareOutOfRange {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: String,
    },
}

impl From<StreamFault> for BuildErrorKind {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Empty => Self::EmptyStream,
            StreamFault::InvalidName { name } => Self::InvalidStreamName { name },
            StreamFault::InvalidArn { arn } => Self::InvalidStreamArn { arn },
        }
    }
}
