//! Pure: the conditions and the effects of the writes, on items in memory.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::coordination::rows::attribute;
use crate::coordination::rows::lock::{LockVersion, RELEASED, lease_duration};
use crate::coordination::write::{FleetWrite, LockWrite, TakeWhen};
use crate::lease::item::Item;
use crate::lease::model::WorkerId;

/// Whether the condition of `write` holds for `row`.
pub(crate) fn holds(row: Option<&Item>, write: &FleetWrite) -> bool {
    let is = |name: &str, value: &AttributeValue| row.and_then(|row| row.get(name)) == Some(value);
    let version_is = |seen: &LockVersion| row.is_some_and(|row| row.get(attribute::VERSION) == seen.value());
    let is_held = |holder: &WorkerId, seen: &LockVersion| {
        version_is(seen) && is(attribute::OWNER_NAME, &AttributeValue::S(holder.to_string()))
    };
    match write {
        FleetWrite::CreateClientVersion(_) => row.is_none(),
        FleetWrite::ChangeClientVersion { from, .. } => {
            is(attribute::CLIENT_VERSION, &AttributeValue::S(from.name().to_owned()))
        }
        FleetWrite::Report(_) => true,
        FleetWrite::DeleteMetrics { updated, .. } => {
            is(attribute::LAST_UPDATE, &AttributeValue::N(updated.to_string()))
        }
        FleetWrite::Lock(LockWrite::Take { when, .. }) => match when {
            TakeWhen::Absent => row.is_none(),
            TakeWhen::Released => is(attribute::IS_RELEASED, &AttributeValue::S(RELEASED.to_owned())),
            TakeWhen::Version(seen) => version_is(seen),
        },
        FleetWrite::Lock(LockWrite::Heartbeat { holder, seen, .. } | LockWrite::Delete { holder, seen }) => {
            is_held(holder, seen)
        }
    }
}

/// What `write` makes of `row`. `None`: no row.
pub(crate) fn apply(row: Option<Item>, write: &FleetWrite) -> Option<Item> {
    let set = match write {
        FleetWrite::CreateClientVersion(version) => return Some(version.encode()),
        FleetWrite::Lock(LockWrite::Take { lock, .. }) => return Some(lock.encode()),
        FleetWrite::DeleteMetrics { .. } | FleetWrite::Lock(LockWrite::Delete { .. }) => return None,
        FleetWrite::ChangeClientVersion { to, .. } => to.changed(),
        FleetWrite::Report(metrics) => metrics.reported(),
        FleetWrite::Lock(LockWrite::Heartbeat { next, lease, .. }) => {
            let next = next.value().map(|next| (attribute::VERSION.to_owned(), next.clone()));
            std::iter::once(lease_duration(*lease)).chain(next).collect()
        }
    };
    let mut row = row.unwrap_or_default();
    row.insert(attribute::KEY.to_owned(), AttributeValue::S(write.key().to_owned()));
    row.extend(set);
    Some(row)
}
