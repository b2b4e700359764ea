//! A table of each kind, with rows to begin with and calls that fail when asked to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use service::Clock;
use testkit::sim::{self, Sim};

use crate::checkpoint::position::Position;
use crate::lease::dynamodb::DynamoDbLeaseTable;
use crate::lease::item::{self, EntityTypes, Item, Row};
use crate::lease::memory::{Fault, MemoryLeaseTable, Operation};
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::table::LeaseTable;
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::limits::OWNER_INDEX;

/// Rows on a page of a scan.
pub(super) const PAGE: u8 = 3;

const TABLE: &str = "leases";

/// One backend.
pub(super) enum Bench {
    Memory(MemoryLeaseTable),
    DynamoDb(Simulated),
}

/// A lease table in a simulated DynamoDB.
pub(super) struct Simulated {
    sim: Sim,
    client: Client,
    table: DynamoDbLeaseTable,
    faults: Arc<Mutex<VecDeque<(Operation, Fault)>>>,
}

impl Bench {
    pub(super) fn in_memory() -> Self {
        Self::Memory(MemoryLeaseTable::new(TABLE, PAGE.into()))
    }

    pub(super) async fn in_dynamodb() -> Self {
        let sim = Sim::new(1);
        let client = Client::new(&sim.client("worker"));
        let table = DynamoDbLeaseTable::new(&client, TABLE.to_owned(), "billing", Clock::default());
        let table = table.with_page_size(PAGE.into());
        table.open().await.unwrap();
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let planned = Arc::clone(&faults);
        sim.faults(move |call| fault_of(call, &mut planned.lock().unwrap()));
        Self::DynamoDb(Simulated {
            sim,
            client,
            table,
            faults,
        })
    }

    pub(super) fn table(&self) -> &dyn LeaseTable {
        match self {
            Self::Memory(table) => table,
            Self::DynamoDb(simulated) => &simulated.table,
        }
    }

    /// Puts a row as another program would.
    pub(super) async fn put_item(&self, item: Item) {
        match self {
            Self::Memory(table) => table.put(item::decode(item)),
            Self::DynamoDb(Simulated { client, .. }) => {
                let call = client.put_item().table_name(TABLE).set_item(Some(item));
                drop(call.send().await.unwrap());
            }
        }
    }

    pub(super) async fn put(&self, lease: &Lease) {
        self.put_item(item::encode(lease, EntityTypes::AsRead)).await;
    }

    /// The row of `key`, which holds a lease.
    pub(super) async fn lease(&self, key: &LeaseKey) -> Option<Lease> {
        match self.table().get(key).await.unwrap() {
            Some(Row::Lease(lease)) => Some(lease),
            None => None,
            Some(other @ (Row::Foreign(..) | Row::Hole(_))) => panic!("{other:?}"),
        }
    }

    pub(super) fn fail_next(&self, operation: Operation, fault: Fault) {
        match self {
            Self::Memory(table) => table.fail_next(operation, fault),
            Self::DynamoDb(Simulated { faults, .. }) => faults.lock().unwrap().push_back((operation, fault)),
        }
    }

    /// How often `operation` was called.
    pub(super) fn calls_of(&self, operation: Operation) -> usize {
        match self {
            Self::Memory(table) => table.calls_of(operation),
            Self::DynamoDb(Simulated { sim, .. }) => {
                let calls = sim.calls();
                calls
                    .iter()
                    .filter(|call| named(&call.operation) == Some(operation))
                    .count()
            }
        }
    }

    pub(super) async fn drop_index(&self) {
        match self {
            Self::Memory(table) => table.drop_index(),
            Self::DynamoDb(Simulated { client, .. }) => {
                let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(OWNER_INDEX);
                let update = GlobalSecondaryIndexUpdate::builder().delete(delete.build().unwrap());
                let call = client.update_table().table_name(TABLE);
                drop(
                    call.global_secondary_index_updates(update.build())
                        .send()
                        .await
                        .unwrap(),
                );
            }
        }
    }

    /// Makes a write that is applied, and holds its answer against the row.
    pub(super) async fn applied(&self, write: LeaseWrite) -> Lease {
        match self.table().write(&write).await {
            WriteOutcome::Applied(lease) => {
                assert_eq!(self.lease(write.key()).await.as_ref(), Some(&lease));
                lease
            }
            other @ (WriteOutcome::Refused(_) | WriteOutcome::NotApplied(_) | WriteOutcome::Unknown(_)) => {
                panic!("{other:?} of {write:?}")
            }
        }
    }

    /// Makes a write that is refused, and holds its answer against the row, which has not changed.
    pub(super) async fn refused(&self, write: LeaseWrite) {
        let before = self.lease(write.key()).await;
        assert_eq!(self.table().write(&write).await, WriteOutcome::Refused(before.clone()));
        assert_eq!(self.lease(write.key()).await, before);
    }
}

/// The row that most cases begin with: of the owner `a`, at counter 7, with two switches.
pub(super) fn owned() -> Lease {
    Lease {
        owner: Some(WorkerId::new("a")),
        counter: 7,
        owner_switches: 2,
        ..Lease::of_orders("shardId-000000000007", Position::TrimHorizon)
    }
}

/// The row during a hand-off from `a` to `b`.
pub(super) fn handed() -> Lease {
    Lease {
        owner: Some(WorkerId::new("b")),
        checkpoint_owner: Some(WorkerId::new("a")),
        ..owned()
    }
}

pub(super) fn unowned() -> Lease {
    Lease { owner: None, ..owned() }
}

pub(super) fn key() -> LeaseKey {
    owned().key
}

pub(super) fn at(digits: &str) -> Position {
    Position::from_row(digits, 0).unwrap()
}

fn fault_of(call: &sim::CallInfo<'_>, planned: &mut VecDeque<(Operation, Fault)>) -> sim::Fault {
    let operation = named(call.operation);
    let at = planned.iter().position(|(of, _)| Some(*of) == operation);
    match at.and_then(|at| planned.remove(at)) {
        None | Some((_, Fault::Pass)) => sim::Fault::None,
        Some((_, Fault::Throttled)) => sim::Fault::throttled(),
        Some((_, Fault::RequestLost)) => sim::Fault::RequestLost,
        Some((_, Fault::ReplyLost)) => sim::Fault::ReplyLost,
    }
}

fn named(operation: &str) -> Option<Operation> {
    match operation {
        "Scan" => Some(Operation::ScanPage),
        "GetItem" => Some(Operation::Get),
        "PutItem" => Some(Operation::Create),
        "UpdateItem" | "DeleteItem" => Some(Operation::Write),
        "Query" => Some(Operation::KeysOf),
        _ => None,
    }
}
