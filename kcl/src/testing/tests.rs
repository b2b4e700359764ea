//! What a test shard gives a processor, and what it tells of it.

use std::time::SystemTime;

use aggregation::HashKey;
use futures::FutureExt as _;

use super::*;
use crate::record::Origin;

/// Checkpoints after each batch, at shutdown and at the end.
#[derive(Debug, Default)]
struct Checkpoints {
    seen: Vec<String>,
    lost: Option<LeaseLost>,
}

impl RecordProcessor for Checkpoints {
    async fn initialize(&mut self, shard: &ShardContext) -> Result<(), HandlerError> {
        self.seen.push(shard.shard.to_string());
        Ok(())
    }

    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        self.seen
            .extend(batch.records.iter().map(|record| record.position().to_string()));
        Ok(checkpointer.checkpoint().await?)
    }

    async fn lease_lost(&mut self, reason: LeaseLost) {
        self.lost = Some(reason);
    }
}

fn three() -> [TestRecord; 3] {
    ["1", "2", "3"].map(|data| TestRecord::new("key", data))
}

#[tokio::test]
async fn records_are_numbered_and_checkpoints_recorded_in_their_order() {
    let shard = TestShard::new();
    let mut processor = Checkpoints::default();
    shard.initialize(&mut processor).await.unwrap();
    shard.process(&mut processor, three()).await.unwrap();
    let aggregate = [0, 1].map(|place| TestRecord::new("key", "x").aggregated(place));
    shard.process(&mut processor, aggregate).await.unwrap();
    shard.end(&mut processor).await.unwrap();
    assert_eq!(
        processor.seen,
        ["orders/shardId-000000000000", "1", "2", "3", "4", "4:1"]
    );
    assert_eq!(shard.checkpoints(), [at(3), at_place(4, 1), Position::ShardEnd]);
}

#[tokio::test]
async fn a_checkpoint_beyond_what_was_delivered_is_refused_as_by_a_worker() {
    let shard = TestShard::new();
    let batch = shard.batch(three());
    let beyond: Record = TestRecord::new("key", "x").at(4).into();
    assert!(shard.checkpointer().checkpoint_at(&beyond).await.is_err());
    shard.checkpointer().checkpoint_at(&batch.records[1]).await.unwrap();
    assert_eq!(shard.checkpoints(), [at(2)]);
    assert_eq!(shard.checkpointer().last(), at(2));
}

#[tokio::test]
async fn a_checkpoint_fails_as_often_as_the_test_asks_for() {
    let shard = TestShard::new();
    let mut processor = Checkpoints::default();
    shard.fail_checkpoint(CheckpointFailure::Throttled);
    let error = shard.process(&mut processor, three()).await.unwrap_err();
    assert!(error.is_of_the_table(), "{error}");
    assert_eq!(shard.checkpoints(), []);
    shard.process(&mut processor, three()).await.unwrap();
    assert_eq!(shard.checkpoints(), [at(6)]);
}

#[tokio::test]
async fn deferred_and_prepared_checkpoints_are_recorded_apart() {
    let shard = TestShard::new().pending(at(9), b"file-1".to_vec());
    assert_eq!(shard.context().pending.unwrap().state.as_deref(), Some(&b"file-1"[..]));
    let batch = shard.batch(three());
    shard.checkpointer().defer_at(&batch.records[0]).unwrap();
    let prepared = shard
        .checkpointer()
        .prepare_at(&batch.records[1], *b"file-2")
        .await
        .unwrap();
    assert_eq!((shard.deferred(), shard.checkpoints()), (vec![at(1)], vec![]));
    assert_eq!(shard.prepared()[0].position, at(2));
    prepared.commit().await.unwrap();
    assert_eq!(shard.checkpoints(), [at(2)]);
    shard.fail_checkpoint(CheckpointFailure::Throttled);
    let failed = shard.checkpointer().prepare(*b"file-3").await;
    assert!(matches!(failed, Err(CheckpointError::Throttled(_))));
}

#[tokio::test]
async fn a_lost_lease_cancels_its_guard_and_refuses_checkpoints() {
    let shard = TestShard::new().token(7);
    let mut processor = Checkpoints::default();
    let batch = shard.batch(three());
    assert_eq!((batch.lease.token().value(), batch.lease.is_valid()), (7, true));
    assert_eq!(batch.lease.cancelled().now_or_never(), None);
    let taken = LeaseLost::Taken {
        by: Some(WorkerId::new("other")),
    };
    shard.lose(&mut processor, taken.clone()).await;
    assert_eq!(batch.lease.lost().now_or_never(), Some(taken.clone()));
    assert_eq!(processor.lost, Some(taken));
    let refused = shard.checkpointer().checkpoint().await;
    assert_eq!(refused, Err(CheckpointError::LeaseLost));
    assert_eq!(shard.checkpoints(), []);
}

#[tokio::test]
async fn a_shard_begins_where_and_as_the_test_says() {
    let range = HashKeyRange::new(HashKey::new(5), HashKey::new(9)).unwrap();
    let real = "49680419022772832933583656857452381179346641341707714626";
    let checkpoint = Position::from_row(real, 2).unwrap();
    let shard = TestShard::new()
        .named("clicks", "shardId-000000000003")
        .parents(["shardId-000000000001", "shardId-000000000002"])
        .hash_range(range)
        .checkpoint(checkpoint.clone())
        .worker("w7");
    let context = shard.context();
    assert_eq!(context.shard.to_string(), "clicks/shardId-000000000003");
    assert_eq!(context.parents.len(), 2);
    assert_eq!(context.hash_range, Some(range));
    assert_eq!((context.checkpoint, context.worker.as_str()), (checkpoint, "w7"));
    let next = shard.batch(three()).records[0].position().to_string();
    assert_eq!(next, "49680419022772832933583656857452381179346641341707714627");
}

#[test]
fn a_record_has_what_the_test_gives_it_and_keeps_its_position() {
    let shard = TestShard::new();
    let damage = aggregation::RecordDamage::PartitionKeyIndexOutOfRange { index: 7, table_len: 1 };
    let record = TestRecord::new("", "data")
        .aggregated(2)
        .at(9)
        .hash_key(HashKey::new(3))
        .tag("trace", "abc")
        .tag("bare", None)
        .arrived(SystemTime::UNIX_EPOCH)
        .damaged(damage.clone());
    let record = shard.batch([record]).records.remove(0);
    assert_eq!(record.position().to_string(), "9:2");
    assert_eq!((record.origin(), record.damage()), (Origin::Aggregated, Some(&damage)));
    assert_eq!(record.explicit_hash_key(), Some(HashKey::new(3)));
    assert_eq!(record.approximate_arrival(), Some(SystemTime::UNIX_EPOCH));
    let tags: Vec<_> = record
        .tags()
        .iter()
        .map(|tag| (&*tag.key, tag.value.as_deref()))
        .collect();
    assert_eq!(tags, [("trace", Some("abc")), ("bare", None)]);
    assert_eq!(shard.batch([record.clone()]).records, [record]);
}
