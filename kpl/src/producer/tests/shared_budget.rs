//! Producers that share a budget: what one of them holds, the others wait for.

use testkit::sim::Fault;

use super::{SECOND, kinds, producer, sim, sized};
use crate::budget::Budget;
use crate::error::PutErrorKind;
use crate::producer::Producer;
use crate::record::Record;

#[tokio::test(start_paused = true)]
async fn producers_that_share_a_budget_share_its_room_and_a_stream_that_is_down_keeps_what_it_holds() {
    let (sim, budget) = (sim(), Budget::new(2_000, 100));
    let nowhere = Producer::builder("elsewhere")
        .aws(&sim.sdk_config())
        .stream_not_found_grace(60 * SECOND);
    let down = nowhere.budget(budget.clone()).seed(7).build().unwrap();
    let up = producer(&sim).budget(budget).build().unwrap();
    let held = down.put_all((0..3).map(sized)).await;
    assert_eq!(up.try_put(sized(3)).unwrap_err().kind(), &PutErrorKind::Full);
    let receipt = up.put(sized(3)).await.unwrap();
    assert!(sim.elapsed() >= 60 * SECOND, "its records had their outcome first");
    assert!(receipt.await.is_ok());
    assert_eq!(kinds(held).await, vec![Some(PutErrorKind::StreamNotFound); 3]);
}

#[tokio::test(start_paused = true)]
async fn producers_that_share_a_budget_wait_for_room_for_their_copies_and_keep_their_place() {
    let (sim, budget) = (sim(), Budget::new(60_000, 1_000));
    sim.faults(|call| match (call.client, call.operation) {
        ("slow", "PutRecords") => Fault::RequestHangs,
        _ => Fault::None,
    });
    let shared = |client| {
        let builder = Producer::builder("orders").aws(&sim.client(client)).seed(7);
        builder.budget(budget.clone()).build().unwrap()
    };
    let (slow, quick) = (shared("slow"), shared("quick"));
    let held = slow.put(Record::new("a", vec![0; 8_000])).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let waiting = quick.put(Record::new("b", vec![0; 8_000])).await.unwrap();
    // What else happens to the producer that waits does not cost it its place in line.
    for _ in 0..10 {
        quick.flush_hint();
        tokio::time::sleep(SECOND / 10).await;
    }
    assert!(waiting.await.is_ok());
    let took = sim.elapsed();
    assert!(
        took > 6 * SECOND && took < 8 * SECOND,
        "{took:?}: with the time-out of the other's request"
    );
    sim.heal();
    assert!(held.await.is_ok());
}
