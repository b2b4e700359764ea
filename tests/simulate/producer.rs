//! A producer of a run: it puts records that no other has, and tells the witness what became of each.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use kpl::{Budget, Delivered, HashKey, Producer, PutError, Receipt, Record};
use oracle::{self, AcceptedRecord, Digest, Fact, FleetFact, ProducerFact, RecordId, Stored};
use testkit::sim::Process;
use tokio::time::sleep;

use crate::exceptions::BUDGET;
use crate::fleet::{Fleet, Producing};
use crate::recorder::{place, shard_id};
use crate::scenario::{Puts, STREAM};

/// How long a producer may take to deliver what it holds when it ends.
const DRAIN: Duration = Duration::from_secs(120);

/// The most records that are put at once.
const BURST: u64 = 10;

/// Different partition keys of one producer.
const KEYS: u64 = 40;

/// Different explicit hash keys, evenly spread.
const HASH_KEYS: u128 = 8;

fn budget() -> Budget {
    let size = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Budget::new(size(BUDGET.bytes), size(BUDGET.records))
}

/// One life of a producer.
struct Life {
    id: oracle::Process,
    fleet: Fleet,
    puts: Puts,
    rng: Rng,
    /// The records whose receipts were dropped.
    dropped: BTreeSet<RecordId>,
    ended: bool,
    _producing: Producing,
}

type Outcome = (RecordId, Result<Delivered, PutError>);
type Outcomes = FuturesUnordered<BoxFuture<'static, Outcome>>;

impl Fleet {
    /// Runs a producer in the process until there is [`enough`](Fleet::enough).
    pub(crate) fn start_producer(&self, name: &str) {
        let fleet = self.clone();
        self.sim
            .process(name)
            .run(move |process| fleet.clone().produce(process));
    }

    async fn produce(self, process: Process) {
        while !self.is_enough() {
            let number = self.next_life();
            let id = format!("{}.{number}", process.name());
            let life = Life::new(&self, process.name(), &id, self.rng(number));
            life.live(&process).await;
        }
    }
}

impl Life {
    fn new(fleet: &Fleet, host: &str, id: &str, rng: Rng) -> Self {
        let (process, host) = (oracle::Process::new(id), oracle::Process::new(host));
        let id = process.clone();
        fleet.witness.tell(Fact::Fleet(FleetFact::LivesIn { process, host }));
        Self {
            id,
            fleet: fleet.clone(),
            puts: fleet.scenario.puts,
            rng,
            dropped: BTreeSet::new(),
            ended: false,
            _producing: fleet.producing(),
        }
    }

    /// Puts until there is enough, or it is time for another producer.
    async fn live(mut self, process: &Process) {
        let producer = self.producer(process);
        let retires = self.puts.retires_after.map(|after| self.fleet.sim.elapsed() + after);
        let mut outcomes = Outcomes::new();
        let is_over = |fleet: &Fleet| fleet.is_enough() || retires.is_some_and(|at| at <= fleet.sim.elapsed());
        while !is_over(&self.fleet) {
            self.pause(&mut outcomes).await;
            self.burst(&producer, &mut outcomes).await;
            self.holds(&producer);
            if self.chance(self.puts.flush) && self.meanwhile(&mut outcomes, producer.flush()).await.is_ok() {
                self.flushed(&mut outcomes);
            }
        }
        let grace = if self.fleet.is_enough() { DRAIN } else { self.puts.grace };
        let report = self.meanwhile(&mut outcomes, producer.shutdown(grace)).await;
        // Every receipt has its outcome by now; one that does not end would be found at the end of the run.
        self.shut_down();
        while let Some((record, outcome)) = outcomes.next().await {
            self.ended(record, outcome);
        }
        self.returned(&report.returned);
    }

    fn producer(&mut self, process: &Process) -> Producer {
        let scenario = &self.fleet.scenario;
        let builder = Producer::builder(STREAM)
            .aws(&process.sdk_config())
            .seed(self.rng.u64(..))
            .ordering(scenario.ordering.into())
            .record_ttl(scenario.record_ttl)
            .stream_not_found_grace(self.puts.missing_grace)
            .budget(budget())
            .clock(process.clock())
            .wrap_tasks(process.task_wrapper());
        let builder = match scenario.distribution.described_every {
            Some(interval) => builder.describe_stream_summary_interval(interval),
            None => builder,
        };
        builder.build().expect("the options of a run are valid")
    }

    /// Waits for a while, and takes what receipts have to tell meanwhile.
    async fn pause(&mut self, outcomes: &mut Outcomes) {
        let longest = u64::try_from(self.fleet.scenario.pause.as_millis()).unwrap_or(u64::MAX);
        let pause = sleep(Duration::from_millis(self.rng.u64(0..=longest)));
        self.meanwhile(outcomes, pause).await;
    }

    /// Takes what receipts have to tell while something else is awaited: told late, an outcome seems to come late.
    async fn meanwhile<T>(&self, outcomes: &mut Outcomes, awaited: impl Future<Output = T>) -> T {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                biased;
                Some((record, outcome)) = outcomes.next() => self.ended(record, outcome),
                result = &mut awaited => return result,
            }
        }
    }

    async fn burst(&mut self, producer: &Producer, outcomes: &mut Outcomes) {
        let count = self.rng.u64(1..=BURST);
        if self.chance(self.puts.together) {
            let records: Vec<_> = (0..count).map(|_| self.record()).collect();
            let all = records.iter().map(|(_, record)| record.clone());
            let puts = producer.put_all(all.collect::<Vec<_>>());
            for ((id, record), put) in records.iter().zip(self.meanwhile(outcomes, puts).await) {
                outcomes.extend(self.put(*id, record, put));
            }
            return;
        }
        for _ in 0..count {
            let (id, record) = self.record();
            let put = if self.chance(self.puts.tried) {
                producer.try_put(record.clone())
            } else {
                self.meanwhile(outcomes, producer.put(record.clone())).await
            };
            outcomes.extend(self.put(id, &record, put));
        }
    }

    /// Tells what the producer has accepted and not yet ended.
    fn holds(&self, producer: &Producer) {
        let held = producer.stats().outstanding;
        self.tell(ProducerFact::Holds(oracle::Budget {
            records: held.records,
            bytes: held.bytes,
        }));
    }

    /// A record that no other is.
    fn record(&mut self) -> (RecordId, Record) {
        let id = self.fleet.next_record();
        let key = format!("{}-{}", self.id, self.rng.u64(..KEYS));
        let padding = if self.puts.large > 0 && self.rng.u16(..1_000) < self.puts.large {
            self.rng.usize(60_000..1_000_000)
        } else if self.rng.u8(..100) == 0 {
            self.rng.usize(..60_000)
        } else {
            self.rng.usize(..200)
        };
        let data = format!("{}/{}/{}", self.id, id.0, "x".repeat(padding));
        if self.chance(self.puts.keyless) {
            return (id, Record::without_key(data));
        }
        let record = Record::new(key, data);
        if self.chance(self.puts.placed) {
            let hash_key = HashKey::new(u128::MAX / HASH_KEYS * self.rng.u128(..HASH_KEYS));
            return (id, record.with_explicit_hash_key(hash_key));
        }
        (id, record)
    }

    /// Tells whether a record was accepted; then its outcome comes, unless the receipt is dropped.
    fn put(
        &mut self,
        id: RecordId,
        record: &Record,
        put: Result<Receipt, PutError>,
    ) -> Option<BoxFuture<'static, Outcome>> {
        let receipt = match put {
            Ok(receipt) => receipt,
            Err(error) => {
                self.fleet.sim.note(format!("{} could not put: {error}", self.id));
                return None;
            }
        };
        self.tell(ProducerFact::Accepted(AcceptedRecord {
            record: id,
            partition_key: record.partition_key().to_owned(),
            explicit_hash_key: record.explicit_hash_key().map(HashKey::value),
            payload: Digest::of(record.data()),
        }));
        if self.chance(self.puts.dropped) {
            self.tell(ProducerFact::ReceiptDropped { record: id });
            self.dropped.insert(id);
            return None;
        }
        Some(Box::pin(async move { (id, receipt.await) }))
    }

    /// What was put before a flush has its outcome after it.
    fn flushed(&self, outcomes: &mut Outcomes) {
        while let Some(Some((record, outcome))) = outcomes.next().now_or_never() {
            self.ended(record, outcome);
        }
        self.tell(ProducerFact::Flushed);
    }

    fn ended(&self, record: RecordId, outcome: Result<Delivered, PutError>) {
        self.tell(match outcome {
            Ok(delivered) => ProducerFact::Delivered {
                record,
                shard: shard_id(delivered.shard_id.as_str()),
                place: place(delivered.sequence_number.as_str(), delivered.sub_sequence_number),
            },
            Err(error) => returned(record, &error),
        });
    }

    /// Of records whose receipts were dropped, the report of the shutdown alone says that they are not delivered.
    fn returned(&self, errors: &[PutError]) {
        for error in errors {
            let record = id_of(error.record());
            if self.dropped.contains(&record) {
                self.tell(returned(record, error));
            }
        }
    }

    fn shut_down(&mut self) {
        self.ended = true;
        self.tell(ProducerFact::ShutDown);
    }

    /// Draws only if there is something to decide: a run that was written down before a choice came up stays the same.
    fn chance(&mut self, percent: u8) -> bool {
        percent > 0 && self.rng.u8(..100) < percent
    }

    fn tell(&self, fact: ProducerFact) {
        self.fleet.witness.tell(Fact::Producer(self.id.clone(), fact));
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(ProducerFact::Killed);
        }
    }
}

fn returned(record: RecordId, error: &PutError) -> ProducerFact {
    ProducerFact::Returned {
        record,
        reason: error.to_string(),
        stored: if error.may_have_been_stored() {
            Stored::Maybe
        } else {
            Stored::Never
        },
    }
}

/// The number in a record's data, as [`Life::record`] wrote it.
fn id_of(record: &Record) -> RecordId {
    RecordId(number_of(record.data()).expect("a record of a run"))
}

/// The number in a record's data.
pub(crate) fn number_of(data: &[u8]) -> Option<u64> {
    let number = data.split(|byte| *byte == b'/').nth(1)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}
