//! The producer against the simulated service: every accepted record ends exactly once (P1).
//!
//! By subject: `delivery`, `room`, `refusals`, `passing`, `proxies`, `resharding`, `ending`.

mod delivery;
mod ending;
mod passing;
mod proxies;
mod refusals;
mod resharding;
mod room;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use kpl::{Delivered, Event, Producer, ProducerBuilder, PutError, Record};
use testkit::sim::Sim;

const STREAM: &str = "orders";
const HALF_MINUTE: Duration = Duration::from_secs(30);

fn sim(shards: usize) -> Sim {
    let sim = Sim::new(7);
    sim.create_stream(STREAM, shards).unwrap();
    sim
}

fn producer(sim: &Sim) -> ProducerBuilder {
    Producer::builder(STREAM).aws(&sim.sdk_config()).seed(7)
}

fn record(n: usize) -> Record {
    Record::new(format!("key-{n}"), format!("data-{n}"))
}

/// The events of a producer, in words.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn listener(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let heard = self.clone();
        move |event| heard.0.lock().unwrap().push(format!("{event:?}"))
    }

    fn any(&self, word: &str) -> bool {
        self.0.lock().unwrap().iter().any(|event| event.contains(word))
    }
}

/// Puts `records` and waits for all outcomes.
async fn put_all(producer: &Producer, records: std::ops::Range<usize>) -> Vec<Result<Delivered, PutError>> {
    let mut receipts = Vec::new();
    for n in records {
        receipts.push(producer.put(record(n)).await.unwrap());
    }
    join_all(receipts).await
}

fn assert_each_is_stored_where_its_receipt_says(sim: &Sim, outcomes: &[Result<Delivered, PutError>]) {
    let stored: BTreeSet<_> = stored(sim).into_iter().collect();
    for (n, outcome) in outcomes.iter().enumerate() {
        let (shard, sequence, sub) = place(outcome.as_ref().unwrap());
        let expected = (shard, sequence, sub, format!("data-{n}").into_bytes());
        assert!(stored.contains(&expected), "{expected:?}");
    }
}

fn place(delivered: &Delivered) -> (String, String, u64) {
    (
        delivered.shard_id.to_string(),
        delivered.sequence_number.to_string(),
        delivered.sub_sequence_number,
    )
}

/// What the service stored, de-aggregated as a consumer does it: (shard, sequence, sub-sequence, data).
fn stored(sim: &Sim) -> Vec<(String, String, u64, Vec<u8>)> {
    sim.kinesis(|kinesis| {
        let mut all = Vec::new();
        for (shard, record) in kinesis.stored(STREAM) {
            let place = |sub, data: &[u8]| {
                (
                    shard.to_string(),
                    record.sequence_number.to_string(),
                    sub,
                    data.to_vec(),
                )
            };
            match aggregation::decode(&record.data) {
                aggregation::Decoded::Aggregate(aggregate) => {
                    all.extend(
                        aggregate
                            .records()
                            .enumerate()
                            .map(|(n, inner)| place(n as u64, &inner.data)),
                    );
                }
                aggregation::Decoded::Plain | aggregation::Decoded::Damaged(_) => all.push(place(0, &record.data)),
            }
        }
        all
    })
}
