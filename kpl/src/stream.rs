//! Pure: which stream a producer writes to.

use std::fmt;
use std::sync::Arc;

/// A stream by its name, or by its ARN (which another account's stream needs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamRef {
    Name(Arc<str>),
    Arn(Arc<str>),
}

impl StreamRef {
    /// Reads what begins with `arn:` as an ARN, of whatever partition.
    pub(crate) fn parse(text: &str) -> Self {
        if text.starts_with("arn:") {
            Self::Arn(text.into())
        } else {
            Self::Name(text.into())
        }
    }

    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Name(name) => Some(name.to_string()),
            Self::Arn(_) => None,
        }
    }

    pub(crate) fn arn(&self) -> Option<String> {
        match self {
            Self::Arn(arn) => Some(arn.to_string()),
            Self::Name(_) => None,
        }
    }

    /// The name alone, as it labels a series.
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.rsplit_once('/').map_or(arn, |(_, name)| name),
        }
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        let (Self::Name(text) | Self::Arn(text)) = self;
        Arc::clone(text)
    }
}

impl fmt::Display for StreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Name(text) | Self::Arn(text)) = self;
        f.write_str(text)
    }
}
