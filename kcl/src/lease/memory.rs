//! Leases in memory: the second backend of the port, for tests and benchmarks.
//!
//! Clones share their rows. The effects of the writes are in [`rules`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use futures::future::BoxFuture;
use service::Clock;

use self::rules::{apply, holds};
use crate::error::{CallErrorKind, TableError};
use crate::lease::item::{self, EntityTypes, Item, Row};
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::table::{Creation, LeaseTable, OpenError, ScanPage, SeparateTable};
use crate::lease::write::{LeaseWrite, WriteOutcome};

mod rules;

/// A lease table in memory.
#[derive(Debug, Clone)]
pub(crate) struct MemoryLeaseTable {
    name: String,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    rows: BTreeMap<LeaseKey, Row>,
    faults: VecDeque<(Operation, Fault)>,
    calls: Vec<Operation>,
    page_size: usize,
    index: Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    Built,
    #[cfg(test)]
    Missing,
}

/// A method of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    ScanPage,
    Get,
    Create,
    Write,
    KeysOf,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "calls fail in tests only"))]
pub(crate) enum Fault {
    /// Nothing, so that a later call meets the next fault.
    Pass,
    /// It is refused for a limit.
    Throttled,
    /// The connection breaks before the table gets it.
    RequestLost,
    /// The connection breaks after the table has applied it.
    ReplyLost,
}

impl MemoryLeaseTable {
    /// An empty table whose scans have pages of `page_size` rows.
    pub(crate) fn new(name: &str, page_size: usize) -> Self {
        let state = State {
            rows: BTreeMap::new(),
            faults: VecDeque::new(),
            calls: Vec::new(),
            page_size,
            index: Index::Built,
        };
        Self {
            name: name.to_owned(),
            clock: Clock::default(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Puts `row` in the place of a row with the same key.
    pub(crate) fn put(&self, row: Row) {
        let key = match &row {
            Row::Lease(lease) => lease.key.clone(),
            Row::Hole(hole) => hole.key.clone(),
            Row::Foreign(_, others) => {
                let key = others.get("leaseKey").and_then(|key| key.as_s().ok());
                LeaseKey::of_row(key.map(String::as_str).unwrap_or_default())
            }
        };
        self.state().rows.insert(key, row);
    }

    #[cfg(test)]
    pub(crate) fn drop_index(&self) {
        self.state().index = Index::Missing;
    }

    /// The next call of `operation` that has no fault yet meets `fault`.
    #[cfg(test)]
    pub(crate) fn fail_next(&self, operation: Operation, fault: Fault) {
        self.state().faults.push_back((operation, fault));
    }

    /// How often `operation` was called.
    #[cfg(test)]
    pub(crate) fn calls_of(&self, operation: Operation) -> usize {
        self.state().calls.iter().filter(|call| **call == operation).count()
    }

    /// Reads a row as an item.
    pub(crate) fn item(&self, key: &str) -> Result<Option<Item>, Failure> {
        self.call(Operation::Get, |state| state.item(key))
    }

    /// Makes a row, as an item, what `change` makes of it, and returns what else that says.
    pub(crate) fn change_item<T>(
        &self,
        key: &str,
        change: impl FnOnce(Option<Item>) -> (Option<Item>, T),
    ) -> Result<T, Failure> {
        self.call(Operation::Write, |state| {
            let (item, result) = change(state.item(key));
            let key = LeaseKey::of_row(key);
            match item {
                Some(item) => drop(state.rows.insert(key, item::decode(item))),
                None => drop(state.rows.remove(&key)),
            }
            result
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, unless a fault keeps it from the table, or its answer from the caller.
    fn call<T>(&self, operation: Operation, made: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        let mut state = self.state();
        state.calls.push(operation);
        let at = state.faults.iter().position(|(of, _)| *of == operation);
        let fault = at.and_then(|at| state.faults.remove(at)).map(|(_, fault)| fault);
        match fault {
            None | Some(Fault::Pass) => Ok(made(&mut state)),
            Some(Fault::Throttled) => Err(Failure::NotApplied(error(CallErrorKind::Throttled {
                code: "Throttled".to_owned(),
            }))),
            Some(Fault::RequestLost) => Err(Failure::Unknown(connection())),
            Some(Fault::ReplyLost) => {
                drop(made(&mut state));
                Err(Failure::Unknown(connection()))
            }
        }
    }
}

/// A call that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    NotApplied(TableError),
    Unknown(TableError),
}

impl From<Failure> for TableError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotApplied(error) | Failure::Unknown(error) => error,
        }
    }
}

impl State {
    fn page(&self, from: Option<&LeaseKey>) -> ScanPage {
        let behind = |key: &LeaseKey| from.is_none_or(|from| key > from);
        let mut rest = self.rows.iter().filter(|(key, _)| behind(key)).peekable();
        let mut page = ScanPage::default();
        while let Some((key, row)) = rest.next() {
            page.rows.push(row.clone());
            if page.rows.len() == self.page_size && rest.peek().is_some() {
                page.next = Some(key.clone());
                break;
            }
        }
        page
    }

    /// `None` as well for a row that cannot be read.
    fn item(&self, key: &str) -> Option<Item> {
        match self.rows.get(&LeaseKey::of_row(key))? {
            Row::Lease(lease) => Some(item::encode(lease, EntityTypes::AsRead)),
            Row::Foreign(_, attributes) => {
                let attributes = attributes.iter();
                Some(attributes.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            Row::Hole(_) => None,
        }
    }

    fn create(&mut self, lease: &Lease) -> Creation {
        if self.rows.contains_key(&lease.key) {
            return Creation::Existed;
        }
        self.rows.insert(lease.key.clone(), Row::Lease(lease.clone()));
        Creation::Created
    }

    fn write(&mut self, write: &LeaseWrite) -> WriteOutcome {
        if let LeaseWrite::MakeAgain { lease } = write
            && self.create(lease) == Creation::Created
        {
            return WriteOutcome::Applied(lease.clone());
        }
        let Some(Row::Lease(row)) = self.rows.get(write.key()) else {
            return WriteOutcome::Refused(None);
        };
        if !holds(row, write) {
            return WriteOutcome::Refused(Some(row.clone()));
        }
        let before = row.clone();
        match apply(before.clone(), write) {
            Some(after) => {
                self.rows.insert(after.key.clone(), Row::Lease(after.clone()));
                WriteOutcome::Applied(after)
            }
            None => {
                self.rows.remove(write.key());
                WriteOutcome::Applied(before)
            }
        }
    }

    fn keys_of(&self, worker: &WorkerId) -> Option<Vec<LeaseKey>> {
        let owned = |row: &Row| match row {
            Row::Lease(lease) => (lease.owner.as_ref() == Some(worker)).then(|| lease.key.clone()),
            Row::Foreign(..) | Row::Hole(_) => None,
        };
        match self.index {
            Index::Built => Some(self.rows.values().filter_map(owned).collect()),
            #[cfg(test)]
            Index::Missing => None,
        }
    }
}

impl LeaseTable for MemoryLeaseTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn service_time(&self) -> Option<SystemTime> {
        Some(self.clock.wall())
    }

    fn on_another_runtime(&self, _rng: fastrand::Rng) -> SeparateTable {
        SeparateTable {
            table: Arc::new(self.clone()),
            upkeep: Box::pin(std::future::pending()),
        }
    }

    fn open(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(async { Ok(()) })
    }

    fn scan_page<'a>(&'a self, from: Option<&'a LeaseKey>) -> BoxFuture<'a, Result<ScanPage, TableError>> {
        Box::pin(async move { Ok(self.call(Operation::ScanPage, |state| state.page(from))?) })
    }

    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Row>, TableError>> {
        Box::pin(async move { Ok(self.call(Operation::Get, |state| state.rows.get(key).cloned())?) })
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Creation, TableError>> {
        Box::pin(async move { Ok(self.call(Operation::Create, |state| state.create(lease))?) })
    }

    fn write<'a>(&'a self, write: &'a LeaseWrite) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(async move {
            match self.call(Operation::Write, |state| state.write(write)) {
                Ok(outcome) => outcome,
                Err(Failure::NotApplied(error)) => WriteOutcome::NotApplied(error),
                Err(Failure::Unknown(error)) => WriteOutcome::Unknown(error),
            }
        })
    }

    fn keys_of<'a>(&'a self, worker: &'a WorkerId) -> BoxFuture<'a, Result<Option<Vec<LeaseKey>>, TableError>> {
        Box::pin(async move { Ok(self.call(Operation::KeysOf, |state| state.keys_of(worker))?) })
    }
}

fn connection() -> TableError {
    error(CallErrorKind::Unavailable {
        code: "Connection".to_owned(),
        message: "the connection broke".to_owned(),
    })
}

fn error(kind: CallErrorKind) -> TableError {
    TableError {
        operation: "a call to memory",
        kind,
    }
}
