//! Pure: finds what explains that a record is offered again.

use super::cause::Cause;
use super::departure::Way;
use super::evidence::Evidence;
use super::judge::Judge;
use super::tenant::Tenant;
use testkit::Service;

/// Why `next` is offered what `previous` was offered. `None` if nothing explains it.
pub(crate) fn between(previous: &Tenant, next: &Tenant, evidence: &Evidence, judge: &Judge) -> Option<Cause> {
    let Evidence {
        leases, fleet, faults, ..
    } = evidence;
    let (before, after, offered_at) = (&previous.ownership, &next.ownership, previous.offered_at);
    if after.token < before.token {
        // The old owner goes on for a while, beside the new one.
        let departure = leases.departure(after.shard, &after.worker)?;
        return departure.is_theft_since(next.leased_at).then_some(Cause::Theft);
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
        // The old owner was offered it after it had lost the lease without knowing it: both read for a while. A theft
        // from an earlier ownership of the same worker explains nothing.
        Some(departure) if departure.is_theft_since(previous.leased_at) => Some(Cause::Theft),
        _ if before.worker == after.worker && fleet.stopped_since(&before.worker, offered_at) => Some(Cause::Restart),
        // A worker can take its own expired lease again, before anybody else does. It expires, as the worker sees it, if
        // no renewal is acknowledged.
        _ => {
            let unknown = offered_at.saturating_sub(judge.rules.failover)..=judge.now;
            let expired = leases.lapsed_since(before.shard, offered_at)
                || faults.was_unacknowledged_between(&before.worker, Service::DynamoDb, unknown);
            (before.worker == after.worker && expired).then_some(Cause::Expiry)
        }
    }
}
