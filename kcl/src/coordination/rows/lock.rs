//! Pure: the row of the leader's lock, as the DynamoDB lock client of AWS writes it.
//!
//! A row that lacks an attribute, or has it in another type, still locks: nobody else may lead while its holder may. So it is
//! always read, and what cannot be read is named in [`LockRow::damage`].

use std::fmt::Write as _;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::fields::{Fields, FleetRowError, not_read, number, text};
use super::{LEADER_KEY, attribute};
use crate::lease::item::Item;
use crate::lease::model::{OtherAttributes, WorkerId};

/// What `entityType` says of it.
const ENTITY: &str = "LEADER";

/// What `isReleased` says of a lock that its holder has given up and not deleted.
pub(crate) const RELEASED: &str = "1";

/// The longest lease that a lock can need. A longer one is damage.
///
/// Our choice: 720 times the usual lease.
pub(crate) const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// The row of the leader's lock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockRow {
    /// The worker that holds the lock. `None`: the row has no readable owner.
    pub(crate) owner: Option<WorkerId>,
    /// Changed by each write of the holder.
    pub(crate) version: LockVersion,
    /// How long other workers wait after a version was first seen. `None`: the row has no readable lease.
    pub(crate) lease: Option<Duration>,
    /// Ours: how long the holder counts itself as the leader after it has sent a write. It is shorter than the lease. The locks
    /// of Java workers do not have it.
    pub(crate) leads_for: Option<Duration>,
    /// The holder has given it up.
    pub(crate) is_released: bool,
    /// The first attribute that cannot be read.
    pub(crate) damage: Option<FleetRowError>,
    pub(crate) others: OtherAttributes,
}

/// The version of a lock, whatever its type. It is compared, and named in conditions.
///
/// The lock client's are UUIDs. A row without one has a version too, which all such rows share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockVersion(Option<AttributeValue>);

impl LockVersion {
    /// A version that no lock had before: a random UUID.
    pub(crate) fn random(rng: &mut fastrand::Rng) -> Self {
        let mut text = String::new();
        // Version 4 and variant 1 of RFC 9562 take six bits of 128.
        let bits = rng.u128(..) & !(0xf000 << 64 | 0xc000 << 48) | (0x4000 << 64 | 0x8000 << 48);
        let digits = format!("{bits:032x}");
        for (at, digit) in digits.chars().enumerate() {
            let dash = if [8, 12, 16, 20].contains(&at) { "-" } else { "" };
            let _: std::fmt::Result = write!(text, "{dash}{digit}");
        }
        Self(Some(AttributeValue::S(text)))
    }

    /// As it is in a row. `None` if the row has none.
    pub(crate) fn value(&self) -> Option<&AttributeValue> {
        self.0.as_ref()
    }
}

impl LockRow {
    /// The lock that a worker is about to take.
    pub(crate) fn taken_by(owner: &WorkerId, version: LockVersion, lease: Duration, leads_for: Duration) -> Self {
        Self {
            owner: Some(owner.clone()),
            version,
            lease: Some(lease),
            leads_for: Some(leads_for),
            is_released: false,
            damage: None,
            others: OtherAttributes::default(),
        }
    }

    /// Reads the row.
    pub(crate) fn decode(attributes: &OtherAttributes) -> Self {
        let fields = Fields::of_any(attributes);
        let owner = fields.text(attribute::OWNER_NAME);
        let version = fields.text(attribute::VERSION);
        let lease = fields.millis_as_text(attribute::LEASE_DURATION);
        let leads_for = fields.count(attribute::LEADS_FOR);
        let mut read = vec![attribute::KEY, attribute::ENTITY_TYPE, attribute::VERSION];
        read.extend(lease.is_ok().then_some(attribute::LEASE_DURATION));
        read.extend(owner.is_ok().then_some(attribute::OWNER_NAME));
        read.extend(leads_for.is_ok().then_some(attribute::LEADS_FOR));
        let is_released = fields.text(attribute::IS_RELEASED) == Ok(Some(RELEASED));
        read.extend(is_released.then_some(attribute::IS_RELEASED));
        let owner = needed(fields, attribute::OWNER_NAME, owner);
        let lease = needed(fields, attribute::LEASE_DURATION, lease);
        let damage = needed(fields, attribute::VERSION, version).err();
        let damage = damage.or_else(|| owner.as_ref().err().cloned());
        let damage = damage.or_else(|| lease.as_ref().err().cloned());
        let is_too_long = lease.as_ref().is_ok_and(|lease| *lease > LONGEST_LEASE);
        let too_long = fields.raw(attribute::LEASE_DURATION).filter(|_| is_too_long);
        let too_long = too_long.map(|value| fields.not_of_type(attribute::LEASE_DURATION, value, "at most a day"));
        Self {
            damage: damage.or(too_long),
            owner: owner.ok().map(WorkerId::new),
            version: LockVersion(attributes.get(attribute::VERSION).cloned()),
            lease: lease.ok(),
            leads_for: leads_for.ok().flatten().map(Duration::from_millis),
            is_released,
            others: not_read(attributes, &read),
        }
    }

    /// The whole row.
    pub(crate) fn encode(&self) -> Item {
        let others = self.others.iter();
        let mut item: Item = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        item.extend([text(attribute::KEY, LEADER_KEY), text(attribute::ENTITY_TYPE, ENTITY)]);
        let owner = self.owner.iter();
        item.extend(owner.map(|owner| text(attribute::OWNER_NAME, owner.as_str())));
        let version = self.version.value().cloned();
        item.extend(version.map(|version| (attribute::VERSION.to_owned(), version)));
        item.extend(self.lease.map(lease_duration));
        let leads_for = self.leads_for.and_then(|it| u64::try_from(it.as_millis()).ok());
        item.extend(leads_for.map(|millis| number(attribute::LEADS_FOR, millis)));
        item.extend(self.is_released.then(|| text(attribute::IS_RELEASED, RELEASED)));
        item
    }
}

/// The attribute of a lease: milliseconds, as a string.
pub(crate) fn lease_duration(lease: Duration) -> (String, AttributeValue) {
    text(attribute::LEASE_DURATION, &lease.as_millis().to_string())
}

fn needed<T>(fields: Fields<'_>, name: &str, value: Result<Option<T>, FleetRowError>) -> Result<T, FleetRowError> {
    fields.required(name, value?)
}
