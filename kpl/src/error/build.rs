//! Pure: why a producer could not be built.

use std::fmt;

use crate::ordering::RecordDistribution;

/// Why [`ProducerBuilder::build`](crate::ProducerBuilder::build) refused. It knows every reason, not the first alone.
#[derive(Debug)]
pub struct BuildError {
    kind: BuildErrorKind,
    others: Vec<BuildErrorKind>,
}

impl BuildError {
    /// An error if there is any reason.
    pub(crate) fn unless_empty(reasons: impl IntoIterator<Item = BuildErrorKind>) -> Result<(), Self> {
        let mut reasons = reasons.into_iter();
        match reasons.next() {
            Some(kind) => Err(Self {
                kind,
                others: reasons.collect(),
            }),
            None => Ok(()),
        }
    }

    /// The reason, to match on; of several, the first.
    pub fn kind(&self) -> &BuildErrorKind {
        &self.kind
    }

    /// All reasons.
    pub fn kinds(&self) -> impl Iterator<Item = &BuildErrorKind> {
        std::iter::once(&self.kind).chain(&self.others)
    }
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the producer cannot be built: {}", self.kind)?;
        self.others.iter().try_for_each(|kind| write!(f, "; {kind}"))
    }
}

impl From<BuildErrorKind> for BuildError {
    fn from(kind: BuildErrorKind) -> Self {
        Self {
            kind,
            others: Vec::new(),
        }
    }
}

/// The reasons of a [`BuildError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// The stream has neither a name nor an ARN.
    #[error("the stream's name or ARN is empty")]
    EmptyStream,
    /// Neither `aws` nor `client` was called.
    #[error("no AWS client: call `aws(&SdkConfig)` or `client(aws_sdk_kinesis::Client)`")]
    NoClient,
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
        /// The option's name.
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
    /// Where the value comes from.
    pub origin: OptionOrigin,
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, value, origin } = self;
        match origin {
            OptionOrigin::Builder => write!(f, "{option} ({value})"),
            OptionOrigin::Default => write!(f, "{option} ({value}, the default)"),
            OptionOrigin::KplDefault => write!(f, "{option} ({value}, the KPL's default)"),
            OptionOrigin::Properties { key, line } => write!(f, "{option} ({value}, {key} in line {line})"),
        }
    }
}

/// Where the value of an option comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionOrigin {
    /// It was set by a call of the builder.
    Builder,
    /// It is the default.
    Default,
    /// [`kpl_properties`](crate::ProducerBuilder::kpl_properties) was called, and the file leaves it out.
    KplDefault,
    /// It stands in the properties file.
    Properties {
        /// The KPL's name of the option.
        key: &'static str,
        /// The line of the file, from 1.
        line: usize,
    },
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
