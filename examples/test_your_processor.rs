//! How to test a processor of one's own: a whole fleet in virtual time, through a split of its shard and a crash of the
//! worker that holds it, in a second.
//!
//! ```sh
//! cargo run --example test_your_processor
//! ```
//!
//! In a project of one's own, only the test at the end is there, and `testkit` is a dev-dependency.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the results of the program")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker};
use kpl::{Producer, Record};
use testkit::kinesis::ShardId;
use testkit::sim::{Process, Sim};

const ORDERS: usize = 3_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the processor writes to: a table of orders. Writing one twice does no harm, since delivery is at least once.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, u32>>>);

impl Ledger {
    fn write(&self, order: String) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *orders.entry(order).or_default() += 1;
    }

    fn orders(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn writes(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// The processor under test.
struct Bookkeeper {
    ledger: Ledger,
}

impl RecordProcessor for Bookkeeper {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        for record in &batch.records {
            self.ledger.write(String::from_utf8(record.data().to_vec())?);
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// A process of the service, as its `main` would set it up; what the test adds is its `process`.
fn start_worker(process: &Process, ledger: &Ledger) {
    let ledger = ledger.clone();
    process.run(move |process| {
        let ledger = ledger.clone();
        async move {
            let worker = Worker::builder("bookkeeping", "orders")
                .aws(&process.sdk_config())
                .worker_id(process.name())
                .processor(move |_shard: &ShardContext| Bookkeeper { ledger: ledger.clone() })
                .build();
            match worker {
                Ok(worker) => {
                    if let Err(error) = worker.run().await {
                        eprintln!("{error}");
                    }
                }
                Err(error) => eprintln!("{error}"),
            }
        }
    });
}

/// Puts orders, a thousand in about ten seconds, and waits until the service has them.
async fn put_orders(sim: &Sim, numbers: Range<usize>) -> Result<(), Failure> {
    let producer = Producer::builder("orders").aws(&sim.client("shop")).build()?;
    let mut receipts = Vec::new();
    for number in numbers {
        let record = Record::new(format!("customer-{}", number % 50), format!("order-{number}"));
        receipts.push(producer.put(record).await?);
        sim.advance(Duration::from_millis(10)).await;
    }
    try_join_all(receipts).await?;
    Ok(())
}

/// The time from the crash until every order is in the ledger.
async fn recovery_from_a_crash_during_a_reshard(sim: &Sim, ledger: &Ledger) -> Result<Duration, Failure> {
    sim.create_stream("orders", 1)?;
    let first = sim.process("bookkeeper-1");
    start_worker(&first, ledger);
    put_orders(sim, 0..1_000).await?;

    // The only shard is split, orders keep coming, and the only worker dies in the middle of it.
    sim.stream("orders").split(ShardId::FIRST)?;
    put_orders(sim, 1_000..2_000).await?;
    first.kill();
    let crashed = sim.elapsed();
    start_worker(&sim.process("bookkeeper-2"), ledger);
    put_orders(sim, 2_000..ORDERS).await?;

    if sim.until(Duration::from_secs(60), || ledger.orders() == ORDERS).await {
        return Ok(sim.elapsed() - crashed);
    }
    let last: Vec<_> = sim.events().iter().rev().take(20).map(ToString::to_string).collect();
    Err(format!("{} of {ORDERS} orders; the last calls: {last:#?}", ledger.orders()).into())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let (sim, ledger) = (Sim::new(42), Ledger::default());
    let recovery = recovery_from_a_crash_during_a_reshard(&sim, &ledger).await?;
    println!(
        "orders: {ORDERS}, in the ledger: {}, written {} times",
        ledger.orders(),
        ledger.writes()
    );
    println!(
        "shards: {}, of which open: {}",
        sim.stream("orders").shards().len(),
        sim.stream("orders").open_shards().len()
    );
    println!(
        "behind the checkpoints: {} of {} records",
        sim.stream("orders").consumed("bookkeeping").len(),
        sim.stream("orders").user_records().len()
    );
    println!(
        "complete {:.1} s after the crash, {:.1} s after the start, all of it virtual",
        recovery.as_secs_f64(),
        sim.elapsed().as_secs_f64()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reshard_and_a_crash_lose_no_order() {
        let (sim, ledger) = (Sim::new(42), Ledger::default());
        let recovery = recovery_from_a_crash_during_a_reshard(&sim, &ledger).await.unwrap();
        assert!(
            recovery < Duration::from_secs(30),
            "the failover time is ten seconds, and {recovery:?} is too long"
        );
        assert_eq!(sim.stream("orders").open_shards().len(), 2);
    }
}
