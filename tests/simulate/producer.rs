//! A producer of a run: it puts records that no other has, and tells the witness what became of each.

use std::time::Duration;

use fastrand::Rng;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kpl::{Budget, Delivered, Producer, PutError, Record};
use testkit::oracle::{self, AcceptedRecord, Digest, Fact, FleetFact, ProducerFact, RecordId, Stored};
use testkit::sim::Process;
use tokio::time::sleep;

use crate::exceptions::BUDGET;
use crate::fleet::{Fleet, Producing, STREAM};
use crate::recorder::{place, shard_id};

/// How long a producer may take to deliver what it holds when it ends.
const DRAIN: Duration = Duration::from_secs(120);

/// The most records that are put at once.
const BURST: u64 = 10;

/// Different partition keys of one producer.
const KEYS: u64 = 40;

fn budget() -> Budget {
    let size = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Budget::new(size(BUDGET.bytes), size(BUDGET.records))
}

/// One life of a producer.
struct Life {
    id: oracle::Process,
    fleet: Fleet,
    rng: Rng,
    ended: bool,
    _producing: Producing,
}

type Outcome = (RecordId, Result<Delivered, PutError>);

impl Fleet {
    /// Runs a producer in the process until there is [`enough`](Fleet::enough).
    pub(crate) fn start_producer(&self, name: &str) {
        let fleet = self.clone();
        self.sim
            .process(name)
            .run(move |process| fleet.clone().produce(process));
    }

    async fn produce(self, process: Process) {
        let number = self.next_life();
        let mut life = Life::new(
            &self,
            process.name(),
            &format!("{}.{number}", process.name()),
            self.rng(number),
        );
        let producer = Producer::builder(STREAM)
            .aws(&process.sdk_config())
            .seed(life.rng.u64(..))
            .ordering(self.scenario.ordering.into())
            .record_ttl(self.scenario.record_ttl)
            .budget(budget())
            .wrap_tasks(process.task_wrapper())
            .build()
            .expect("the options of a run are valid");
        let mut outcomes: FuturesUnordered<BoxFuture<'static, Outcome>> = FuturesUnordered::new();
        while !self.is_enough() {
            let pause = u64::try_from(self.scenario.pause.as_millis()).unwrap_or(u64::MAX);
            let pause = sleep(Duration::from_millis(life.rng.u64(0..=pause)));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    biased;
                    Some((record, outcome)) = outcomes.next() => life.ended(record, outcome),
                    () = &mut pause => break,
                }
            }
            for _ in 0..life.rng.u64(1..=BURST) {
                if let Some(outcome) = life.put(&producer).await {
                    outcomes.push(outcome);
                }
            }
        }
        producer.shutdown(DRAIN).await;
        // Every receipt has its outcome by now; one that does not end would be found at the end of the run.
        life.shut_down();
        while let Some((record, outcome)) = outcomes.next().await {
            life.ended(record, outcome);
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
            rng,
            ended: false,
            _producing: fleet.producing(),
        }
    }

    fn tell(&self, fact: ProducerFact) {
        self.fleet.witness.tell(Fact::Producer(self.id.clone(), fact));
    }

    async fn put(&mut self, producer: &Producer) -> Option<BoxFuture<'static, Outcome>> {
        let record = self.fleet.next_record();
        let key = format!("{}-{}", self.id, self.rng.u64(..KEYS));
        let padding = if self.rng.u8(..100) == 0 {
            self.rng.usize(..60_000)
        } else {
            self.rng.usize(..200)
        };
        let data = format!("{}/{}/{}", self.id, record.0, "x".repeat(padding));
        let receipt = producer.put(Record::new(key.clone(), data.clone())).await;
        match receipt {
            Ok(receipt) => {
                self.tell(ProducerFact::Accepted(AcceptedRecord {
                    record,
                    partition_key: key,
                    explicit_hash_key: None,
                    payload: Digest::of(data.as_bytes()),
                }));
                Some(Box::pin(async move { (record, receipt.await) }))
            }
            Err(error) => {
                self.fleet.sim.note(format!("{} could not put: {error}", self.id));
                None
            }
        }
    }

    fn ended(&self, record: RecordId, outcome: Result<Delivered, PutError>) {
        self.tell(match outcome {
            Ok(delivered) => ProducerFact::Delivered {
                record,
                shard: shard_id(delivered.shard_id.as_str()),
                place: place(delivered.sequence_number.as_str(), delivered.sub_sequence_number),
            },
            Err(error) => ProducerFact::Returned {
                record,
                reason: error.to_string(),
                stored: if error.may_have_been_stored() {
                    Stored::Maybe
                } else {
                    Stored::Never
                },
            },
        });
    }

    fn shut_down(&mut self) {
        self.ended = true;
        self.tell(ProducerFact::ShutDown);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(ProducerFact::Killed);
        }
    }
}
