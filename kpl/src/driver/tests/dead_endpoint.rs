//! The figures of a producer whose endpoint does not answer from the start.

use super::{SECOND, producer, put, sim};
use crate::budget::Budget;
use testkit::sim::Fault;

#[tokio::test(start_paused = true)]
async fn attempts_failures_and_retries_count_while_nothing_answers() {
    for (fault, least) in [(Fault::RequestLost, 20), (Fault::RequestHangs, 8)] {
        let sim = sim();
        let always = fault.clone();
        sim.faults(move |_| always.clone());
        let producer = producer(&sim, &Budget::default());
        let receipts = put(&producer, 10).await;
        sim.advance(60 * SECOND).await;
        let stats = producer.stats();
        for (figure, name) in [
            (stats.requests, "requests"),
            (stats.requests_failed, "requests_failed"),
            (stats.retries, "retries"),
        ] {
            assert!(figure >= least, "{fault:?}: {name} {figure}");
        }
        assert_eq!(stats.requests as usize, sim.calls().len());
        drop(receipts);
    }
}
