//! Pure: the continuous backups of a table, which are only remembered.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::request::{Fields, Request, object};
use crate::kinesis::ServiceError;

/// For how long backups are kept, in days. Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PointInTimeRecoverySpecification.html>.
const MOST_DAYS: u64 = 35;

/// The continuous backups of a table: whether and since when it can be restored to a point in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backups {
    recovery: Option<Recovery>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recovery {
    since: SystemTime,
    days: u64,
}

impl Backups {
    /// Does what UpdateContinuousBackups asks for.
    pub(super) fn update(&mut self, request: &Request<'_>, now: SystemTime) -> Result<(), ServiceError> {
        let specification = object(&request.fields, "PointInTimeRecoverySpecification");
        let enabled = specification.and_then(|specification| specification.get("PointInTimeRecoveryEnabled"));
        let Some(enabled) = enabled.and_then(Value::as_bool) else {
            return Err(ServiceError::validation(
                "1 validation error detected: Value at \
                 'pointInTimeRecoverySpecification.pointInTimeRecoveryEnabled' failed to satisfy constraint: Member \
                 must not be null",
            ));
        };
        let days = specification.and_then(|specification| specification.get("RecoveryPeriodInDays"));
        let days = days.and_then(Value::as_u64).unwrap_or(MOST_DAYS);
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(ServiceError::validation(format!(
                "1 validation error detected: Value '{days}' at \
                 'pointInTimeRecoverySpecification.recoveryPeriodInDays' failed to satisfy constraint: Member must \
                 have value between 1 and {MOST_DAYS}"
            )));
        }
        let since = self.recovery.map_or(now, |recovery| recovery.since);
        self.recovery = enabled.then_some(Recovery { since, days });
        Ok(())
    }

    /// The reply to both operations.
    pub(super) fn describe(&self, now: SystemTime) -> Fields {
        let recovery = match self.recovery {
            None => json!({ "PointInTimeRecoveryStatus": "DISABLED" }),
            Some(Recovery { since, days }) => json!({
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": days,
                "EarliestRestorableDateTime": seconds(since),
                "LatestRestorableDateTime": seconds(now),
            }),
        };
        let description = json!({ "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery });
        Fields::from_iter([("ContinuousBackupsDescription".to_owned(), description)])
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn updated(backups: &mut Backups, specification: Value, now: SystemTime) -> Result<Value, ServiceError> {
        let fields = Fields::from_iter([("PointInTimeRecoverySpecification".to_owned(), specification)]);
        backups.update(&Request::new("UpdateContinuousBackups", fields), now)?;
        let described = &backups.describe(now)["ContinuousBackupsDescription"];
        Ok(described["PointInTimeRecoveryDescription"].clone())
    }

    #[test]
    fn point_in_time_recovery_is_off_until_it_is_switched_on() {
        let description = Backups::default().describe(UNIX_EPOCH);
        let recovery = &description["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        assert_eq!(recovery["PointInTimeRecoveryStatus"], "DISABLED");
    }

    #[test]
    fn switching_it_on_again_does_not_start_anew() {
        let mut backups = Backups::default();
        let on = json!({ "PointInTimeRecoveryEnabled": true });
        updated(&mut backups, on.clone(), UNIX_EPOCH + Duration::from_secs(5)).unwrap();
        let recovery = updated(&mut backups, on, UNIX_EPOCH + Duration::from_secs(9)).unwrap();
        assert_eq!(recovery["EarliestRestorableDateTime"], 5);
        assert_eq!(recovery["LatestRestorableDateTime"], 9);

        let off = json!({ "PointInTimeRecoveryEnabled": false });
        let recovery = updated(&mut backups, off, UNIX_EPOCH).unwrap();
        assert_eq!(recovery, json!({ "PointInTimeRecoveryStatus": "DISABLED" }));
    }

    #[test]
    fn what_does_not_say_on_or_off_is_refused() {
        for specification in [
            json!({}),
            json!({ "PointInTimeRecoveryEnabled": "yes" }),
            json!({ "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 36 }),
        ] {
            let refusal = updated(&mut Backups::default(), specification, UNIX_EPOCH).unwrap_err();
            assert_eq!(refusal.code, "ValidationException");
        }
    }
}
