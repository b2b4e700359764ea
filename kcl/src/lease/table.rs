//! The port to where leases are kept.
//!
//! Every write but `create` names the counter that the writer has seen, so of two writers that act on the same row
//! exactly one succeeds. Reads are strongly consistent.

use std::fmt;

use futures::future::BoxFuture;

use crate::checkpoint::position::Position;
use crate::error::TableError;
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::stream::ShardId;
use std::collections::BTreeSet;

/// A lease table.
pub(crate) trait LeaseTable: fmt::Debug + Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// Makes it usable: creates it if it is missing, and waits until it answers.
    fn open(&self) -> BoxFuture<'_, Result<(), TableError>>;

    /// A table beside it by which other workers coordinate themselves, described for people.
    fn led_by_another_table(&self) -> BoxFuture<'_, Result<Option<String>, TableError>>;

    /// Everything in it.
    fn list(&self) -> BoxFuture<'_, Result<Listing, TableError>>;

    /// One lease.
    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Lease>, TableError>>;

    /// Adds a lease unless there is one with its key.
    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Creation, TableError>>;

    /// Changes the row if its counter is still that of `seen`, and raises the counter.
    fn update<'a>(&'a self, seen: &'a Lease, change: &'a Change) -> BoxFuture<'a, Result<Update, TableError>>;

    /// Notes a lease's children. The counter stays: nobody's claim changes.
    fn set_children<'a>(
        &'a self,
        key: &'a LeaseKey,
        children: &'a BTreeSet<ShardId>,
    ) -> BoxFuture<'a, Result<(), TableError>>;
}

/// What a table holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    /// The leases, by key.
    pub(crate) leases: Vec<Lease>,
    /// Rows by which other workers coordinate themselves, described for people.
    pub(crate) led_by_others: Option<String>,
}

/// Whether a lease was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    Created,
    Existed,
}

/// What to change in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Make this worker the owner.
    Take(WorkerId),
    /// Say that the owner is alive.
    Renew,
    /// Note how far the owner has come.
    Checkpoint(Position),
    /// Give the lease up, so that anybody may take it at once.
    Release,
}

/// How a conditional change ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Update {
    /// Done; the row as it is now.
    Applied(Lease),
    /// Somebody else changed the row before; as it is now, or nothing if it is gone.
    Refused(Option<Lease>),
}
