//! A table of each kind, with rows to begin with and calls that fail when asked to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use service::Clock;
use testkit::sim::{self, Sim};

use crate::coordination::rows::{FleetRow, LEADER_KEY, LockRow, LockVersion, attribute};
use crate::coordination::table::{FleetTable, Place};
use crate::coordination::write::{FleetOutcome, FleetWrite, LockWrite, TakeWhen};
use crate::lease::dynamodb::DynamoDbLeaseTable;
use crate::lease::item::{self, Item};
use crate::lease::memory::{Fault, MemoryLeaseTable, Operation};
use crate::lease::model::WorkerId;
use crate::lease::table::LeaseTable as _;

const TABLE: &str = "leases";

/// One backend.
pub(super) enum Bench {
    Memory(MemoryLeaseTable),
    DynamoDb(Simulated),
}

/// A lease table in a simulated DynamoDB.
pub(super) struct Simulated {
    client: Client,
    table: DynamoDbLeaseTable,
    faults: Arc<Mutex<VecDeque<(Operation, Fault)>>>,
}

impl Bench {
    pub(super) fn in_memory() -> Self {
        Self::Memory(MemoryLeaseTable::new(TABLE, 3))
    }

    pub(super) async fn in_dynamodb() -> Self {
        let sim = Sim::new(1);
        let client = Client::new(&sim.client("worker"));
        let table = DynamoDbLeaseTable::new(&client, TABLE.to_owned(), "billing", Clock::default());
        table.open().await.unwrap();
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let planned = Arc::clone(&faults);
        sim.faults(move |call| fault_of(call, &mut planned.lock().unwrap()));
        Self::DynamoDb(Simulated { client, table, faults })
    }

    pub(super) fn table(&self) -> &dyn FleetTable {
        match self {
            Self::Memory(table) => table,
            Self::DynamoDb(simulated) => &simulated.table,
        }
    }

    /// The client of a simulated DynamoDB.
    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Self::Memory(_) => None,
            Self::DynamoDb(simulated) => Some(&simulated.client),
        }
    }

    /// Puts a row as another program would.
    pub(super) async fn put(&self, item: Item) {
        match self {
            Self::Memory(table) => table.put(item::decode(item)),
            Self::DynamoDb(Simulated { client, .. }) => {
                let call = client.put_item().table_name(TABLE).set_item(Some(item));
                drop(call.send().await.unwrap());
            }
        }
    }

    /// The row of `key` as another program reads it.
    pub(super) async fn item(&self, key: &str) -> Option<Item> {
        match self {
            Self::Memory(table) => table.item(key).unwrap(),
            Self::DynamoDb(Simulated { client, .. }) => {
                let call = client.get_item().table_name(TABLE).consistent_read(true);
                let call = call.key(attribute::KEY, AttributeValue::S(key.to_owned()));
                call.send().await.unwrap().item
            }
        }
    }

    pub(super) async fn row(&self, key: &str) -> Option<FleetRow> {
        self.table().fleet_row(Place::LeaseTable, key).await.unwrap()
    }

    pub(super) fn fail_next(&self, operation: Operation, fault: Fault) {
        match self {
            Self::Memory(table) => table.fail_next(operation, fault),
            Self::DynamoDb(Simulated { faults, .. }) => faults.lock().unwrap().push_back((operation, fault)),
        }
    }

    /// Makes a write that is applied.
    pub(super) async fn applied(&self, write: FleetWrite) {
        assert_eq!(
            self.table().write_fleet(&write).await,
            FleetOutcome::Applied,
            "{write:?}"
        );
    }

    /// Makes a write that is refused, and holds its answer against the row, which has not changed.
    pub(super) async fn refused(&self, write: FleetWrite) {
        let before = self.item(write.key()).await;
        let row = self.row(write.key()).await;
        assert_eq!(
            self.table().write_fleet(&write).await,
            FleetOutcome::Refused(row),
            "{write:?}"
        );
        assert_eq!(self.item(write.key()).await, before);
    }
}

/// The version that is `name`.
pub(super) fn version(name: &str) -> LockVersion {
    let row = row([(attribute::VERSION, s(name))]);
    LockRow::decode(&row.into_iter().collect()).version
}

pub(super) fn worker(id: &str) -> WorkerId {
    WorkerId::new(id)
}

/// The lock that `owner` takes under a version.
pub(super) fn lock_of(owner: &str, name: &str) -> LockRow {
    LockRow::taken_by(
        &worker(owner),
        version(name),
        Duration::from_secs(15),
        Duration::from_secs(6),
    )
}

pub(super) fn take(owner: &str, name: &str, when: TakeWhen) -> FleetWrite {
    let lock = Box::new(lock_of(owner, name));
    FleetWrite::Lock(LockWrite::Take { lock, when })
}

/// The lock of a Java worker, with an attribute that is not known.
pub(super) fn java_lock() -> Item {
    row([
        ("leaseKey", s(LEADER_KEY)),
        ("entityType", s("LEADER")),
        ("ownerName", s("java")),
        ("leaseDuration", s("120000")),
        ("recordVersionNumber", s("j1")),
        ("data", AttributeValue::B(b"data".to_vec().into())),
    ])
}

pub(super) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

pub(super) fn row<const N: usize>(entries: [(&str, AttributeValue); N]) -> Item {
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

fn fault_of(call: &sim::CallInfo<'_>, planned: &mut VecDeque<(Operation, Fault)>) -> sim::Fault {
    let operation = match call.operation {
        "GetItem" => Operation::Get,
        "PutItem" | "UpdateItem" | "DeleteItem" => Operation::Write,
        _ => return sim::Fault::None,
    };
    let at = planned.iter().position(|(of, _)| *of == operation);
    match at.and_then(|at| planned.remove(at)) {
        None | Some((_, Fault::Pass)) => sim::Fault::None,
        Some((_, Fault::Throttled)) => sim::Fault::throttled(),
        Some((_, Fault::RequestLost)) => sim::Fault::RequestLost,
        Some((_, Fault::ReplyLost)) => sim::Fault::ReplyLost,
    }
}
