//! Pure: what the times in metrics rows say.

use std::time::{Duration, Instant, SystemTime};

use super::{MembersSeen, Skew};
use crate::coordination::lease_watch::ReadTime;
use crate::coordination::rows::WorkerMetrics;

/// By how much the clock of a worker may differ from the service's. Our choice.
const SKEW: Duration = Duration::from_secs(5);

/// By how much the time in a row that changed between two reads differs from the service's, if that is too much.
pub(super) fn skew(row: &WorkerMetrics, before: Option<ReadTime>, seen: &MembersSeen<'_>) -> Option<Skew> {
    let (written, now) = (time_of(row), seen.wall);
    let ahead = written.duration_since(now).unwrap_or_default();
    if ahead > SKEW {
        return Some(Skew::Ahead(ahead));
    }
    // Without an earlier read it may have been written at any time before.
    let since = seen.read.replied.saturating_duration_since(before?.sent);
    let behind = now.checked_sub(since)?.duration_since(written).unwrap_or_default();
    (behind > SKEW).then_some(Skew::Behind(behind))
}

/// When a row was written, at the earliest: the time in it is right to a second.
pub(super) fn written(row: &WorkerMetrics, seen: &MembersSeen<'_>) -> Instant {
    let age = seen.wall.duration_since(time_of(row)).unwrap_or_default() + Duration::from_secs(1);
    let now = seen.read.replied;
    now.checked_sub(age).unwrap_or(now)
}

pub(super) fn time_of(row: &WorkerMetrics) -> SystemTime {
    let since_epoch = Duration::from_secs(row.updated);
    SystemTime::UNIX_EPOCH
        .checked_add(since_epoch)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}
