//! The port to the store that keeps leases.
//!
//! A backend keeps rows, each under its key, and changes a row only if the write's condition holds for it at that moment.
//! Reads are strongly consistent, except the index of owners. The conformance suite holds each backend to this and to the
//! table of writes in [`write`](crate::lease::write).

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures::future::BoxFuture;
use service::Clock;

use crate::coordination::table::FleetTable;
use crate::error::TableError;
use crate::event::LeaseEvent;
use crate::lease::item::Row;
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::observers::Observers;

/// A lease table, which has the rows of the fleet in it too.
pub(crate) trait LeaseTable: FleetTable {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// Makes it usable: creates it if it is missing, and waits until it answers.
    fn open(&self) -> BoxFuture<'_, Result<(), OpenError>>;

    /// Some of its rows: the first ones, or those behind `from`, in an order of the backend's own.
    fn scan_page<'a>(&'a self, from: Option<&'a LeaseKey>) -> BoxFuture<'a, Result<ScanPage, TableError>>;

    /// One row.
    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Row>, TableError>>;

    /// Adds a row unless there is one with its key.
    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Creation, TableError>>;

    /// Writes a row if the condition of `write` holds for it.
    ///
    /// A dropped future leaves open whether the write is applied.
    fn write<'a>(&'a self, write: &'a LeaseWrite) -> BoxFuture<'a, WriteOutcome>;

    /// The backend's time, which is the same for all workers up to about a second, whatever the clocks of their hosts say.
    /// `None` if no call has shown it yet.
    fn service_time(&self) -> Option<SystemTime>;

    /// The same table, for calls from another runtime than this one's.
    fn on_another_runtime(&self, rng: fastrand::Rng) -> SeparateTable;

    /// The keys of the rows that name `worker` as their owner, by an index that may lag behind. `None`: the table has no
    /// such index, or it is still being built.
    fn keys_of<'a>(&'a self, worker: &'a WorkerId) -> BoxFuture<'a, Result<Option<Vec<LeaseKey>>, TableError>>;
}

/// A lease table that shares no connection, and no credentials that are being loaded, with the one that it was made from.
pub(crate) struct SeparateTable {
    pub(crate) table: Arc<dyn LeaseTable>,
    /// Has to be polled on the runtime that makes the calls. Never ends.
    pub(crate) upkeep: BoxFuture<'static, Infallible>,
}

impl fmt::Debug for SeparateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeparateTable")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// The time of the service of `table`, or of this host if that is unknown.
pub(crate) fn service_time(table: &dyn LeaseTable, clock: &Clock, observers: &Observers) -> SystemTime {
    table.service_time().unwrap_or_else(|| {
        let table = table.name().to_owned();
        observers.tell(LeaseEvent::ServiceTimeUnknown { table, repeated: 0 });
        clock.wall()
    })
}

/// A part of a scan.
#[derive(Debug, Default)]
pub(crate) struct ScanPage {
    pub(crate) rows: Vec<Row>,
    /// Where the next page begins. `None`: this was the last one.
    pub(crate) next: Option<LeaseKey>,
}

/// Whether a row was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    Created,
    Existed,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] TableError),
    /// It does not exist, and is not to be created.
    #[error("it does not exist")]
    Missing,
    /// It is another program's table.
    #[error("its key is {found}, not leaseKey")]
    OtherKey { found: String },
}
