//! Errors that ask for a skip or a dead letter: they cost the records that fail, and no other (C5).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kcl::{Batch, DeadLetter, ErrorPolicy, HandlerError, Record, ShardStream, Worker, WorkerBuilder};

use super::MINUTE;
use crate::fleet::{APPLICATION, STREAM, put, start, stream};

const RECORDS: usize = 20;
const POISON: [&str; 2] = ["data-7", "data-13"];

/// How an error is made of a text, and of the record that has failed.
type Fails = fn(&'static str, &Record) -> HandlerError;

/// Each way to ask, with the record's name and without it.
const ASKS: [Fails; 4] = [
    |text, record| HandlerError::skip(text).at(record),
    |text, _| HandlerError::skip(text),
    |text, record| HandlerError::dead_letter(text).at(record),
    |text, _| HandlerError::dead_letter(text),
];

/// What became of the records.
#[derive(Debug, Default)]
struct Seen {
    processed: BTreeSet<String>,
    letters: BTreeSet<String>,
}

type Shared = Arc<Mutex<Seen>>;

/// Fails on the first poisoned record of a batch.
fn process(batch: &Batch, seen: &Shared, fails: Fails) -> Result<(), HandlerError> {
    for record in &batch.records {
        let text = text(record);
        if POISON.contains(&text.as_str()) {
            return Err(fails("cannot read it", record));
        }
        seen.lock().unwrap().processed.insert(text);
    }
    Ok(())
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.data()).into_owned()
}

fn each_batch(builder: WorkerBuilder, seen: Shared, fails: Fails) -> WorkerBuilder {
    builder.for_each_batch(move |batch: Batch| {
        let result = process(&batch, &seen, fails);
        async move { result }
    })
}

fn pulled(builder: WorkerBuilder, seen: Shared, fails: Fails) -> WorkerBuilder {
    builder.stream(move |mut shard: ShardStream| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some(batch) = shard.next().await {
                process(&batch, &seen, fails)?;
                shard.checkpointer().checkpoint().await?;
            }
            Ok(())
        }
    })
}

/// What is processed and dead-lettered of 20 records in one aggregate, two of which fail.
async fn seen_with(form: fn(WorkerBuilder, Shared, Fails) -> WorkerBuilder, fails: Fails) -> Seen {
    let (sim, producer) = stream(1);
    put(&producer, 0..RECORDS).await;
    let seen = Shared::default();
    let letters = Arc::clone(&seen);
    let sink = move |letter: DeadLetter| {
        let letters = Arc::clone(&letters);
        async move {
            letters.lock().unwrap().letters.extend(letter.records.iter().map(text));
            Ok(())
        }
    };
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .error_policy(ErrorPolicy::dead_letter(sink));
    let (_control, _running) = start(form(builder, Arc::clone(&seen), fails));
    tokio::time::sleep(MINUTE).await;
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_error_that_asks_for_a_skip_costs_the_records_that_fail_alone_in_each_form() {
    let all: BTreeSet<_> = (0..RECORDS).map(|n| format!("data-{n}")).collect();
    let poison = BTreeSet::from(POISON.map(String::from));
    for form in [each_batch, pulled] {
        for (n, fails) in ASKS.into_iter().enumerate() {
            let seen = seen_with(form, fails).await;
            assert_eq!(seen.processed, &all - &poison, "{n}");
            let letters = if n < 2 { BTreeSet::new() } else { poison.clone() };
            assert_eq!(seen.letters, letters, "{n}");
        }
    }
}
