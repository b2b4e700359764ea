//! The ways to put: a batch, a sink, and hints to the lanes.

mod abandoned;
mod batch;
mod cooperation;
mod record_sizes;
mod shared_budget;
mod sink;
mod without_waiting;

use std::time::Duration;

use futures::future::join_all;
use testkit::sim::{Fault, Sim};

use super::Producer;
use crate::error::{PutError, PutErrorKind};
use crate::producer::builder::ProducerBuilder;
use crate::receipt::Receipt;
use crate::record::Record;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

fn sim() -> Sim {
    let sim = Sim::new(7);
    sim.create_stream("orders", 2).unwrap();
    sim
}

fn producer(sim: &Sim) -> ProducerBuilder {
    Producer::builder("orders").aws(&sim.sdk_config()).seed(7)
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Record> {
    numbers
        .map(|n| Record::new(format!("key-{n}"), n.to_string()))
        .collect()
}

/// A record that costs 300 bytes of the budget.
fn sized(n: u8) -> Record {
    Record::new("k", vec![n; 300 - 64 - 1])
}

fn outage(sim: &Sim) {
    sim.faults(|call| match call.operation {
        "PutRecords" => Fault::RequestLost,
        _ => Fault::None,
    });
}

fn stored(sim: &Sim) -> usize {
    sim.kinesis(|kinesis| {
        let users = kinesis
            .stored("orders")
            .map(|(_, record)| match aggregation::decode(&record.data) {
                aggregation::Decoded::Aggregate(aggregate) => aggregate.records().count(),
                aggregation::Decoded::Plain | aggregation::Decoded::Damaged(_) => 1,
            });
        users.sum()
    })
}

async fn kinds(answers: Vec<Result<Receipt, PutError>>) -> Vec<Option<PutErrorKind>> {
    join_all(answers.into_iter().map(kind)).await
}

async fn kind(answer: Result<Receipt, PutError>) -> Option<PutErrorKind> {
    let error = match answer {
        Ok(receipt) => receipt.await.err(),
        Err(refused) => Some(refused),
    };
    error.map(|error| error.kind().clone())
}
