//! What the gauges show, and what counts while nothing answers.

use super::super::levels::{OUTSTANDING, WAITING};
use super::*;
use crate::budget::Budget;

/// A scene whose budget has room for ten records, and whose endpoint does not answer from the start.
fn dead() -> Scene {
    let scene = Scene::with(1, |builder| builder.budget(Budget::new(1 << 20, 10)));
    scene.sim.faults(|_| Fault::RequestLost);
    scene
}

#[tokio::test(start_paused = true)]
async fn what_is_outstanding_and_waits_is_shown_and_ends_at_nothing() {
    let scene = dead();
    let receipts = scene.put(10).await;
    let waiting = tokio::time::timeout(SECOND, scene.put(1)).await;
    assert!(waiting.is_err());
    assert_eq!(scene.recorder.gauge(OUTSTANDING), [(10.0, 10.0); 2]);
    assert_eq!(scene.recorder.gauge(WAITING).map(|(_, most)| most), [1.0; 2]);
    let stats = scene.producer.stats();
    assert_eq!((stats.puts_waiting, stats.puts_waited), (0, 1));
    scene.sim.heal();
    join_all(receipts).await;
    scene.sim.advance(SECOND).await;
    for name in [OUTSTANDING, WAITING] {
        assert_eq!(scene.recorder.gauge(name).map(|(shown, _)| shown), [0.0; 2], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_gauges_of_two_producers_add_up_and_one_that_ends_takes_its_part_back() {
    let scene = dead();
    let builder = Producer::builder("orders").aws(&scene.sim.sdk_config()).seed(8);
    let other = builder.metrics_recorder(scene.recorder.clone()).build().unwrap();
    let receipts = (scene.put(3).await, other.put(Record::new("key", "data")).await.unwrap());
    scene.sim.advance(SECOND).await;
    assert_eq!(scene.recorder.gauge(OUTSTANDING).map(|(shown, _)| shown), [4.0; 2]);
    other.shutdown(Duration::ZERO).await;
    assert_eq!(scene.recorder.gauge(OUTSTANDING).map(|(shown, _)| shown), [3.0; 2]);
    drop(receipts);
}

#[tokio::test(start_paused = true)]
async fn the_gauges_are_described_and_have_a_row_of_the_page_each() {
    let described = Scene::new(1).recorder.gauges_described();
    let expected = [OUTSTANDING, WAITING].map(|name| (name.to_owned(), Some(::metrics::Unit::Count)));
    assert_eq!(described, expected);
    let page = include_str!("../../../../METRICS.md");
    for name in [OUTSTANDING, WAITING] {
        assert_eq!(page.matches(&format!("| `{name}` | ")).count(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_count_by_their_codes_while_nothing_answers() {
    let scene = dead();
    let receipts = scene.put(3).await;
    scene.sim.advance(SECOND * 60).await;
    let (errors, sum, ..) = scene
        .recorder
        .get("AllErrors", &[("StreamName", "orders")])
        .statistics();
    assert!(errors >= 20, "{errors}");
    assert_eq!(
        (errors as f64, scene.producer.stats().requests_failed),
        (sum, errors as u64)
    );
    let of_code = scene
        .recorder
        .get("ErrorsByCode", &[("ErrorCode", "Connection"), ("StreamName", "orders")]);
    assert_eq!(of_code.statistics().0, errors);
    drop(receipts);
}
