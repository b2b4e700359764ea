//! At least once: a worker that crashes loses nothing, and what it had done since its last checkpoint is done again. In virtual
//! time.
//!
//! ```sh
//! cargo run --example at_least_once
//! ```

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::Worker;
use kpl::{Producer, Record};
use testkit::sim::Sim;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ORDERS: usize = 1_000;

/// How often each order was handled.
#[derive(Clone, Default)]
struct Handled(Arc<Mutex<BTreeMap<String, u32>>>);

impl Handled {
    fn count(&self, order: String) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(order)
            .or_default() += 1;
    }

    fn orders(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn times(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// Runs a worker until this number of orders was handled, then drops it at once, as a crash would.
async fn consume_and_crash(sim: &Sim, name: &str, handled: &Handled, orders: usize) -> Result<(), Failure> {
    let counting = handled.clone();
    let worker = Worker::builder("billing", "orders")
        .aws(&sim.client(name))
        .worker_id(name)
        .for_each_record(move |record| {
            let counting = counting.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await; // the work
                counting.count(String::from_utf8(record.data().to_vec())?);
                Ok(()) // checkpointed within five seconds
            }
        })
        .build()?;
    tokio::select! {
        biased;
        ended = worker.run() => Err(format!("the worker has ended: {ended:?}").into()),
        done = sim.until(Duration::from_secs(600), || handled.orders() >= orders) => match done {
            true => Ok(()),
            false => Err("the orders did not come".into()),
        }
    }
}

async fn crash_and_go_on() -> Result<Handled, Failure> {
    let sim = Sim::new(42);
    sim.create_stream("orders", 1)?;
    let producer = Producer::builder("orders").aws(&sim.client("producer")).build()?;
    let mut receipts = Vec::new();
    for n in 0..ORDERS {
        receipts.push(
            producer
                .put(Record::new(format!("customer-{}", n % 7), format!("order-{n}")))
                .await?,
        );
    }
    try_join_all(receipts).await?;
    let handled = Handled::default();
    consume_and_crash(&sim, "first", &handled, ORDERS / 2).await?;
    let at_the_crash = handled.times();
    println!("the first worker crashes after {at_the_crash} orders");
    consume_and_crash(&sim, "second", &handled, ORDERS).await?;
    Ok(handled)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let handled = crash_and_go_on().await?;
    let again = handled.times() as usize - handled.orders();
    println!("orders: {} of {ORDERS}, handled again: {again}", handled.orders());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crash_loses_no_order_and_costs_no_more_than_five_seconds_of_work() {
        let handled = crash_and_go_on().await.unwrap();
        assert_eq!(handled.orders(), ORDERS);
        let again = handled.times() as usize - handled.orders();
        assert!((1..=6_000 / 20).contains(&again), "{again}");
    }
}
