//! Pure: what the owner of a stream has decided about it.

use std::collections::{BTreeMap, BTreeSet};

use super::limits;
use super::request::{EncryptionType, MetricsName, RecordDistributionStrategy, StreamMode};

/// What the owner of a stream has decided about it.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) mode: StreamMode,
    pub(super) distribution: RecordDistributionStrategy,
    /// KiB of a record, data and partition key.
    pub(super) record_kib: u32,
    pub(super) retention_hours: u32,
    /// MiB a second that an on-demand stream was asked to be ready for.
    pub(super) warm_mibps: Option<u32>,
    /// The KMS key by which records are encrypted.
    pub(super) encryption_key: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// The shard-level metrics that are switched on.
    pub(super) metrics: BTreeSet<MetricsName>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            mode: StreamMode::Provisioned,
            distribution: RecordDistributionStrategy::UserPartitionKey,
            record_kib: limits::DEFAULT_RECORD_KIB,
            retention_hours: limits::MIN_RETENTION_HOURS,
            warm_mibps: None,
            encryption_key: None,
            tags: BTreeMap::new(),
            metrics: BTreeSet::new(),
        }
    }
}

impl Configuration {
    /// The largest record in bytes, data and partition key.
    pub(super) fn record_bytes(&self) -> u64 {
        u64::from(self.record_kib) * 1024
    }

    pub(super) fn encryption_type(&self) -> EncryptionType {
        match self.encryption_key {
            Some(_) => EncryptionType::Kms,
            None => EncryptionType::None,
        }
    }
}
