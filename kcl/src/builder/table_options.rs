//! The options of the lease table.

use super::WorkerBuilder;
use crate::lease::table_options::{BillingMode, CreateTable, Protection, Recovery};

impl WorkerBuilder {
    /// What is done if the lease table does not exist. Default: [`CreateTable::IfMissing`]. A policy without
    /// `dynamodb:CreateTable` is enough for [`CreateTable::Never`].
    #[doc(alias = "TableCreatorCallback")]
    pub fn create_table(mut self, create: CreateTable) -> Self {
        self.config.table.create = create;
        self
    }

    /// How the lease table is billed, if this worker creates it. Default: [`BillingMode::OnDemand`], the KCL's.
    #[doc(alias = "billingMode")]
    #[doc(alias = "initialLeaseTableReadCapacity")]
    #[doc(alias = "initialLeaseTableWriteCapacity")]
    pub fn billing_mode(mut self, mode: BillingMode) -> Self {
        self.config.table.billing = mode;
        self
    }

    /// Switches point-in-time recovery of the lease table on, at each start and also for a table that exists, as the KCL does.
    /// It needs `dynamodb:UpdateContinuousBackups`, and is billed by the size of the table. Default: it stays as it is.
    #[doc(alias = "leaseTablePitrEnabled")]
    pub fn point_in_time_recovery(mut self) -> Self {
        self.config.table.recovery = Recovery::On;
        self
    }

    /// Protects the lease table from being deleted, if this worker creates it. Default: it is not protected, as in the KCL.
    #[doc(alias = "leaseTableDeletionProtectionEnabled")]
    pub fn deletion_protection(mut self) -> Self {
        self.config.table.protection = Protection::On;
        self
    }

    /// Tags the lease table, if this worker creates it: at most 50 tags, with keys of up to 128 and values of up to 256
    /// characters. It needs `dynamodb:TagResource`. Default: no tags.
    #[doc(alias = "tags")]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.table.tags.insert(key.into(), value.into());
        self
    }
}
