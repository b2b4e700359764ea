//! Pure: the forms that the values of KPL options have.

use super::FaultKind;

/// What a value has to look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Boolean,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str], &'static str),
    /// A text with a rule, and the rule in words.
    Shaped(fn(&str) -> bool, &'static str),
    Text,
}

impl Form {
    /// Checks a value. Returns its number, 1 for `true`, the place of a word among the allowed ones, and 0 for what is
    /// none of these.
    pub(super) fn read(self, value: &str) -> Result<u64, FaultKind> {
        match self {
            Self::Boolean if value.eq_ignore_ascii_case("true") => Ok(1),
            Self::Boolean if value.eq_ignore_ascii_case("false") => Ok(0),
            Self::Boolean => Err(malformed(value, "true or false")),
            Self::Integer(min, max) => integer(value, min, max),
            Self::OneOf(words, expected) => place(words, value).ok_or_else(|| malformed(value, expected)),
            Self::Shaped(is_right, _) if is_right(value) => Ok(0),
            Self::Shaped(_, expected) => Err(malformed(value, expected)),
            Self::Text => Ok(0),
        }
    }
}

fn place(words: &[&str], value: &str) -> Option<u64> {
    (0..)
        .zip(words)
        .find(|(_, word)| **word == value)
        .map(|(place, _)| place)
}

fn integer(value: &str, min: i64, max: i64) -> Result<u64, FaultKind> {
    let number: i64 = value.parse().map_err(|_| malformed(value, "a whole number"))?;
    let out_of_range = FaultKind::OutOfRange {
        value: number,
        min,
        max,
    };
    if !(min..=max).contains(&number) {
        return Err(out_of_range);
    }
    u64::try_from(number).map_err(|_| out_of_range)
}

/// A value with an `@` may be an address with a password in it, which no log should have.
fn malformed(value: &str, expected: &'static str) -> FaultKind {
    let shown = if value.contains('@') { "(not shown)" } else { value };
    FaultKind::Malformed {
        value: shown.to_owned(),
        expected,
    }
}

/// Nothing, or words of small letters joined by hyphens, three or four of them with the last a digit: `us-gov-west-1`.
pub(super) fn is_region(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [""] => true,
        [words @ .., digit] => {
            (2..=3).contains(&words.len())
                && words.iter().all(is_word)
                && digit.len() == 1
                && digit.bytes().all(|byte| byte.is_ascii_digit())
        }
        [] => false,
    }
}

/// Nothing, or the name of a host without scheme and port.
pub(super) fn is_host(value: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'\\');
    value.bytes().all(is_allowed)
}

/// 1 to 255 characters; the service keeps what begins with `AWS/` for itself.
pub(super) fn is_namespace(value: &str) -> bool {
    !value.starts_with("AWS/") && (1..=255).contains(&value.chars().count())
}
