//! How the workers of a fleet come to equal shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kcl::Event;
use kcl::event::FleetEvent;

use super::{Fleet, SECOND};

#[tokio::test(start_paused = true)]
async fn a_single_worker_reads_its_first_shard_within_a_second_of_the_table() {
    let mut fleet = Fleet::new(4);
    fleet.start("w1");
    let took = fleet.until_level(4).await;
    // The table is created within this time too.
    assert!(took <= 3 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_that_start_at_once_have_equal_shares_at_once_and_move_nothing_later() {
    let mut fleet = Fleet::new(300);
    for number in 0..10 {
        fleet.start(&format!("w{number}"));
    }
    let took = fleet.until_level(300).await;
    assert!(took <= 10 * SECOND, "{took:?}");
    let begun = fleet.journal.entries().len();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(fleet.journal.entries().len(), begun);
}

#[tokio::test(start_paused = true)]
async fn a_third_worker_has_its_share_within_ten_seconds() {
    let mut fleet = Fleet::new(9);
    fleet.start("w1");
    fleet.start("w2");
    fleet.until_level(9).await;
    tokio::time::sleep(90 * SECOND).await;
    fleet.start("w3");
    let took = fleet.until_level(9).await;
    assert!(took <= 10 * SECOND, "{took:?}");
    let leader = fleet.leader().await.unwrap();
    assert_eq!(fleet.control(&leader).decisions().last().unwrap().to.as_str(), "w3");
}

#[tokio::test(start_paused = true)]
async fn no_worker_has_more_leases_than_it_may_have_and_a_fleet_that_is_too_small_says_so() {
    let mut fleet = Fleet::new(7);
    let told = Arc::new(AtomicUsize::new(0));
    for name in ["w1", "w2"] {
        let count = Arc::clone(&told);
        let builder = fleet.worker(name).max_leases(2).on_event(move |event| {
            if let Event::Fleet(FleetEvent::TooSmall {
                leases: 7,
                room: 4,
                workers: 2,
                ..
            }) = event
            {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        fleet.start_as(name, builder);
    }
    tokio::time::sleep(90 * SECOND).await;
    assert_eq!(fleet.counts(), [2, 2]);
    assert!(told.load(Ordering::SeqCst) > 0);
    fleet.start("w3");
    fleet
        .until("the third worker has the others", || fleet.counts() == [2, 2, 3])
        .await;
}
