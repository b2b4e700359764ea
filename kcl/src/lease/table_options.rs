//! Pure: how a worker creates its lease table, and what it asks of it.

use std::collections::BTreeMap;

use crate::error::BuildErrorKind;

/// What a worker does if its lease table does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateTable {
    /// It creates the table.
    #[default]
    IfMissing,
    /// It ends with [`WorkerError::LeaseTableMissing`](crate::WorkerError::LeaseTableMissing): the table is created elsewhere.
    Never,
}

/// How DynamoDB bills the lease table that a worker creates.
///
/// Source: Amazon DynamoDB API reference, `BillingMode` and `ProvisionedThroughput` in `CreateTable`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BillingMode {
    /// By request. The KCL's default too.
    #[default]
    OnDemand,
    /// By capacity, used or not. The index by owner gets the same again.
    Provisioned {
        /// Read units a second, at least 1: a consistent read of 4 KiB each.
        read: u32,
        /// Write units a second, at least 1: a write of 1 KiB each.
        write: u32,
    },
}

/// The options of the lease table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableOptions {
    pub(crate) create: CreateTable,
    pub(crate) billing: BillingMode,
    pub(crate) recovery: Recovery,
    pub(crate) protection: Protection,
    /// By key.
    pub(crate) tags: BTreeMap<String, String>,
}

/// Point-in-time recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Recovery {
    #[default]
    AsItIs,
    /// It is switched on at each start.
    On,
}

/// Whether a table that is created cannot be deleted until that is switched off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Protection {
    #[default]
    Off,
    On,
}

impl TableOptions {
    /// Every option that is out of its range.
    pub(crate) fn out_of_range(&self) -> Vec<BuildErrorKind> {
        let BillingMode::Provisioned { read, write } = self.billing else {
            return Vec::new();
        };
        let units = [
            ("BillingMode::Provisioned::read", read),
            ("BillingMode::Provisioned::write", write),
        ];
        let none = units.into_iter().filter(|(_, units)| *units == 0);
        none.map(|(option, _)| BuildErrorKind::OutOfRange {
            option,
            value: 0,
            min: 1,
            max: u32::MAX as usize,
        })
        .collect()
    }
}
