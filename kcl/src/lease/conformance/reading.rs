//! Scans, the index of owners, and the time.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use service::Clock;

use super::bench::{Bench, PAGE, key, owned};
use crate::checkpoint::position::Position;
use crate::coordination::rule::{Coordinator, Leases};
use crate::error::CallErrorKind;
use crate::lease::item::{Item, Row};
use crate::lease::memory::{Fault, Operation};
use crate::lease::model::{Lease, WorkerId};
use crate::lease::scan::{Listing, list};
use crate::observers::Observers;
use crate::stream::ShardId;

run_against_each_backend! {
    a_row_that_is_not_there_is_not_found,
    an_empty_table_has_one_empty_page,
    a_scan_reads_every_row_once_over_several_pages,
    a_page_that_is_throttled_or_unanswered_is_asked_for_again_alone,
    a_page_that_stays_throttled_ends_the_scan_with_its_error,
    a_row_that_cannot_be_read_is_a_hole_among_the_leases,
    a_row_of_another_kind_is_told_by_its_kind,
    leases_of_several_streams_are_leases_of_others,
    the_index_tells_the_leases_of_one_owner,
    the_index_follows_the_owner,
    a_table_without_the_index_says_so,
    the_time_of_the_backend_is_known_once_a_call_was_answered,
}

fn numbered(number: u8) -> Lease {
    let owner = ["a", "b"][usize::from(number % 2)];
    Lease {
        owner: Some(WorkerId::new(owner)),
        ..Lease::of_orders(&format!("shardId-{number:012}"), Position::TrimHorizon)
    }
}

async fn put_numbered(bench: &Bench, count: u8) -> Vec<Lease> {
    let leases: Vec<_> = (0..count).map(numbered).collect();
    for lease in &leases {
        bench.put(lease).await;
    }
    leases
}

async fn listed(bench: &Bench) -> Listing {
    list(
        bench.table(),
        &Clock::default(),
        &mut fastrand::Rng::with_seed(1),
        &Observers::default(),
    )
    .await
    .unwrap()
}

fn foreign(key: &str, entity_type: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Item::from([
        ("leaseKey".to_owned(), text(key)),
        ("entityType".to_owned(), text(entity_type)),
    ])
}

async fn a_row_that_is_not_there_is_not_found(bench: &Bench) {
    assert_eq!(bench.table().get(&key()).await, Ok(None));
}

async fn an_empty_table_has_one_empty_page(bench: &Bench) {
    let page = bench.table().scan_page(None).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (0, None));
}

async fn a_scan_reads_every_row_once_over_several_pages(bench: &Bench) {
    let leases = put_numbered(bench, 3 * PAGE + 1).await;
    assert_eq!(listed(bench).await.leases, leases);
    assert_eq!(bench.calls_of(Operation::ScanPage), 4);
}

async fn a_page_that_is_throttled_or_unanswered_is_asked_for_again_alone(bench: &Bench) {
    let leases = put_numbered(bench, 3 * PAGE + 1).await;
    for fault in [
        Fault::Pass,
        Fault::Pass,
        Fault::Throttled,
        Fault::RequestLost,
        Fault::ReplyLost,
    ] {
        bench.fail_next(Operation::ScanPage, fault);
    }
    assert_eq!(listed(bench).await.leases, leases);
    assert_eq!(bench.calls_of(Operation::ScanPage), 4 + 3);
}

async fn a_page_that_stays_throttled_ends_the_scan_with_its_error(bench: &Bench) {
    put_numbered(bench, PAGE + 1).await;
    for _ in 0..6 {
        bench.fail_next(Operation::ScanPage, Fault::Throttled);
    }
    let error = list(
        bench.table(),
        &Clock::default(),
        &mut fastrand::Rng::with_seed(1),
        &Observers::default(),
    )
    .await
    .unwrap_err();
    assert!(matches!(error.kind(), CallErrorKind::Throttled { .. }), "{error}");
    assert_eq!(bench.calls_of(Operation::ScanPage), 6);
}

async fn a_row_that_cannot_be_read_is_a_hole_among_the_leases(bench: &Bench) {
    let leases = put_numbered(bench, PAGE + 1).await;
    let damaged = Item::from([
        (
            "leaseKey".to_owned(),
            AttributeValue::S("shardId-000000000099".to_owned()),
        ),
        ("leaseCounter".to_owned(), AttributeValue::S("not a number".to_owned())),
    ]);
    bench.put_item(damaged).await;
    let listing = listed(bench).await;
    assert_eq!(listing.leases, leases);
    let [hole] = &listing.holes[..] else {
        panic!("{:?}", listing.holes)
    };
    assert_eq!(hole.shard, Some(ShardId::new("shardId-000000000099")));
    let row = bench.table().get(&hole.key).await.unwrap();
    assert_eq!(row, Some(Row::Hole(hole.clone())));
}

async fn a_row_of_another_kind_is_told_by_its_kind(bench: &Bench) {
    let leases = put_numbered(bench, 2).await;
    assert_eq!(listed(bench).await.rows.kinds(), None);
    bench.put_item(foreign("Leader", "LEADER")).await;
    bench.put_item(foreign("worker-a", "WORKER_METRIC_STATS")).await;
    bench.put_item(foreign("worker-b", "LATER")).await;
    let listing = listed(bench).await;
    assert_eq!(listing.leases, leases);
    assert!(listing.rows.lock.is_some());
    // It has no time.
    let damaged = listing.rows.damaged.iter().map(|error| error.key.as_str());
    assert!(damaged.into_iter().any(|key| key == "worker-a"), "{:?}", listing.rows);
    let kinds = r#"a Leader row, a Unknown("LATER") row, a damaged row "worker-a""#;
    assert_eq!(listing.rows.kinds().unwrap(), kinds);
}

async fn leases_of_several_streams_are_leases_of_others(bench: &Bench) {
    let lease = Lease {
        stream: Some("123456789012:orders:1700000000".into()),
        shard: ShardId::new("shardId-000000000003"),
        ..Lease::of_orders(
            "123456789012:orders:1700000000:shardId-000000000003",
            Position::TrimHorizon,
        )
    };
    bench.put(&lease).await;
    let listing = listed(bench).await;
    let seen = listing.seen(&Coordinator::Absent);
    assert_eq!(seen.leases, Leases::OfSeveralStreams);
    assert_eq!(listing.leases, [lease]);
}

async fn the_index_tells_the_leases_of_one_owner(bench: &Bench) {
    let leases = put_numbered(bench, 3 * PAGE).await;
    bench
        .put(&Lease {
            owner: None,
            ..numbered(51)
        })
        .await;
    bench.put_item(foreign("Leader", "LEADER")).await;
    let mut keys = bench.table().keys_of(&WorkerId::new("b")).await.unwrap().unwrap();
    keys.sort();
    let odd: Vec<_> = leases
        .iter()
        .skip(1)
        .step_by(2)
        .map(|lease| lease.key.clone())
        .collect();
    assert_eq!(keys, odd);
    assert_eq!(bench.table().keys_of(&WorkerId::new("c")).await, Ok(Some(Vec::new())));
}

async fn the_index_follows_the_owner(bench: &Bench) {
    bench.put(&owned()).await;
    assert_eq!(bench.table().keys_of(&WorkerId::new("a")).await, Ok(Some(vec![key()])));
    bench.put(&Lease { owner: None, ..owned() }).await;
    assert_eq!(bench.table().keys_of(&WorkerId::new("a")).await, Ok(Some(Vec::new())));
}

async fn a_table_without_the_index_says_so(bench: &Bench) {
    bench.put(&owned()).await;
    bench.drop_index().await;
    assert_eq!(bench.table().keys_of(&WorkerId::new("a")).await, Ok(None));
}

async fn the_time_of_the_backend_is_known_once_a_call_was_answered(bench: &Bench) {
    bench.table().scan_page(None).await.unwrap();
    let before = bench.table().service_time().unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(bench.table().service_time().unwrap() >= before);
}
