//! Pure: why a record is offered again.

use std::fmt;
use std::time::Duration;

use super::evidence::Evidence;
use super::judge::Judge;
use super::leases::Way;
use super::name::Ownership;
use crate::Service;

/// Why a record was offered again. Each is a consequence of "at least once": the next owner of a shard begins behind
/// the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The handler failed on it, in the same ownership.
    HandlerFailure,
    /// The worker that had it died.
    Crash,
    /// The worker that had it did not renew its lease in time.
    Expiry,
    /// The lease was taken from a living worker.
    Theft,
    /// The lease was handed over by agreement.
    HandOver,
    /// The lease was given back, as at a shutdown.
    Release,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandlerFailure => "handler failure",
            Self::Crash => "crash",
            Self::Expiry => "expiry",
            Self::Theft => "theft",
            Self::HandOver => "hand-over",
            Self::Release => "release",
        })
    }
}

/// Why `next` is offered what `before` was offered, at `offered_at`. `None` if nothing explains it.
pub(super) fn between(
    before: &Ownership,
    next: &Ownership,
    offered_at: Duration,
    evidence: &Evidence,
    judge: &Judge,
) -> Option<Cause> {
    let Evidence {
        leases, fleet, faults, ..
    } = evidence;
    if next.token < before.token {
        // The old owner goes on for a while, beside the new one.
        let departure = leases.departure(next.shard, &next.worker)?;
        return (departure.how == Way::Stolen).then_some(Cause::Theft);
    }
    if fleet.died_since(&before.worker, offered_at) {
        return Some(Cause::Crash);
    }
    let departure = leases.departure(before.shard, &before.worker);
    match departure {
        Some(departure) if departure.at >= offered_at => Some(match departure.how {
            Way::Expired => Cause::Expiry,
            Way::Stolen => Cause::Theft,
            Way::HandedOver => Cause::HandOver,
            Way::Released => Cause::Release,
        }),
        // The old owner was offered it after it had lost the lease without knowing it: both read for a while.
        Some(departure) if departure.how == Way::Stolen => Some(Cause::Theft),
        // A worker can take its own expired lease again, before anybody else does. It expires, as the worker sees it, if
        // no renewal is acknowledged.
        _ => {
            let unknown = offered_at.saturating_sub(judge.rules.failover)..=judge.now;
            let expired = leases.lapsed_since(before.shard, offered_at)
                || faults.was_unacknowledged_between(&before.worker, Service::DynamoDb, unknown);
            (before.worker == next.worker && expired).then_some(Cause::Expiry)
        }
    }
}
