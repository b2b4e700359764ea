//! Exactly once into SQLite: each effect is in the same transaction as the position behind it, and a fencing token keeps a
//! worker out that has lost its lease and does not know it yet. In virtual time.
//!
//! ```sh
//! cargo run --example exactly_once
//! ```
//!
//! ```text
//!  process ─► transaction ┬─ is the token of the shard mine?   no: nothing is written
//!                         ├─ the amounts of records behind the position
//!                         └─ the position of the last of them
//! ```
//!
//! The records come at least once; what was applied before is recognised by the position. The lease table is not asked: it
//! only says where to begin to read. Any database with transactions will do. SQLite is here because the local DynamoDB has
//! it built already. A database that waits for a disk or a network belongs on `spawn_blocking`, or needs an async driver.

#![expect(clippy::print_stdout, reason = "the results of the program")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use kcl::{Batch, Checkpointer, HandlerError, Record, RecordPosition, RecordProcessor, ShardContext, Worker};
use kpl::Producer;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use testkit::Service;
use testkit::sim::Sim;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const AMOUNTS: u64 = 1_000;

const SCHEMA: &str = "
    CREATE TABLE shard (id TEXT PRIMARY KEY, token INTEGER NOT NULL, sequence TEXT, sub INTEGER);
    CREATE TABLE account (customer TEXT PRIMARY KEY, balance INTEGER NOT NULL);";

/// The database, and how often it refused the token of a former owner.
#[derive(Clone)]
struct Accounts {
    database: Arc<Mutex<Connection>>,
    refused: Arc<Mutex<u32>>,
}

impl Accounts {
    fn new() -> rusqlite::Result<Self> {
        let database = Connection::open_in_memory()?;
        database.execute_batch(SCHEMA)?;
        Ok(Self {
            database: Arc::new(Mutex::new(database)),
            refused: Arc::default(),
        })
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sum(&self) -> rusqlite::Result<u64> {
        let sum = "SELECT coalesce(sum(balance), 0) FROM account";
        self.database().query_row(sum, [], |row| row.get(0))
    }

    fn refused(&self) -> u32 {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the token of a new owner, which is larger than that of each former one.
    fn claim(&self, shard: &str, token: u64) -> Result<(), HandlerError> {
        let claim = "INSERT INTO shard (id, token) VALUES (?1, ?2)
                     ON CONFLICT (id) DO UPDATE SET token = excluded.token WHERE token < excluded.token";
        match self.database().execute(claim, params![shard, token])? {
            0 => Err(HandlerError::lease_lost()),
            _ => Ok(()),
        }
    }

    /// Applies the records that were not applied yet, all or none.
    fn apply(&self, shard: &str, token: u64, records: &[Record]) -> Result<(), HandlerError> {
        let mut database = self.database();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(applied) = position(&transaction, shard, token)? else {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            return Err(HandlerError::lease_lost()); // a later owner is at work
        };
        let mut last = None;
        for record in records
            .iter()
            .filter(|record| applied.as_ref().is_none_or(|applied| record.position() > applied))
        {
            let amount: u64 = std::str::from_utf8(record.data())?.parse()?;
            let add =
                "INSERT INTO account VALUES (?1, ?2) ON CONFLICT DO UPDATE SET balance = balance + excluded.balance";
            transaction.execute(add, params![record.partition_key(), amount])?;
            last = Some(record.position());
        }
        if let Some(last) = last {
            let moved = "UPDATE shard SET sequence = ?2, sub = ?3 WHERE id = ?1";
            let sequence = last.sequence_number.to_string();
            transaction.execute(moved, params![shard, sequence, last.sub_sequence_number])?;
        }
        Ok(transaction.commit()?)
    }
}

/// Up to where the shard was applied. `None`: the token is not the newest.
fn position(
    transaction: &Transaction<'_>,
    shard: &str,
    token: u64,
) -> Result<Option<Option<RecordPosition>>, HandlerError> {
    let find = "SELECT sequence, sub FROM shard WHERE id = ?1 AND token = ?2";
    let row = transaction.query_row(find, params![shard, token], |row| {
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<u64>>(1)?))
    });
    Ok(match row.optional()? {
        None => None,
        Some((Some(sequence), Some(sub))) => Some(Some(RecordPosition {
            sequence_number: sequence.parse()?,
            sub_sequence_number: sub,
        })),
        Some(_) => Some(None),
    })
}

struct Booking {
    accounts: Accounts,
    shard: String,
    token: u64,
    /// How long the processor waits before it writes, as in a pause of its process.
    pause: Duration,
}

impl RecordProcessor for Booking {
    async fn initialize(&mut self, _: &ShardContext) -> Result<(), HandlerError> {
        self.accounts.claim(&self.shard, self.token)
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        tokio::time::sleep(self.pause).await;
        self.accounts.apply(&self.shard, self.token, &batch.records)?;
        checkpointer.defer(); // for the next reader; nothing depends on it
        Ok(())
    }
}

/// A worker whose handlers may go on for two minutes after the lease is lost.
fn worker(sim: &Sim, name: &str, accounts: &Accounts, pause: Duration) -> Result<Worker, Failure> {
    let accounts = accounts.clone();
    let builder = Worker::builder("booking", "amounts")
        .aws(&sim.client(name))
        .worker_id(name)
        .max_batch_records(100)
        .handler_grace(Duration::from_secs(120))
        .processor(move |shard: &ShardContext| Booking {
            accounts: accounts.clone(),
            shard: shard.shard_id().to_string(),
            token: shard.lease.token().value(),
            pause,
        });
    Ok(builder.build()?)
}

/// Waits until `done`, or fails.
async fn until(sim: &Sim, what: &str, done: impl FnMut() -> bool) -> Result<(), Failure> {
    match sim.until(Duration::from_secs(600), done).await {
        true => Ok(()),
        false => Err(format!("it did not happen: {what}").into()),
    }
}

/// The first worker pauses and loses its lease, the second crashes, the third one ends it.
async fn book() -> Result<Accounts, Failure> {
    let sim = Sim::new(42);
    sim.create_stream("amounts", 1)?;
    let producer = Producer::builder("amounts").aws(&sim.client("producer")).build()?;
    let mut receipts = Vec::new();
    for n in 1..=AMOUNTS {
        receipts.push(
            producer
                .put(kpl::Record::new(format!("customer-{}", n % 7), n.to_string()))
                .await?,
        );
    }
    try_join_all(receipts).await?;
    let accounts = Accounts::new()?;
    let half = AMOUNTS * (AMOUNTS + 1) / 4;
    let all = AMOUNTS * (AMOUNTS + 1) / 2;

    let first = worker(&sim, "first", &accounts, Duration::from_secs(60))?;
    let second = worker(&sim, "second", &accounts, Duration::from_millis(500))?;
    let control = first.control();
    let story = async {
        until(&sim, "the first worker reads", || {
            control.shards().iter().any(|shard| shard.in_handler.is_some())
        })
        .await?;
        sim.process("first").cut_off(Service::DynamoDb); // its lease runs out while its handler waits
        tokio::select! {
            biased;
            ended = Box::pin(second.run()) => return Err(Failure::from(format!("{ended:?}"))),
            half_done = until(&sim, "half of the amounts", || accounts.sum().is_ok_and(|sum| sum >= half)) => half_done?,
        } // dropped: it crashes between a transaction and its checkpoint
        until(&sim, "the late write of the first worker", || accounts.refused() > 0).await?;
        let third = worker(&sim, "third", &accounts, Duration::from_millis(500))?;
        tokio::select! {
            biased;
            ended = Box::pin(third.run()) => Err(Failure::from(format!("{ended:?}"))),
            all_done = until(&sim, "all amounts", || accounts.sum().is_ok_and(|sum| sum >= all)) => {
                sim.advance(Duration::from_secs(60)).await; // what would be booked twice, would be by now
                all_done
            }
        }
    };
    tokio::select! {
        biased;
        ended = Box::pin(first.run()) => return Err(format!("{ended:?}").into()),
        told = story => told?,
    }
    Ok(accounts)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Failure> {
    let accounts = book().await?;
    println!(
        "sum of all balances: {}, expected: {}",
        accounts.sum()?,
        AMOUNTS * (AMOUNTS + 1) / 2
    );
    println!(
        "late writes of a former owner that were refused: {}",
        accounts.refused()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_amount_is_booked_once_though_one_worker_pauses_and_one_crashes() {
        let accounts = book().await.unwrap();
        assert_eq!(accounts.sum().unwrap(), AMOUNTS * (AMOUNTS + 1) / 2);
        assert!(accounts.refused() >= 1);
    }
}
