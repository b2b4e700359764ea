//! The simplest consumer: a closure for each record, and a queue for those that cannot be read. In virtual time.
//!
//! ```sh
//! cargo run --example for_each_record
//! ```
//!
//! The worker checkpoints by itself, with the renewals of its leases. A record that fails is tried again by itself, and then
//! sent to the dead-letter sink; no other record is delivered twice for it.

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::{DeadLetter, ErrorPolicy, Worker};
use kpl::{Producer, Record};
use testkit::sim::Sim;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the application keeps: the sum of all amounts, and the texts that are not numbers.
#[derive(Debug, Clone, Default, PartialEq)]
struct Books {
    amounts: usize,
    sum: u64,
    unreadable: Vec<String>,
}

/// Runs a worker until it has processed `records` records.
async fn consume(sim: &Sim, records: usize) -> Result<Books, Failure> {
    let books = Arc::new(Mutex::new(Books::default()));
    let (adding, keeping) = (Arc::clone(&books), Arc::clone(&books));
    let worker = Worker::builder("bookkeeping", "amounts")
        .aws(&sim.client("bookkeeper"))
        .for_each_record(move |record| {
            let books = Arc::clone(&adding);
            async move {
                let amount: u64 = std::str::from_utf8(record.data())?.parse()?; // an error brings this record again
                let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
                books.amounts += 1;
                books.sum += amount;
                Ok(())
            }
        })
        .error_policy(ErrorPolicy::dead_letter(move |letter: DeadLetter| {
            let texts = letter
                .records
                .iter()
                .map(|record| String::from_utf8_lossy(record.data()).into_owned());
            let mut books = keeping.lock().unwrap_or_else(PoisonError::into_inner);
            books.unreadable.extend(texts);
            async { Ok(()) }
        }))
        .build()?;
    let control = worker.control();
    let read = || books.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let stop = async {
        let all = || read().amounts + read().unreadable.len() == records;
        let is_done = sim.until(Duration::from_secs(600), all).await;
        control.shutdown(Duration::from_secs(30));
        is_done
    };
    let (report, is_done) = tokio::join!(worker.run(), stop);
    println!("given back: {} shards", report?.released.len());
    if is_done {
        Ok(read())
    } else {
        Err("not all records came".into())
    }
}

async fn amounts() -> Result<(Sim, Books), Failure> {
    let sim = Sim::new(42);
    sim.create_stream("amounts", 2)?;
    let producer = Producer::builder("amounts").aws(&sim.client("producer")).build()?;
    let mut receipts = Vec::new();
    for n in 0..1_000 {
        let amount = if n == 500 {
            "a fortune".to_owned()
        } else {
            n.to_string()
        };
        receipts.push(producer.put(Record::new(format!("customer-{n}"), amount)).await?);
    }
    try_join_all(receipts).await?;
    let books = consume(&sim, 1_000).await?;
    Ok((sim, books))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let (sim, books) = amounts().await?;
    println!("amounts: {}, their sum: {}", books.amounts, books.sum);
    println!("unreadable: {:?}", books.unreadable);
    println!(
        "behind the checkpoints: {} records",
        sim.stream("amounts").consumed("bookkeeping").len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_amount_is_added_once_and_all_records_are_checkpointed() {
        let (sim, books) = amounts().await.unwrap();
        let expected = Books {
            amounts: 999,
            sum: (0..1_000).sum::<u64>() - 500,
            unreadable: vec!["a fortune".to_owned()],
        };
        assert_eq!(books, expected);
        assert_eq!(sim.stream("amounts").consumed("bookkeeping").len(), 1_000);
    }
}
