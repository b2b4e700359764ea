//! Pure: the names of streams.

use std::fmt;
use std::sync::Arc;

/// The longest name of a stream, in characters.
///
/// Source: Amazon Kinesis Data Streams API reference, `CreateStream`.
const MAX_NAME_CHARS: usize = 128;

/// A stream by its name, or by its ARN (which another account's stream needs), and perhaps its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamRef {
    named: Named,
    id: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Named {
    Name(Arc<str>),
    Arn(Arc<str>),
}

impl StreamRef {
    /// Reads a text that begins with `arn:` as an ARN of any partition, and any other as a name.
    pub fn parse(text: &str) -> Self {
        let named = if text.starts_with("arn:") {
            Named::Arn(text.into())
        } else {
            Named::Name(text.into())
        };
        Self { named, id: None }
    }

    /// The same stream with its id, which is sent beside the name or the ARN. An id of blanks is no id.
    #[must_use]
    pub fn with_id(self, id: Option<&str>) -> Self {
        let id = id.map(str::trim).filter(|id| !id.is_empty()).map(Into::into);
        Self { id, ..self }
    }

    /// Why the service could have no such stream.
    ///
    /// Source: Amazon Kinesis Data Streams API reference, the patterns of `StreamName` and `StreamARN` in `PutRecords`.
    pub fn fault(&self) -> Option<StreamFault> {
        match &self.named {
            Named::Name(name) if name.is_empty() => Some(StreamFault::Empty),
            Named::Name(name) if !is_name(name) => Some(StreamFault::InvalidName { name: name.to_string() }),
            Named::Arn(arn) if !is_stream_arn(arn) => Some(StreamFault::InvalidArn { arn: arn.to_string() }),
            Named::Name(_) | Named::Arn(_) => None,
        }
    }

    /// The name for a request; `None` for a stream that is named by its ARN.
    pub fn name(&self) -> Option<String> {
        match &self.named {
            Named::Name(name) => Some(name.to_string()),
            Named::Arn(_) => None,
        }
    }

    /// The ARN for a request; `None` for a stream that is named by its name.
    pub fn arn(&self) -> Option<String> {
        match &self.named {
            Named::Arn(arn) => Some(arn.to_string()),
            Named::Name(_) => None,
        }
    }

    /// The id for a request.
    pub fn id(&self) -> Option<String> {
        self.id.as_deref().map(str::to_owned)
    }

    /// The region that an ARN names.
    pub fn region(&self) -> Option<&str> {
        match &self.named {
            Named::Name(_) => None,
            Named::Arn(arn) => arn.split(':').nth(3),
        }
    }

    /// The name alone, also of a stream that is named by its ARN.
    pub fn label(&self) -> &str {
        match &self.named {
            Named::Name(name) => name,
            Named::Arn(arn) => arn.rsplit_once('/').map_or(arn, |(_, name)| name),
        }
    }

    /// The name or the ARN, as it was given.
    pub fn as_str(&self) -> &str {
        let (Named::Name(text) | Named::Arn(text)) = &self.named;
        text
    }

    /// The name or ARN as shared text.
    pub fn shared(&self) -> Arc<str> {
        let (Named::Name(text) | Named::Arn(text)) = &self.named;
        Arc::clone(text)
    }
}

/// Writes the name or the ARN, as it was given.
impl fmt::Display for StreamRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why no stream can have a name or an ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// The stream has neither a name nor an ARN.
    #[error("the stream's name or ARN is empty")]
    Empty,
    /// No stream can have this name.
    #[error("no stream can be named {name:?}: a name is 1 to 128 of the characters a-z, A-Z, 0-9, `_`, `.` and `-`")]
    InvalidName {
        /// The name that was given.
        name: String,
    },
    /// The text begins with `arn:` and is not the ARN of a stream.
    #[error("{arn:?} is not the ARN of a stream: arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME")]
    InvalidArn {
        /// The ARN that was given.
        arn: String,
    },
}

pub(crate) fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// `arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME`
fn is_stream_arn(text: &str) -> bool {
    let is_word = |word: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !word.is_empty() && word.bytes().all(is_allowed)
    };
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "kinesis", region, account, resource] = parts.as_slice() else {
        return false;
    };
    is_word(partition)
        && is_word(region)
        && is_account(account)
        && resource.strip_prefix("stream/").is_some_and(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_arn_that_the_service_takes_are_taken() {
        let longest = "n".repeat(128);
        for stream in [
            "a",
            "Orders_2.eu-west",
            "arn",
            &longest,
            "arn:aws:kinesis:eu-central-1:123456789012:stream/orders",
            "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/orders.v2",
        ] {
            assert_eq!(StreamRef::parse(stream).fault(), None, "{stream}");
        }
    }

    #[test]
    fn a_name_that_no_stream_can_have_is_refused_as_it_was_given() {
        let too_long = "n".repeat(129);
        for name in ["bad name!", " clicks", "clicks\n", "größe", "team/clicks", &too_long] {
            let name = name.to_owned();
            let fault = StreamRef::parse(&name).fault();
            assert_eq!(fault, Some(StreamFault::InvalidName { name }));
        }
        assert_eq!(StreamRef::parse("").fault(), Some(StreamFault::Empty));
    }

    #[test]
    fn a_text_that_is_not_the_arn_of_a_stream_is_refused_as_it_was_given() {
        for arn in [
            "arn:aws:sqs:us-east-1:123456789012:clicks",
            "arn:aws:kinesis:us-east-1:123456789012:clicks",
            "arn:aws:kinesis:us-east-1:123456789012:stream/",
            "arn:aws:kinesis:us-east-1:123456789012:stream/bad name!",
            "arn:aws:kinesis:us-east-1:123456789012:stream/clicks/consumer/app:1",
            "arn:aws:kinesis:us-east-1:12345:stream/clicks",
            "arn:aws:kinesis::123456789012:stream/clicks",
            "arn::kinesis:us-east-1:123456789012:stream/clicks",
            "arn:aws:kinesis:us-east-1",
            "arn:",
        ] {
            let arn = arn.to_owned();
            let fault = StreamRef::parse(&arn).fault();
            assert_eq!(fault, Some(StreamFault::InvalidArn { arn }));
        }
    }

    #[test]
    fn an_arn_tells_its_region_and_the_name_of_its_stream() {
        let arn = StreamRef::parse("arn:aws:kinesis:eu-central-1:123456789012:stream/orders");
        assert_eq!((arn.region(), arn.label()), (Some("eu-central-1"), "orders"));
        let name = StreamRef::parse("orders");
        assert_eq!((name.region(), name.label()), (None, "orders"));
    }

    #[test]
    fn an_id_of_blanks_is_no_id() {
        let orders = StreamRef::parse("orders");
        assert_eq!(orders.clone().with_id(Some(" id-7 ")).id().as_deref(), Some("id-7"));
        assert_eq!(orders.clone().with_id(Some("  ")), orders);
    }
}
