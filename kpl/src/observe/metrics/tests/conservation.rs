//! What the series tell together: each record that was received was delivered, was given back, or is pending.

use testkit::sim::{Entries, Fault};

use super::*;

/// Records received, delivered, given back, and pending when they were last looked at.
fn counts(scene: &Scene) -> [f64; 4] {
    let received = scene.samples(Series::UserRecordsReceived).statistics().1;
    let put = scene.samples(Series::UserRecordsPut);
    let of = |value: f64| put.samples.iter().filter(move |(found, _)| *found == value);
    let [failed, delivered] = [0.0, 1.0].map(|value| of(value).map(|(_, count)| *count as f64).sum());
    let pending = scene.samples(Series::UserRecordsPending);
    [
        received,
        delivered,
        failed,
        pending.samples.last().map_or(0.0, |(value, _)| *value),
    ]
}

fn assert_conserved(scene: &Scene) {
    let [received, delivered, failed, pending] = counts(scene);
    assert_eq!(received, delivered + failed + pending);
}

#[tokio::test(start_paused = true)]
async fn what_was_received_was_put_or_given_back_or_is_pending() {
    let scene = Scene::with(2, |builder| builder.record_ttl(3 * SECOND));
    assert_eq!(scene.send(40).await, 40);
    scene.fail(1_000_000, &Fault::RequestHangs);
    let hanging = scene.put(30).await;
    scene.sim.advance(SECOND).await;
    assert_eq!(counts(&scene), [70.0, 40.0, 0.0, 30.0]);
    join_all(hanging).await;
    scene.sim.advance(SECOND).await;
    assert_eq!(counts(&scene), [70.0, 40.0, 30.0, 0.0], "they have expired");
    scene.fail(
        1_000_000,
        &Fault::FailEntries {
            entries: Entries::Every(2),
            code: "InternalFailure".to_owned(),
        },
    );
    let mut receipts = Vec::new();
    for _ in 0..50 {
        receipts.extend(scene.put(7).await);
        scene.sim.advance(200 * MILLISECOND).await;
        assert!(counts(&scene)[0] >= counts(&scene)[1] + counts(&scene)[2]);
    }
    scene.producer.shutdown(SECOND / 10).await;
    join_all(receipts).await;
    scene.sim.advance(SECOND).await;
    assert_conserved(&scene);
    assert_eq!(counts(&scene)[0], 70.0 + 350.0);
}
