//! Cases of what is handed out of a page.

use aggregation::{Encoder, UserRecordRef};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::checkpoint::position::RecordPosition;
use crate::lease::layout::TableLayout;
use crate::observers::Observers;
use crate::retrieval::permit::ReadBudget;
use crate::stream::{Incarnation, ShardId, ShardRef, StreamRef};

fn observer() -> ShardObserver {
    let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-000000000000"));
    let layout = TableLayout::OneStream(shard.stream.clone());
    let lease = layout.rows_of(&shard.stream).key_of(&shard.shard);
    Observers::default().of_shard(shard, lease)
}

/// A Kinesis record with this sequence number: an aggregate of `aggregated` user records, or a plain record for 0.
fn raw(sequence_number: u64, aggregated: usize) -> RawRecord {
    let mut encoder = Encoder::new();
    for _ in 0..aggregated {
        encoder.append(&UserRecordRef::new("key", None, b"data"));
    }
    RawRecord {
        sequence_number: sequence_number.to_string().parse().unwrap(),
        partition_key: "key".into(),
        data: encoder
            .seal()
            .map_or(Bytes::from_static(b"plain"), |aggregate| aggregate.data),
        approximate_arrival: None,
    }
}

async fn backlog(records: impl IntoIterator<Item = RawRecord>) -> (ReadBudget, Backlog) {
    let budget = ReadBudget::new(1_000_000);
    let mut backlog = Backlog::new(observer());
    backlog.put(Page {
        records: records.into_iter().collect(),
        lag: None,
        asked_at: service::Clock::default().now(),
        stream: Incarnation::default(),
        permit: budget.account().permit(1_000_000).await,
    });
    (budget, backlog)
}

fn positions(delivery: &Delivery) -> Vec<String> {
    delivery
        .records
        .iter()
        .map(|record| record.position().to_string())
        .collect()
}

#[tokio::test]
async fn a_page_is_handed_out_in_batches_that_may_end_inside_an_aggregate() {
    let (_, mut backlog) = backlog([raw(1, 0), raw(2, 3), raw(3, 0)]).await;
    let mut batches = Vec::new();
    while let Some(delivery) = backlog.next(2, &Position::TrimHorizon) {
        batches.push(positions(&delivery));
        backlog.processed();
    }
    assert_eq!(batches, [vec!["1", "2"], vec!["2:1", "2:2"], vec!["3"]]);
}

#[tokio::test]
async fn what_has_failed_is_handed_out_again_without_what_is_done() {
    let (_, mut backlog) = backlog([raw(1, 0), raw(2, 3)]).await;
    backlog.next(3, &Position::TrimHorizon).unwrap();
    backlog.failed();
    let done = Position::At(RecordPosition {
        sequence_number: "2".parse().unwrap(),
        sub_sequence_number: 0,
    });
    assert_eq!(positions(&backlog.next(3, &done).unwrap()), ["2:1", "2:2"]);
}

#[tokio::test]
async fn what_is_looked_at_is_handed_out_all_the_same() {
    let (_, mut backlog) = backlog([raw(1, 0), raw(2, 3)]).await;
    let start = Position::TrimHorizon;
    backlog.next(1, &start).unwrap();
    let seen = |records: Vec<Record>| Vec::from_iter(records.iter().map(|record| record.position().to_string()));
    for _ in 0..2 {
        assert_eq!(seen(backlog.look(3, &start)), ["1", "2", "2:1"]);
    }
    assert_eq!(positions(&backlog.next(10, &start).unwrap()), ["1", "2", "2:1", "2:2"]);
}

#[tokio::test]
async fn the_room_of_a_page_is_released_when_the_last_of_its_batches_is() {
    let (budget, mut backlog) = backlog([raw(1, 2)]).await;
    let first = backlog.next(1, &Position::TrimHorizon).unwrap();
    backlog.processed();
    let second = backlog.next(1, &Position::TrimHorizon).unwrap();
    backlog.processed();
    assert!(backlog.next(1, &Position::TrimHorizon).is_none());
    drop(first);
    assert_eq!(budget.charged(), 1_000_000);
    drop(second);
    assert_eq!(budget.charged(), 0);
}

#[tokio::test]
async fn a_page_of_records_that_are_all_done_is_handed_out_as_nothing() {
    let (budget, mut backlog) = backlog([raw(1, 2)]).await;
    assert!(backlog.next(10, &Position::ShardEnd).is_none());
    assert_eq!(budget.charged(), 0);
}

proptest! {
    #[test]
    fn every_record_is_processed_once_and_in_order_whatever_fails(
        aggregated in proptest::collection::vec(0_usize..5, 1..3 * CHECKED_AT_ONCE),
        calls in proptest::collection::vec((1_usize..40, any::<bool>()), 1..60),
    ) {
        let page: Vec<_> = (1..).zip(&aggregated).map(|(number, aggregated)| raw(number, *aggregated)).collect();
        let expected: Vec<_> = (1..)
            .zip(&aggregated)
            .flat_map(|(number, aggregated)| (0..(*aggregated).max(1) as u64).map(move |sub| (number, sub)))
            .collect();
        let mut backlog = Backlog::new(observer());
        backlog.raw = page.into();
        let (mut done, mut processed) = (Position::TrimHorizon, Vec::new());
        // In the end everything succeeds.
        for (at_most, succeeds) in calls.into_iter().chain(std::iter::repeat_n((3, true), expected.len())) {
            let Some(delivery) = backlog.next(at_most, &done) else { break };
            prop_assert!(delivery.records.len() <= at_most);
            if succeeds {
                let last = delivery.records.last().unwrap().position().clone();
                done = Position::At(last);
                processed.extend(delivery.records.iter().map(|record| {
                    let number: u64 = record.sequence_number().as_str().parse().unwrap();
                    (number, record.sub_sequence_number())
                }));
                backlog.processed();
            } else {
                backlog.failed();
            }
        }
        prop_assert_eq!(processed, expected);
        prop_assert!(backlog.raw.is_empty());
    }
}
