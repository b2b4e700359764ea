//! Pure: which stream a producer writes to.

use std::fmt;
use std::sync::Arc;

use crate::error::BuildErrorKind;

/// The longest name of a stream, in characters.
///
/// Source: Amazon Kinesis Data Streams API reference, `CreateStream`.
const MAX_NAME_CHARS: usize = 128;

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

    /// Why the service could have no such stream.
    ///
    /// Source: Amazon Kinesis Data Streams API reference, the patterns of `StreamName` and `StreamARN` in `PutRecords`.
    pub(crate) fn fault(&self) -> Option<BuildErrorKind> {
        match self {
            Self::Name(name) if name.is_empty() => Some(BuildErrorKind::EmptyStream),
            Self::Name(name) if !is_name(name) => Some(BuildErrorKind::InvalidStreamName { name: name.to_string() }),
            Self::Arn(arn) if !is_stream_arn(arn) => Some(BuildErrorKind::InvalidStreamArn { arn: arn.to_string() }),
            Self::Name(_) | Self::Arn(_) => None,
        }
    }

    /// The region that an ARN names.
    pub(crate) fn region(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Arn(arn) => arn.split(':').nth(3),
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

fn is_name(text: &str) -> bool {
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
    fn what_the_service_takes_for_a_name_or_an_arn_is_taken() {
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
    fn what_no_stream_can_be_called_is_refused_as_it_was_given() {
        let too_long = "n".repeat(129);
        for name in ["bad name!", " clicks", "clicks\n", "größe", "team/clicks", &too_long] {
            let name = name.to_owned();
            let fault = StreamRef::parse(&name).fault();
            assert_eq!(fault, Some(BuildErrorKind::InvalidStreamName { name }));
        }
        assert_eq!(StreamRef::parse("").fault(), Some(BuildErrorKind::EmptyStream));
    }

    #[test]
    fn what_is_not_the_arn_of_a_stream_is_refused_as_it_was_given() {
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
            assert_eq!(fault, Some(BuildErrorKind::InvalidStreamArn { arn }));
        }
    }

    #[test]
    fn an_arn_names_its_region() {
        let arn = StreamRef::parse("arn:aws:kinesis:eu-central-1:123456789012:stream/orders");
        assert_eq!(arn.region(), Some("eu-central-1"));
        assert_eq!(StreamRef::parse("orders").region(), None);
    }
}
