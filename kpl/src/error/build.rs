//! Pure: why a producer could not be built.

use std::fmt;

use service::Reasons;

use crate::config::ordering::RecordDistribution;

/// Why [`ProducerBuilder::build`](crate::ProducerBuilder::build) refused. It knows all that is wrong with the
/// options, the stream and the client together; whether a runtime is there is looked at after these.
#[derive(Debug, thiserror::Error)]
#[error("the producer cannot be built: {reasons}")]
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
    /// Neither `aws` nor `client` was called.
    #[error("no AWS client: call `aws(&SdkConfig)` or `client(aws_sdk_kinesis::Client)`")]
    NoClient,
    /// The client has no region, without which no call can be made.
    #[error(
        "the client has no region: set AWS_REGION, or `region` in the AWS profile, or call `region(…)` on the \
         configuration that the client is made from"
    )]
    NoRegion,
    /// The properties file names another region than the client's.
    #[error(
        "the properties file has Region = {properties}, and the client's region is {client}: make the client with the \
         region of the file, or take the line out of the file"
    )]
    PropertiesOfOtherRegion {
        /// The region in the file.
        properties: String,
        /// The client's region.
        client: String,
    },
    /// `build` was called outside a tokio runtime, in which the producer's task has to run.
    #[error("not inside a tokio runtime, where the producer's task has to run")]
    NoRuntime,
    /// `build_blocking` was called inside a tokio runtime, whose threads must not be held up.
    #[error("inside a tokio runtime: use `build`, whose producer does not block; or build it in a thread of your own")]
    InsideRuntime,
    /// The thread of a blocking producer could not be started.
    #[error("the producer's thread did not start: {reason}")]
    NoThread {
        /// What was in the way.
        reason: String,
    },
    /// An option is outside its range.
    #[error("{option} is {value}, which is not in {min}..={max}")]
    OutOfRange {
        /// The option's name, and the unit if its value is a time.
        option: &'static str,
        /// What was given.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// A duration that must be positive is zero.
    #[error("{option} is zero")]
    Zero {
        /// The option's name.
        option: &'static str,
    },
    /// `Ordering::PerKey` was asked for on a stream that does not keep, or may not keep, a key's records together.
    #[error("ordering is PerKey, which record_distribution_strategy_default {distribution:?} makes impossible")]
    OrderingImpossible {
        /// What the stream was said to be.
        distribution: RecordDistribution,
    },
    /// Two options exclude each other.
    #[error("{larger} must {relation} {smaller}")]
    Contradiction {
        /// The option that has to shrink.
        larger: OptionValue,
        /// How they have to compare.
        relation: Relation,
        /// The option that has to grow.
        smaller: OptionValue,
    },
}

/// An option, what it is set to, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionValue {
    /// The option's name.
    pub option: &'static str,
    /// Its value, in bytes or as a time.
    pub value: String,
    /// Where the value comes from, in words: a key of the properties file with its line, or a default; `None` for a call
    /// of the builder.
    pub origin: Option<String>,
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, value, origin } = self;
        match origin {
            Some(origin) => write!(f, "{option} ({value}, {origin})"),
            None => write!(f, "{option} ({value})"),
        }
    }
}

/// How two options have to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// The first must be smaller than the second.
    Below,
    /// The first must not be larger than the second.
    AtMost,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "be smaller than",
            Self::AtMost => "not be larger than",
        })
    }
}
