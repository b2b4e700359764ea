//! Pure: a moment, in the resolution in which the service tells it.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment as the service records and reports it: whole milliseconds since the Unix epoch.
///
/// On the wire it is a JSON number, seconds with a fraction, as AWS JSON 1.1 asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Names the moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the milliseconds from `earlier` to this moment, zero if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Truncates to the millisecond; moments before the epoch become the epoch.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

/// Writes the form of the service's messages, `Wed Mar 04 01:02:40 UTC 2020`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = [
            "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
        ];

        let (days, seconds) = (self.as_secs() / 86_400, self.as_secs() % 86_400);
        // Counted from 1 March of the year 0, days fall into cycles of 400 years, each ending with its leap day.
        let (cycle, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
        let year = cycle * 400 + year + u64::from(month >= 10);

        let weekday = WEEKDAYS.get((days % 7) as usize).unwrap_or(&"");
        let month = MONTHS.get(month as usize).unwrap_or(&"");
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{weekday} {month} {day_of_month:02} {hour:02}:{minute:02}:{second:02} UTC {year}"
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // One division of an exact integer: the nearest double, which prints with three decimals at most.
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let since_epoch = Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)?;
        // Rounded, not truncated: 1459799926.480 has no exact double and lies a little below.
        Ok(Self(millis(since_epoch + Duration::from_micros(500))))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_keeps_every_millisecond() {
        for millis in [0, 1, 999, 1_459_799_926_480, 1_732_170_000_001, 4_102_444_799_999] {
            let timestamp = Timestamp::from_millis(millis);
            let json = serde_json::to_string(&timestamp).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), timestamp, "{json}");
            assert!(json.split('.').nth(1).unwrap().len() <= 3, "{json}");
        }
        assert_eq!(
            serde_json::to_string(&Timestamp::from_millis(1_459_799_926_480)).unwrap(),
            "1459799926.48"
        );
    }

    #[test]
    fn the_text_form_is_that_of_the_services_messages() {
        for (seconds, text) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_400, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_583_283_760, "Wed Mar 04 01:02:40 UTC 2020"),
            (1_735_689_599, "Tue Dec 31 23:59:59 UTC 2024"),
        ] {
            assert_eq!(Timestamp::from_millis(seconds * 1000).to_string(), text);
        }
    }

    #[test]
    fn whole_seconds_are_read_too() {
        assert_eq!(
            serde_json::from_str::<Timestamp>("1459799926").unwrap(),
            Timestamp::from_millis(1_459_799_926_000)
        );
    }

    #[test]
    fn a_system_time_is_truncated_to_the_millisecond() {
        let time = UNIX_EPOCH + Duration::from_micros(1_999);
        assert_eq!(Timestamp::from(time), Timestamp::from_millis(1));
        assert_eq!(
            SystemTime::from(Timestamp::from_millis(1)),
            UNIX_EPOCH + Duration::from_millis(1)
        );
    }
}
