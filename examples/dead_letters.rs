//! Dead letters: a record that no handler can process is tried again, then put into a second stream with its story, and the others
//! go on. In virtual time.
//!
//! ```sh
//! cargo run --example dead_letters
//! ```

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::{DeadLetter, ErrorPolicy, HandlerError, Worker};
use kpl::{Producer, Record};
use serde_json::{Value, json};
use testkit::sim::Sim;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ORDERS: usize = 1_000;

/// What is kept of a record that failed: enough to find it, and to put it into the stream again.
fn story(letter: &DeadLetter) -> Vec<Record> {
    let mut error: &dyn std::error::Error = letter.error.error();
    let mut causes = vec![error.to_string()];
    while let Some(cause) = error.source() {
        causes.push(cause.to_string());
        error = cause;
    }
    let of_record = |record: &kcl::Record| {
        let story = json!({
            "shard": letter.shard.to_string(),
            "position": record.position().to_string(),
            "attempts": letter.attempts,
            "error": causes.join(": "),
            "data": String::from_utf8_lossy(record.data()),
        });
        Record::new(record.partition_key(), story.to_string())
    };
    letter.records.iter().map(of_record).collect()
}

/// Delivered before the consumer goes on: an error brings the record again, to the handler and then to the sink.
async fn keep(dead: Producer, letter: DeadLetter) -> Result<(), HandlerError> {
    for record in story(&letter) {
        dead.put(record).await?.await?;
    }
    Ok(())
}

async fn put_orders(sim: &Sim) -> Result<(), Failure> {
    let producer = Producer::builder("orders").aws(&sim.client("producer")).build()?;
    let mut receipts = Vec::new();
    for n in 0..ORDERS {
        let order = if n == 500 {
            "not a number".to_owned()
        } else {
            n.to_string()
        };
        receipts.push(producer.put(Record::new(format!("customer-{n}"), order)).await?);
    }
    try_join_all(receipts).await?;
    Ok(())
}

/// How many orders were handled, and the stories of the others.
async fn bill() -> Result<(usize, Vec<Value>), Failure> {
    let sim = Sim::new(42);
    sim.create_stream("orders", 2)?;
    sim.create_stream("dead-orders", 1)?;
    put_orders(&sim).await?;
    let dead = Producer::builder("dead-orders").aws(&sim.client("worker")).build()?;
    let handled = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&handled);
    let worker = Worker::builder("billing", "orders")
        .aws(&sim.client("worker"))
        .for_each_record(move |record| {
            let counting = Arc::clone(&counting);
            async move {
                let _amount: u64 = std::str::from_utf8(record.data())?.parse()?;
                counting.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        })
        .error_policy(ErrorPolicy::dead_letter(move |letter| keep(dead.clone(), letter)).attempts(3))
        .build()?;
    let control = worker.control();
    let stop = async {
        let all = || sim.stream("orders").consumed("billing").len() == ORDERS;
        let done = sim.until(Duration::from_secs(600), all).await;
        control.shutdown(Duration::from_secs(30));
        done
    };
    let (report, done) = tokio::join!(worker.run(), stop);
    report?;
    if !done {
        return Err("not all orders were consumed".into());
    }
    let letters = sim.stream("dead-orders").user_records();
    let stories = letters
        .iter()
        .map(|letter| serde_json::from_slice(&letter.data))
        .collect::<Result<_, _>>()?;
    Ok((handled.load(Ordering::Relaxed), stories))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let (handled, stories) = bill().await?;
    println!("handled: {handled} of {ORDERS}");
    for story in stories {
        println!("dead letter: {story}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_record_that_fails_is_in_the_second_stream_and_all_others_are_handled() {
        let (handled, stories) = bill().await.unwrap();
        assert_eq!(handled, ORDERS - 1);
        let [story] = stories.as_slice() else {
            panic!("{stories:?}")
        };
        assert_eq!(story["data"], "not a number");
        assert_eq!(story["attempts"], 3);
        assert_eq!(story["error"], "invalid digit found in string");
        assert!(story["shard"].as_str().unwrap().starts_with("orders/shardId-"));
    }
}
