//! What a flush hint and the drop of the last handle do for the records that are open, though nobody waits for it.

use super::{HOUR, SECOND, kinds, outage, producer, records, sim, stored};
use crate::error::PutErrorKind;

#[tokio::test(start_paused = true)]
async fn a_flush_hint_sends_what_there_is_and_waits_for_nothing() {
    let sim = sim();
    let producer = producer(&sim).record_max_buffered_time(HOUR).build().unwrap();
    let receipts = producer.put_all(records(0..10)).await;
    producer.flush_hint();
    assert_eq!(stored(&sim), 0);
    assert_eq!(kinds(receipts).await, vec![None; 10]);
    assert!(sim.elapsed() < SECOND);
    producer.shutdown(SECOND).await;
    producer.flush_hint();
}

#[tokio::test(start_paused = true)]
async fn what_the_last_drop_cannot_deliver_in_its_30_seconds_fails_as_shut_down() {
    let sim = sim();
    let producer = producer(&sim).build().unwrap();
    outage(&sim);
    let receipts = producer.put_all(records(0..3)).await;
    drop(producer);
    let shut_down = Some(PutErrorKind::ShutDown);
    assert_eq!(kinds(receipts).await, [shut_down.clone(), shut_down.clone(), shut_down]);
    assert!(
        (30 * SECOND..31 * SECOND).contains(&sim.elapsed()),
        "{:?}",
        sim.elapsed()
    );
}
