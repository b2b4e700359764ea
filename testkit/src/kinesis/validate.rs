//! Pure: the declared constraints of members, checked before anything else and reported together.

use std::fmt::Display;

use super::error::ServiceError;
use super::limits;

/// Violations reported at once, at most. Source: kinesalite.
const REPORTED: usize = 10;

/// Collects violated constraints.
#[derive(Debug, Default)]
pub(super) struct Constraints {
    violations: Vec<String>,
}

impl Constraints {
    /// A name of `1..=128` letters, digits, `_`, `.` and `-`, if present.
    pub(super) fn name(self, member: &str, value: Option<&str>) -> Self {
        let Some(value) = value else { return self };
        let legal = value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        let violation = (!legal).then(|| "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+".to_owned());
        self.violated(member, value, violation)
            .length(member, value, limits::STREAM_NAME_CHARACTERS)
    }

    /// A text of `1..=longest` characters.
    pub(super) fn length(self, member: &str, value: &str, longest: usize) -> Self {
        let violation = if value.is_empty() {
            Some("Member must have length greater than or equal to 1".to_owned())
        } else {
            let too_long = value.len() > longest && value.chars().count() > longest;
            too_long.then(|| format!("Member must have length less than or equal to {longest}"))
        };
        self.violated(member, value, violation)
    }

    /// A partition key, if present.
    pub(super) fn partition_key(self, member: &str, value: Option<&str>) -> Self {
        match value {
            Some(key) => self.length(member, key, limits::PARTITION_KEY_CHARACTERS),
            None => self,
        }
    }

    /// A list or a map of `1..=most` entries.
    pub(super) fn count(self, member: &str, count: usize, most: usize) -> Self {
        let violation = match count {
            0 => Some("Member must have length greater than or equal to 1".to_owned()),
            _ => (count > most).then(|| format!("Member must have length less than or equal to {most}")),
        };
        self.violated(member, format_args!("[{count} entries]"), violation)
    }

    /// The size that records can have, if present.
    pub(super) fn record_kib(self, value: Option<i32>) -> Self {
        let (least, most) = (limits::DEFAULT_RECORD_KIB, limits::MAX_RECORD_KIB);
        let bound = |kib| i32::try_from(kib).unwrap_or(i32::MAX);
        self.range("maxRecordSizeInKiB", value, bound(least), bound(most))
    }

    /// A number in `smallest..=largest`, if present.
    pub(super) fn range(self, member: &str, value: Option<i32>, smallest: i32, largest: i32) -> Self {
        let Some(value) = value else { return self };
        let violation = if value < smallest {
            Some(format!("Member must have value greater than or equal to {smallest}"))
        } else {
            (value > largest).then(|| format!("Member must have value less than or equal to {largest}"))
        };
        self.violated(member, value, violation)
    }

    /// A hash key in the declared pattern, if present; its size is not part of that.
    pub(super) fn hash_key(self, member: &str, value: Option<&str>) -> Self {
        self.decimal(member, value, 38)
    }

    /// A sequence number in the declared pattern, if present.
    pub(super) fn sequence_number(self, member: &str, value: Option<&str>) -> Self {
        self.decimal(member, value, 128)
    }

    /// A decimal number with at most `more` digits after the first, if present.
    fn decimal(self, member: &str, value: Option<&str>, more: usize) -> Self {
        let Some(value) = value else { return self };
        let canonical = value == "0" || (1..=more + 1).contains(&value.len()) && !value.starts_with('0');
        let violation = (!canonical || !value.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| format!("Member must satisfy regular expression pattern: 0|([1-9]\\d{{0,{more}}})"));
        self.violated(member, value, violation)
    }

    /// Any other constraint, if there is a `violation`.
    pub(super) fn violated(mut self, member: &str, value: impl Display, violation: Option<String>) -> Self {
        if let Some(violation) = violation
            && self.violations.len() < REPORTED
        {
            self.violations.push(format!(
                "Value '{value}' at '{member}' failed to satisfy constraint: {violation}"
            ));
        }
        self
    }

    /// Reports the violations, if there are any.
    pub(super) fn check(self) -> Result<(), ServiceError> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let plural = if count == 1 { "" } else { "s" };
        let violations = self.violations.join("; ");
        Err(ServiceError::validation(format!(
            "{count} validation error{plural} detected: {violations}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(constraints: Constraints) -> Result<(), String> {
        constraints.check().map_err(|error| error.message)
    }

    #[test]
    fn violations_are_reported_together() {
        let constraints = Constraints::default()
            .name("streamName", Some("a b"))
            .range("limit", Some(0), 1, 10);
        assert_eq!(
            verdict(constraints).unwrap_err(),
            "2 validation errors detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+; Value '0' at 'limit' failed to satisfy constraint: Member must \
             have value greater than or equal to 1"
        );
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let key = "ä".repeat(256);
        assert!(verdict(Constraints::default().length("partitionKey", &key, 256)).is_ok());
        assert!(verdict(Constraints::default().length("partitionKey", &(key + "x"), 256)).is_err());
        assert!(verdict(Constraints::default().length("partitionKey", "", 256)).is_err());
    }

    #[test]
    fn hash_keys_have_up_to_39_digits_and_no_leading_zero() {
        let legal = |key: &str| verdict(Constraints::default().hash_key("explicitHashKey", Some(key))).is_ok();
        for key in ["0", "1", &"9".repeat(39)] {
            assert!(legal(key), "{key}");
        }
        for key in ["", "00", "01", "-1", "+1", "1x", "٣", &"9".repeat(40)] {
            assert!(!legal(key), "{key}");
        }
    }
}
