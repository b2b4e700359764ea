//! Pure: a position in the hash-key space, which decides the shard of a record.

use std::fmt;
use std::str::FromStr;

use crate::digest;

/// A position in the hash-key space of a stream, `0..=2^128 - 1`. Every shard owns a [range](crate::HashKeyRange) of it.
///
/// Its text form, in [`Display`](fmt::Display) and [`FromStr`], is the service's: decimal, no sign, no leading zeros.
///
/// # Examples
///
/// ```
/// use aggregation::HashKey;
///
/// assert_eq!(HashKey::of_partition_key("a").to_string(), "16955237001963240173058271559858726497");
/// assert_eq!("42".parse(), Ok(HashKey::new(42)));
/// assert_eq!(HashKey::parse_lenient(" +042 "), Ok(HashKey::new(42)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(u128);

impl HashKey {
    /// The first position, 0.
    pub const MIN: Self = Self(u128::MIN);

    /// The last position, 2^128 - 1.
    pub const MAX: Self = Self(u128::MAX);

    /// Names the position `value`.
    pub const fn new(value: u128) -> Self {
        Self(value)
    }

    /// Hashes a partition key as the service does when a record carries no explicit hash key: the MD5 of its UTF-8
    /// bytes, read big-endian.
    ///
    /// Source: Kinesis Data Streams API reference, PutRecord, `PartitionKey`.
    pub fn of_partition_key(partition_key: &str) -> Self {
        Self(u128::from_be_bytes(digest::md5(partition_key.as_bytes())))
    }

    /// Parses an explicit hash key as the KPL does: surrounding blanks and control characters are trimmed, a sign and
    /// leading zeros are accepted, so that `" +7"`, `"007"` and `"-0"` are legal.
    ///
    /// Source: amazon-kinesis-producer, `KinesisProducer.addUserRecord`.
    ///
    /// # Errors
    ///
    /// If the rest is not made of decimal digits, or lies outside of the hash-key space.
    pub fn parse_lenient(text: &str) -> Result<Self, InvalidHashKey> {
        let text = text.trim_matches(|character| character <= ' ');
        let Some(magnitude) = text.strip_prefix('-') else {
            return Self::from_digits(text.strip_prefix('+').unwrap_or(text));
        };
        match Self::from_digits(magnitude)? {
            Self::MIN => Ok(Self::MIN),
            _ => Err(InvalidHashKey::OutOfRange),
        }
    }

    /// Returns the position as a number.
    pub const fn value(self) -> u128 {
        self.0
    }

    fn from_digits(digits: &str) -> Result<Self, InvalidHashKey> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidHashKey::NotDecimal);
        }
        digits.parse().map(Self).map_err(|_| InvalidHashKey::OutOfRange)
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses the canonical form only, the service's pattern `0|[1-9]\d{0,38}`.
///
/// Source: Kinesis Data Streams API reference, PutRecord, `ExplicitHashKey`.
impl FromStr for HashKey {
    type Err = InvalidHashKey;

    fn from_str(text: &str) -> Result<Self, InvalidHashKey> {
        let key = Self::from_digits(text)?;
        if text.len() > 1 && text.starts_with('0') {
            return Err(InvalidHashKey::LeadingZero);
        }
        Ok(key)
    }
}

/// Tells why a text names no [`HashKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHashKey {
    /// It is empty, or something in it is not a decimal digit.
    #[error("a hash key is a decimal integer")]
    NotDecimal,
    /// It starts with a zero that the canonical form leaves out.
    #[error("a hash key has no leading zeros")]
    LeadingZero,
    /// It is negative or 2^128 or more.
    #[error("a hash key lies between 0 and 2^128 - 1")]
    OutOfRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2^128, the first number beyond the space.
    const TOO_LARGE: &str = "340282366920938463463374607431768211456";

    #[test]
    fn the_canonical_form_is_read_back() {
        for key in [HashKey::MIN, HashKey::new(10), HashKey::MAX] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn the_strict_form_refuses_all_but_the_services_pattern() {
        for text in ["", "+7", "-0", " 7", "7 ", "7x", "0x7", "٣"] {
            assert_eq!(text.parse::<HashKey>(), Err(InvalidHashKey::NotDecimal), "{text:?}");
        }
        for text in ["00", "007"] {
            assert_eq!(text.parse::<HashKey>(), Err(InvalidHashKey::LeadingZero), "{text:?}");
        }
        assert_eq!(TOO_LARGE.parse::<HashKey>(), Err(InvalidHashKey::OutOfRange));
    }

    #[test]
    fn the_lenient_form_takes_blanks_a_sign_and_leading_zeros() {
        for (text, value) in [
            ("+7", 7),
            ("007", 7),
            ("-0", 0),
            ("-000", 0),
            (" \t42\n", 42),
            ("+0", 0),
        ] {
            assert_eq!(HashKey::parse_lenient(text), Ok(HashKey::new(value)), "{text:?}");
        }
        let padded = format!("{}{}", "0".repeat(100), u128::MAX);
        assert_eq!(HashKey::parse_lenient(&padded), Ok(HashKey::MAX));
    }

    #[test]
    fn the_lenient_form_refuses_what_is_no_number_or_out_of_range() {
        for text in ["", " ", "+", "-", "+-7", "-+7", "--0", "7 7", "7.0", "\u{a0}7"] {
            assert_eq!(
                HashKey::parse_lenient(text),
                Err(InvalidHashKey::NotDecimal),
                "{text:?}"
            );
        }
        for text in ["-1", TOO_LARGE] {
            assert_eq!(
                HashKey::parse_lenient(text),
                Err(InvalidHashKey::OutOfRange),
                "{text:?}"
            );
        }
    }
}
