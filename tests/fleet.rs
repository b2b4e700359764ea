//! Workers under test, and everything that their processors were given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{Batch, Checkpointer, HandlerError, RecordProcessor, ShardContext, Worker, WorkerBuilder};
use kpl::{Producer, Record};
use testkit::sim::Sim;
use tokio::task::JoinHandle;

pub(crate) const STREAM: &str = "orders";
pub(crate) const APPLICATION: &str = "billing";

/// The place of a user record: shard, sequence number, sub-sequence number.
pub(crate) type Place = (String, String, u64);

/// What all processors of a test were given, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<Entry>>>);

/// One thing that happened to a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Initialized {
        worker: String,
        shard: String,
        checkpoint: String,
    },
    Read {
        worker: String,
        place: Place,
        data: String,
    },
    ShardEnded {
        shard: String,
    },
    ShutdownRequested {
        shard: String,
    },
    LeaseLost {
        worker: String,
        shard: String,
    },
}

impl Journal {
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn push(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }

    /// The places that were read, once each.
    pub(crate) fn has_ended_a_shard(&self) -> bool {
        self.entries()
            .iter()
            .any(|entry| matches!(entry, Entry::ShardEnded { .. }))
    }

    pub(crate) fn read(&self) -> BTreeSet<Place> {
        self.all_read().into_iter().collect()
    }

    /// The places that were read, as often as they were, in order.
    pub(crate) fn all_read(&self) -> Vec<Place> {
        let place = |entry| {
            if let Entry::Read { place, .. } = entry {
                Some(place)
            } else {
                None
            }
        };
        self.entries().into_iter().filter_map(place).collect()
    }

    /// Waits (in virtual time) until `done` says so; fails after ten virtual minutes.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..6_000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "{what} did not happen; the journal ends with {:#?}",
            self.entries().iter().rev().take(3).collect::<Vec<_>>()
        );
    }

    /// The parent's end was reported before the first record of the child (C2). Shards by the ends of their ids.
    pub(crate) fn assert_parent_before_child(&self, parent: &str, child: &str) {
        let entries = self.entries();
        let ended = |entry: &Entry| matches!(entry, Entry::ShardEnded { shard } if shard.ends_with(parent));
        let read = |entry: &Entry| matches!(entry, Entry::Read { place, .. } if place.0.ends_with(child));
        let ended = entries.iter().position(ended).unwrap();
        let read = entries.iter().position(read).unwrap();
        assert!(ended < read, "{parent} before {child}");
    }

    /// Whatever was read again behind a checkpoint: for the first time, each shard's records were read in its order.
    pub(crate) fn assert_first_reads_are_in_order(&self) {
        let mut first_reads: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (shard, sequence, sub) in self.all_read() {
            if seen.insert((shard.clone(), sequence.clone(), sub)) {
                let place = (format!("{sequence:0>60}"), sub);
                first_reads.entry(shard).or_default().push(place);
            }
        }
        for (shard, places) in first_reads {
            assert!(places.is_sorted(), "{shard}");
        }
    }
}

/// How a processor checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checkpoints {
    AfterEachBatch,
    /// At the record in the middle of each batch.
    InTheMiddle,
    Never,
}

/// Writes everything into the journal.
pub(crate) struct Recorder {
    pub(crate) worker: String,
    pub(crate) shard: String,
    pub(crate) journal: Journal,
    pub(crate) checkpoints: Checkpoints,
}

impl RecordProcessor for Recorder {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        let (worker, checkpoint) = (self.worker.clone(), shard.checkpoint.to_string());
        self.journal.push(Entry::Initialized {
            worker,
            shard: self.shard.clone(),
            checkpoint,
        });
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        assert!(
            batch.lease.is_valid(),
            "no delivery begins on a lease that others may have (C3)"
        );
        for record in &batch.records {
            let place = (
                self.shard.clone(),
                record.sequence_number().to_string(),
                record.sub_sequence_number(),
            );
            let data = String::from_utf8_lossy(record.data()).into_owned();
            self.journal.push(Entry::Read {
                worker: self.worker.clone(),
                place,
                data,
            });
        }
        match self.checkpoints {
            Checkpoints::AfterEachBatch => checkpointer.checkpoint().await?,
            Checkpoints::InTheMiddle => {
                checkpointer
                    .checkpoint_at(&batch.records[batch.records.len() / 2])
                    .await?
            }
            Checkpoints::Never => {}
        }
        Ok(())
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        checkpointer.checkpoint().await?;
        self.journal.push(Entry::ShardEnded {
            shard: self.shard.clone(),
        });
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.journal.push(Entry::ShutdownRequested {
            shard: self.shard.clone(),
        });
        if self.checkpoints == Checkpoints::AfterEachBatch {
            checkpointer.checkpoint().await?;
        }
        Ok(())
    }

    async fn lease_lost(&mut self, _: kcl::LeaseLost) {
        self.journal.push(Entry::LeaseLost {
            worker: self.worker.clone(),
            shard: self.shard.clone(),
        });
    }
}

/// A worker named `name` whose processors write to `journal`.
pub(crate) fn worker(sim: &Sim, name: &str, journal: &Journal, checkpoints: Checkpoints) -> WorkerBuilder {
    let (worker, journal) = (name.to_owned(), journal.clone());
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client(name))
        .worker_id(name)
        .seed(name.len() as u64)
        .processor(move |shard: &ShardContext| Recorder {
            worker: worker.clone(),
            shard: shard.shard_id().to_string(),
            journal: journal.clone(),
            checkpoints,
        })
}

/// Runs a worker in a task of its own. Aborting the task kills the worker on the spot.
#[expect(
    clippy::disallowed_methods,
    reason = "the task stands for a process; tests abort it to crash the worker"
)]
pub(crate) fn start(
    builder: WorkerBuilder,
) -> (
    kcl::WorkerControl,
    JoinHandle<Result<kcl::ShutdownReport, kcl::RunError>>,
) {
    let worker = builder.build().unwrap();
    let control = worker.control();
    (control, tokio::spawn(worker.run()))
}

/// Puts records `data-<n>` and returns where each was stored.
pub(crate) async fn put(producer: &Producer, records: std::ops::Range<usize>) -> BTreeSet<Place> {
    put_all(
        producer,
        records.map(|n| Record::new(format!("key-{n}"), format!("data-{n}"))),
    )
    .await
}

/// Puts records and returns where each was stored.
pub(crate) async fn put_all(producer: &Producer, records: impl IntoIterator<Item = Record>) -> BTreeSet<Place> {
    let mut receipts = Vec::new();
    for record in records {
        receipts.push(producer.put(record).await.unwrap());
    }
    let mut places = BTreeSet::new();
    for receipt in receipts {
        let delivered = receipt.await.unwrap();
        places.insert((
            delivered.shard_id.to_string(),
            delivered.sequence_number.to_string(),
            delivered.sub_sequence_number,
        ));
    }
    places
}

/// A simulated service with one stream, and a producer for it.
pub(crate) fn stream(shards: usize) -> (Sim, Producer) {
    let sim = Sim::new(11);
    sim.create_stream(STREAM, shards).unwrap();
    let producer = Producer::builder(STREAM)
        .aws(&sim.client("producer"))
        .seed(11)
        .build()
        .unwrap();
    (sim, producer)
}

/// Splits a shard before the hash key `at`, and waits until that is done.
pub(crate) async fn split(sim: &Sim, shard: &str, at: u128) {
    let client = aws_sdk_kinesis::Client::new(&sim.client("operator"));
    let split = client.split_shard().stream_name(STREAM).shard_to_split(shard);
    split.new_starting_hash_key(at.to_string()).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// Merges two neighbouring shards, and waits until that is done.
pub(crate) async fn merge(sim: &Sim, shard: &str, neighbour: &str) {
    let client = aws_sdk_kinesis::Client::new(&sim.client("operator"));
    let merge = client.merge_shards().stream_name(STREAM).shard_to_merge(shard);
    merge.adjacent_shard_to_merge(neighbour).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
}
