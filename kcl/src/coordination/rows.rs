//! Pure: the rows of the lease table that are no leases, attribute for attribute as KCL 3.5 writes them.
//!
//! An attribute that is NULL or empty counts as absent. Attributes that are not read here are kept. A row that cannot be
//! read is a [`FleetRowError`], which says nothing of the other rows.
//!
//! `fields` reads attributes by type. `metrics` is a worker's metrics row, `lock` the leader's lock, `client_version` the
//! rule that the fleet follows. `worker_id` refuses the worker ids that would collide with the key of another row.
//!
//! Source: amazon-kinesis-client 3.5.1, `WorkerMetricStats`, `CoordinatorState`, `MigrationState`.

use std::collections::BTreeSet;

pub(crate) use self::client_version::{ClientVersion, ClientVersionState, TableMigration};
pub(crate) use self::fields::FleetRowError;
pub(crate) use self::lock::{LockRow, LockVersion};
pub(crate) use self::metrics::WorkerMetrics;
use crate::lease::item::{self, ForeignKind, Item, Row};
use crate::lease::model::{LeaseKey, OtherAttributes};

mod client_version;
mod fields;
pub(crate) mod lock;
pub(crate) mod metrics;
#[cfg(test)]
mod tests;
pub(crate) mod worker_id;

/// The names of the attributes.
pub(crate) mod attribute {
    /// The key of the lease table.
    pub(crate) const KEY: &str = "leaseKey";
    /// The key of the table `-CoordinatorState` of KCL 3.0 to 3.4.
    pub(crate) const COORDINATOR_KEY: &str = "key";
    /// The key of the table `-WorkerMetricStats` of KCL 3.0 to 3.4.
    pub(crate) const METRICS_KEY: &str = "wid";
    pub(crate) const ENTITY_TYPE: &str = "entityType";

    pub(crate) const LAST_UPDATE: &str = "lut";
    pub(crate) const STATS: &str = "sts";
    pub(crate) const OPERATING_RANGE: &str = "opr";
    pub(crate) const PROPERTIES: &str = "properties";
    pub(crate) const SUPPORT_CODE: &str = "sup";
    pub(crate) const SUPPORT_UPDATE: &str = "slu";
    /// Ours.
    pub(crate) const STARTED_AT: &str = "startedAt";
    /// Ours.
    pub(crate) const MAX_LEASES: &str = "maxLeases";

    pub(crate) const OWNER_NAME: &str = "ownerName";
    pub(crate) const LEASE_DURATION: &str = "leaseDuration";
    pub(crate) const VERSION: &str = "recordVersionNumber";
    pub(crate) const IS_RELEASED: &str = "isReleased";
    /// Ours.
    pub(crate) const LEADS_FOR: &str = "leadsFor";

    pub(crate) const CLIENT_VERSION: &str = "cv";
    pub(crate) const TABLE_MIGRATION: &str = "tm";
    pub(crate) const MODIFIED_BY: &str = "mb";
    pub(crate) const MODIFIED_AT: &str = "mts";
    pub(crate) const HISTORY: &str = "h";
}

/// The key of the leader's lock.
pub(crate) const LEADER_KEY: &str = "Leader";
/// The key of the row that says which rule the fleet follows.
pub(crate) const CLIENT_VERSION_KEY: &str = "Migration3.0";
/// The key of the row that says how far the fleet has come to one table.
pub(crate) const TABLE_MIGRATION_KEY: &str = "TableMigration3.5";

/// One row that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FleetRow {
    Metrics(WorkerMetrics),
    Lock(LockRow),
    ClientVersion(ClientVersion),
    TableMigration(TableMigration),
    /// It cannot be read as what it says that it is.
    Damaged(FleetRowError),
    /// It plays no part here: a stream, a kind that this version does not know, or a kind that has another key.
    Other(ForeignKind),
    /// A lease, readable or not.
    Lease(LeaseKey),
}

impl FleetRow {
    /// Reads a row that holds no lease.
    pub(crate) fn of(kind: &ForeignKind, attributes: &OtherAttributes) -> Self {
        // The lock client does not ask what kind of row it is. A worker of this name may have added its metrics to it.
        if fields::key_of(attributes) == LEADER_KEY {
            return Self::Lock(LockRow::decode(attributes));
        }
        let wanted = match kind {
            ForeignKind::Leader => Some(LEADER_KEY),
            ForeignKind::ClientVersionMigration => Some(CLIENT_VERSION_KEY),
            ForeignKind::TableMigration => Some(TABLE_MIGRATION_KEY),
            ForeignKind::WorkerMetrics | ForeignKind::Stream | ForeignKind::Unknown(_) => None,
        };
        if wanted.is_some_and(|wanted| wanted != fields::key_of(attributes)) {
            return Self::Other(kind.clone());
        }
        let read = match kind {
            ForeignKind::WorkerMetrics => WorkerMetrics::decode(attributes).map(Self::Metrics),
            ForeignKind::ClientVersionMigration => ClientVersion::decode(attributes).map(Self::ClientVersion),
            ForeignKind::TableMigration => TableMigration::decode(attributes).map(Self::TableMigration),
            ForeignKind::Leader | ForeignKind::Stream | ForeignKind::Unknown(_) => Ok(Self::Other(kind.clone())),
        };
        read.unwrap_or_else(Self::Damaged)
    }

    /// The lock, if this is the lock.
    pub(crate) fn into_lock(self) -> Option<LockRow> {
        match self {
            Self::Lock(lock) => Some(lock),
            Self::Metrics(_)
            | Self::ClientVersion(_)
            | Self::TableMigration(_)
            | Self::Damaged(_)
            | Self::Other(_)
            | Self::Lease(_) => None,
        }
    }

    /// Reads any row of the table.
    ///
    /// A row under the key of the lock is the lock, even if it looks like a lease: the lock client reads it as the lock too.
    pub(crate) fn of_item(item: Item) -> Self {
        let key = item.get(attribute::KEY).and_then(|key| key.as_s().ok());
        if key.is_some_and(|key| key == LEADER_KEY) {
            return Self::Lock(LockRow::decode(&item.into_iter().collect()));
        }
        match item::decode(item) {
            Row::Foreign(kind, attributes) => Self::of(&kind, &attributes),
            Row::Lease(lease) => Self::Lease(lease.key),
            Row::Hole(hole) => Self::Lease(hole.key),
        }
    }
}

/// The rows of a whole table that hold no leases.
#[derive(Debug, Default)]
pub(crate) struct FleetRows {
    pub(crate) metrics: Vec<WorkerMetrics>,
    pub(crate) lock: Option<LockRow>,
    pub(crate) client_version: Option<ClientVersion>,
    pub(crate) table_migration: Option<TableMigration>,
    /// What cannot be read. A lock with such an attribute is in `lock` nevertheless.
    pub(crate) damaged: Vec<FleetRowError>,
    pub(crate) others: BTreeSet<ForeignKind>,
}

impl FleetRows {
    /// Adds a row that holds no lease.
    pub(crate) fn add(&mut self, kind: &ForeignKind, attributes: &OtherAttributes) {
        self.put(FleetRow::of(kind, attributes));
    }

    /// Adds a row; a lease is left out.
    pub(crate) fn put(&mut self, row: FleetRow) {
        match row {
            FleetRow::Metrics(metrics) => self.metrics.push(metrics),
            FleetRow::Lock(lock) => {
                self.damaged.extend(lock.damage.iter().cloned());
                self.lock = Some(lock);
            }
            FleetRow::ClientVersion(version) => self.client_version = Some(version),
            FleetRow::TableMigration(migration) => self.table_migration = Some(migration),
            FleetRow::Damaged(error) => self.damaged.push(error),
            FleetRow::Other(kind) => drop(self.others.insert(kind)),
            FleetRow::Lease(_) => {}
        }
    }

    /// The kinds of these rows, for people: the row of the client version is left out. `None` if there are no other rows.
    pub(crate) fn kinds(&self) -> Option<String> {
        // A damaged lock is there nevertheless.
        let damaged = self.damaged.iter().filter(|error| error.key != LEADER_KEY);
        let of_damaged = damaged.map(|error| format!("a damaged row {:?}", error.key));
        let mut found: BTreeSet<String> = of_damaged.collect();
        for (kind, is_there) in [
            (ForeignKind::Leader, self.lock.is_some()),
            (ForeignKind::TableMigration, self.table_migration.is_some()),
            (ForeignKind::WorkerMetrics, !self.metrics.is_empty()),
        ] {
            found.extend(is_there.then(|| format!("a {kind:?} row")));
        }
        found.extend(self.others.iter().map(|kind| format!("a {kind:?} row")));
        (!found.is_empty()).then(|| found.into_iter().collect::<Vec<_>>().join(", "))
    }
}
