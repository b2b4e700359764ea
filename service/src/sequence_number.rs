//! Pure: the numbers of Kinesis records.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The number of a Kinesis record in its stream: decimal, of up to 128 digits. Ordered by value.
///
/// It is kept without leading zeros, which the service does not write either.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(Arc<str>);

impl SequenceNumber {
    /// Reads a sequence number.
    ///
    /// # Errors
    ///
    /// If `text` is empty, or holds a character that is not a decimal digit.
    pub fn new(text: &str) -> Result<Self, InvalidSequenceNumber> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidSequenceNumber { text: text.to_owned() });
        }
        match text.trim_start_matches('0') {
            "" => Ok(Self("0".into())),
            digits => Ok(Self(digits.into())),
        }
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes the text of an answer of the service as it is, without a look at it.
impl From<Arc<str>> for SequenceNumber {
    fn from(number: Arc<str>) -> Self {
        Self(number)
    }
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        Self::new(text)
    }
}

/// Without leading zeros, the longer number is the larger one.
impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq<str> for SequenceNumber {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for SequenceNumber {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a sequence number, a decimal number")]
pub struct InvalidSequenceNumber {
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn leading_zeros_do_not_make_another_number() {
        assert_eq!(number("007"), number("7"));
        assert_eq!(number("000"), number("0"));
    }

    #[test]
    fn numbers_are_ordered_by_value_and_not_by_text() {
        let in_order = [
            "0",
            "9",
            "10",
            "49680419022772832933583656857452381179346641341707714626",
        ]
        .map(number);
        assert!(in_order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_text_that_is_not_all_digits_is_no_sequence_number() {
        for text in ["", "-1", "+1", "1 ", "1.0", "0x1", "٣", "LATEST"] {
            assert_eq!(
                SequenceNumber::new(text),
                Err(InvalidSequenceNumber { text: text.into() })
            );
        }
    }
}
