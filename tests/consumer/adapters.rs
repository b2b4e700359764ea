//! The forms in which an application gives its processors.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kcl::{Batch, BoxProcessor, Checkpointer, HandlerError, RecordProcessor, ShardContext};

use super::MINUTE;
use crate::fleet::{Checkpoints, Journal, Recorder, put, split, start, stream, worker};

/// Passes over everything.
struct Silent;

impl RecordProcessor for Silent {
    async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_factory_may_make_another_type_of_processor_for_each_shard() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let of_processor = journal.clone();
    let builder =
        worker(&sim, "w1", &journal, Checkpoints::Never).processor(move |shard: &ShardContext| -> BoxProcessor {
            if shard.shard_id().as_str().ends_with('0') {
                return Box::new(Silent);
            }
            Box::new(Recorder {
                worker: "w1".to_owned(),
                shard: shard.shard_id().to_string(),
                journal: of_processor.clone(),
                checkpoints: Checkpoints::AfterEachBatch,
            })
        });
    let (_control, _running) = start(builder);
    let mut places = put(&producer, 0..100).await;
    places.retain(|place| place.0.ends_with('1'));
    journal
        .until("all records of the one shard", |journal| journal.read() == places)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_context_has_the_shards_parents_its_hash_keys_and_its_worker() {
    let (sim, _producer) = stream(1);
    let contexts = Arc::new(Mutex::new(Vec::<ShardContext>::new()));
    let made = Arc::clone(&contexts);
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never).processor(move |shard: &ShardContext| {
        made.lock().unwrap().push(shard.clone());
        Silent
    });
    let (_control, _running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    split(&sim, "shardId-000000000000", 1 << 127).await;
    tokio::time::sleep(MINUTE).await;
    let contexts = contexts.lock().unwrap();
    let parents = |shard: &ShardContext| shard.parents.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(contexts.len(), 3);
    assert!(contexts.iter().all(|shard| shard.worker.as_str() == "w1"));
    assert_eq!(parents(&contexts[0]), BTreeSet::new());
    for child in &contexts[1..] {
        assert_eq!(parents(child), ["shardId-000000000000".to_owned()].into());
    }
    let mut ranges: Vec<_> = contexts[1..].iter().map(|child| child.hash_range.unwrap()).collect();
    ranges.sort_by_key(|range| range.start());
    assert_eq!(ranges[1].start().value(), 1 << 127);
}
