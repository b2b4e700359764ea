//! Order per key: a shard's records of different keys are handled at once, those of one key in their order, and the checkpoint
//! passes nothing that is not done. In virtual time.
//!
//! ```sh
//! cargo run --example per_key
//! ```

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::{PerKey, ShardContext, Worker};
use kpl::{Producer, Record};
use testkit::sim::Sim;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ORDERS: usize = 1_000;
const CUSTOMERS: usize = 50;
/// What a call to another service takes.
const WORK: Duration = Duration::from_millis(100);

/// The orders of each customer, in the order in which they were handled.
type Handled = BTreeMap<String, Vec<usize>>;

/// Handles all orders, and returns them with the time that it took.
async fn handle() -> Result<(Handled, Duration), Failure> {
    let sim = Sim::new(42);
    sim.create_stream("orders", 1)?;
    let producer = Producer::builder("orders").aws(&sim.client("producer")).build()?;
    let mut receipts = Vec::new();
    for n in 0..ORDERS {
        receipts.push(
            producer
                .put(Record::new(format!("customer-{}", n % CUSTOMERS), n.to_string()))
                .await?,
        );
    }
    try_join_all(receipts).await?;
    let handled: Arc<Mutex<Handled>> = Arc::default();
    let noting = Arc::clone(&handled);
    let handler = move |record: kcl::Record| {
        let noting = Arc::clone(&noting);
        async move {
            tokio::time::sleep(WORK).await;
            let order = std::str::from_utf8(record.data())?.parse()?;
            let mut handled = noting.lock().unwrap_or_else(PoisonError::into_inner);
            handled
                .entry(record.partition_key().to_owned())
                .or_default()
                .push(order);
            Ok(())
        }
    };
    let worker = Worker::builder("billing", "orders")
        .aws(&sim.client("worker"))
        .processor(move |_: &ShardContext| PerKey::new(handler.clone()).max_in_flight(32))
        .build()?;
    let control = worker.control();
    let begun = sim.elapsed();
    let count = || {
        let handled = handled.lock().unwrap_or_else(PoisonError::into_inner);
        handled.values().map(Vec::len).sum::<usize>()
    };
    let stop = async {
        let done = sim.until(Duration::from_secs(600), || count() == ORDERS).await;
        let took = sim.elapsed() - begun;
        control.shutdown(Duration::from_secs(30));
        done.then_some(took)
    };
    let (report, took) = tokio::join!(worker.run(), stop);
    report?;
    let took = took.ok_or("not all orders were handled")?;
    if sim.stream("orders").consumed("billing").len() != ORDERS {
        return Err("the shutdown did not checkpoint".into());
    }
    let handled = handled.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((handled, took))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let (handled, took) = handle().await?;
    let one_by_one = WORK * u32::try_from(ORDERS)?;
    let in_order = handled.values().filter(|orders| orders.is_sorted()).count();
    println!(
        "{ORDERS} orders of one shard in {:.1} s; one by one: {:.0} s",
        took.as_secs_f64(),
        one_by_one.as_secs_f64()
    );
    println!("customers: {}, in their order: {in_order}", handled.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_orders_of_each_customer_are_in_their_order_and_take_a_tenth_of_the_time() {
        let (handled, took) = handle().await.unwrap();
        assert_eq!(handled.len(), CUSTOMERS);
        assert!(
            handled
                .values()
                .all(|orders| orders.len() == ORDERS / CUSTOMERS && orders.is_sorted())
        );
        assert!(took < WORK * 100, "{took:?}");
    }
}
