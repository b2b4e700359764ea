//! When each series is reported, and with which values: one test for each.

use testkit::sim::{Entries, Fault};

use super::*;

fn throttled_entries(entries: Entries) -> Fault {
    Fault::FailEntries {
        entries,
        code: "ProvisionedThroughputExceededException".to_owned(),
    }
}

/// A scene in which records of a lone stream are not aggregated: the shard map is there.
async fn warm(scene: &Scene) {
    assert_eq!(scene.send(1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn user_records_received_is_1_for_each_record_that_left_its_lane() {
    let scene = Scene::new(2);
    let receipts = scene.put(50).await;
    assert_eq!(scene.samples(Series::UserRecordsReceived).statistics().0, 0);
    join_all(receipts).await;
    assert_eq!(
        scene.samples(Series::UserRecordsReceived).statistics(),
        (50, 50.0, 1.0, 1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn user_records_pending_is_looked_at_every_200_ms_while_there_are_any_and_once_after() {
    let scene = Scene::new(1);
    warm(&scene).await;
    scene.sim.advance(SECOND).await;
    let before = scene.samples(Series::UserRecordsPending);
    scene.sim.faults(|call| match call.operation {
        "PutRecords" => Fault::RequestHangs,
        _ => Fault::None,
    });
    let receipts = scene.put(30).await;
    scene.sim.advance(SECOND + 50 * MILLISECOND).await;
    let pending = scene.samples(Series::UserRecordsPending);
    let new = &pending.samples[before.samples.len()..];
    assert_eq!(new, [(30.0, 1); 6], "at 0, 200, … 1,000 ms");
    scene.sim.heal();
    join_all(receipts).await;
    scene.sim.advance(SECOND * 60).await;
    let pending = scene.samples(Series::UserRecordsPending);
    let [.., (before, _), (last, _)] = pending.samples[..] else {
        panic!()
    };
    assert_eq!((before, last), (30.0, 0.0), "an idle producer does not wake for it");
}

#[tokio::test(start_paused = true)]
async fn user_records_put_is_1_for_a_delivered_record_and_0_for_one_that_was_given_back() {
    let scene = Scene::new(1);
    assert_eq!(scene.send(50).await, 50);
    scene.fail(1, &Fault::access_denied());
    assert_eq!(scene.send(30).await, 0);
    assert_eq!(scene.samples(Series::UserRecordsPut).statistics(), (80, 50.0, 0.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn user_records_put_names_the_shard_that_stored_the_record() {
    let scene = Scene::new(2);
    assert_eq!(scene.send(200).await, 200);
    let of_shards = scene.recorder.of_shards("UserRecordsPut");
    assert_eq!(of_shards.len(), 2);
    let all: usize = of_shards.iter().map(|shard| shard.statistics().0).sum();
    assert_eq!(all, 200);
    assert!(of_shards.iter().all(|shard| shard.statistics().0 > 50), "{of_shards:?}");
}

#[tokio::test(start_paused = true)]
async fn user_records_data_put_has_the_bytes_of_each_delivered_record() {
    let scene = Scene::new(1);
    scene.send(50).await;
    let large = Record::new("k", vec![0; 1_000]);
    drop(scene.producer.put(large).await.unwrap().await);
    scene.fail(1, &Fault::access_denied());
    scene.send(30).await;
    let samples = scene.samples(Series::UserRecordsDataPut);
    assert_eq!(samples.statistics(), (51, 1_500.0, 10.0, 1_000.0));
}

#[tokio::test(start_paused = true)]
async fn user_record_expired_is_1_for_each_record_whose_time_was_over() {
    let scene = Scene::with(1, |builder| builder.record_ttl(SECOND));
    warm(&scene).await;
    assert_eq!(scene.samples(Series::UserRecordExpired).statistics().0, 0);
    scene.fail(1_000, &throttled_entries(Entries::All));
    assert_eq!(scene.send(20).await, 0);
    assert_eq!(
        scene.samples(Series::UserRecordExpired).statistics(),
        (20, 20.0, 1.0, 1.0)
    );
    let put = scene.samples(Series::UserRecordsPut);
    assert_eq!(put.statistics(), (21, 1.0, 0.0, 1.0), "it also counts as not put");
}

#[tokio::test(start_paused = true)]
async fn kinesis_records_put_is_1_or_0_for_each_entry_of_an_answered_request() {
    let scene = Scene::with(1, |builder| builder.aggregation_max_count(1));
    warm(&scene).await;
    scene.fail(1, &throttled_entries(Entries::At(vec![0, 1, 2])));
    scene.send(10).await;
    let expected = (14, 11.0, 0.0, 1.0);
    assert_eq!(scene.samples(Series::KinesisRecordsPut).statistics(), expected);
    scene.fail(2, &Fault::RequestLost);
    scene.send(1).await;
    let samples = scene.samples(Series::KinesisRecordsPut);
    assert_eq!(
        samples.statistics(),
        (15, 12.0, 0.0, 1.0),
        "a request without an answer has no entries"
    );
}

#[tokio::test(start_paused = true)]
async fn kinesis_records_data_put_has_the_bytes_of_each_stored_kinesis_record() {
    let scene = Scene::with(1, |builder| builder.aggregation_max_count(1));
    scene.fail(1, &throttled_entries(Entries::At(vec![0, 1, 2])));
    scene.send(10).await;
    let samples = scene.samples(Series::KinesisRecordsDataPut);
    assert_eq!(samples.statistics(), (10, 100.0, 10.0, 10.0));
}

#[tokio::test(start_paused = true)]
async fn errors_by_code_counts_refused_entries_by_shard_and_failed_requests_by_stream() {
    const THROTTLED: &str = "ProvisionedThroughputExceededException";
    let scene = Scene::with(1, |builder| builder.aggregation_max_count(1));
    warm(&scene).await;
    scene.fail(1, &throttled_entries(Entries::At(vec![0, 1, 2])));
    scene.send(10).await;
    scene.fail(2, &Fault::internal_failure());
    scene.send(1).await;
    let count = |labels: &[(&str, &str)]| scene.recorder.get("ErrorsByCode", labels).statistics();
    let shard = ("ShardId", "shardId-000000000000");
    let stream = ("StreamName", "orders");
    for (code, errors) in [(THROTTLED, 3), ("InternalFailure", 2)] {
        let expected = (errors, errors as f64, 1.0, 1.0);
        assert_eq!(count(&[("ErrorCode", code)]), expected);
        assert_eq!(count(&[("ErrorCode", code), stream]), expected);
    }
    assert_eq!(count(&[("ErrorCode", THROTTLED), stream, shard]).0, 3);
    assert_eq!(count(&[("ErrorCode", "InternalFailure"), stream, shard]).0, 0);
    assert_eq!((count(&[]).0, count(&[stream]).0, count(&[stream, shard]).0), (5, 5, 3));
}

#[tokio::test(start_paused = true)]
async fn errors_by_code_tells_of_an_aggregate_on_a_shard_where_it_does_not_belong() {
    let scene = Scene::new(1);
    warm(&scene).await;
    scene
        .sim
        .stream("orders")
        .split(testkit::kinesis::ShardId::FIRST)
        .unwrap();
    scene.sim.advance(SECOND * 60).await;
    scene.send(100).await;
    let wrong = scene.recorder.get("ErrorsByCode", &[("ErrorCode", "Wrong Shard")]);
    assert!(wrong.statistics().0 >= 1);
    assert_eq!(
        scene.samples(Series::AllErrors).statistics().1,
        0.0,
        "the entry was a success"
    );
}

#[tokio::test(start_paused = true)]
async fn all_errors_is_1_or_0_for_each_entry_and_1_for_a_failed_request() {
    let scene = Scene::with(1, |builder| builder.aggregation_max_count(1));
    warm(&scene).await;
    scene.fail(1, &throttled_entries(Entries::At(vec![0, 1, 2])));
    scene.send(10).await;
    assert_eq!(scene.samples(Series::AllErrors).statistics(), (14, 3.0, 0.0, 1.0));
    scene.fail(2, &Fault::RequestLost);
    scene.send(1).await;
    let [global, stream, shards] = scene.levels(Series::AllErrors).map(|recorded| recorded.statistics());
    assert_eq!((global, stream), ((17, 5.0, 0.0, 1.0), (17, 5.0, 0.0, 1.0)));
    assert_eq!(shards, (15, 3.0, 0.0, 1.0), "a request concerns no shard");
}

#[tokio::test(start_paused = true)]
async fn retries_per_record_counts_the_attempts_after_the_first_when_a_record_ends() {
    let scene = Scene::new(1);
    warm(&scene).await;
    scene.fail(3, &Fault::RequestLost);
    let receipts = scene.put(20).await;
    scene.sim.advance(SECOND / 4).await;
    assert_eq!(scene.samples(Series::RetriesPerRecord).statistics(), (1, 0.0, 0.0, 0.0));
    join_all(receipts).await;
    assert_eq!(
        scene.samples(Series::RetriesPerRecord).statistics(),
        (21, 60.0, 0.0, 3.0)
    );
}

#[tokio::test(start_paused = true)]
async fn buffering_time_has_one_sample_for_each_record_and_attempt() {
    let scene = Scene::new(1);
    warm(&scene).await;
    let new_samples = async |receipts: Vec<Receipt>| {
        let before = scene.samples(Series::BufferingTime).samples.len();
        join_all(receipts).await;
        let mut samples = scene.samples(Series::BufferingTime).samples.split_off(before);
        samples.sort_by(|one, other| one.0.total_cmp(&other.0));
        samples
    };
    let mut receipts = scene.put(1).await;
    scene.sim.advance(40 * MILLISECOND).await;
    receipts.extend(scene.put(1).await);
    scene.sim.advance(10 * MILLISECOND).await;
    receipts.extend(scene.put(1).await);
    // 100 ms in the lane and 20 ms in the collector.
    assert_about(&new_samples(receipts).await, &[(50.0, 1), (60.0, 1), (100.0, 1)]);

    scene.fail(1, &throttled_entries(Entries::All));
    let samples = new_samples(scene.put(5).await).await;
    let [again @ (waited, 5), first] = samples[..] else {
        panic!("{samples:?}")
    };
    assert!(again < first && waited < 100.0, "since the first answer");
    assert_about(&[first], &[(100.0, 5)]);
}

fn assert_about(samples: &[(f64, usize)], expected: &[(f64, usize)]) {
    assert_eq!(samples.len(), expected.len(), "{samples:?}");
    for ((value, count), (about, times)) in samples.iter().zip(expected) {
        assert!((value - about).abs() < 3.0 && count == times, "{samples:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn request_time_is_that_of_each_request_also_of_a_failed_one() {
    let scene = Scene::with(1, |builder| builder.request_timeout(SECOND * 2));
    warm(&scene).await;
    let first = scene.samples(Series::RequestTime).statistics();
    assert!(first.0 == 1 && first.1 > 1.0 && first.1 < 100.0, "{first:?}");
    scene.fail(1, &Fault::RequestHangs);
    scene.send(1).await;
    let samples = scene.samples(Series::RequestTime).statistics();
    assert_eq!((samples.0, samples.3), (3, 2_000.0));
}

#[tokio::test(start_paused = true)]
async fn user_records_per_kinesis_record_is_counted_for_each_request_also_for_a_failed_one() {
    let scene = Scene::new(1);
    warm(&scene).await;
    scene.fail(1, &Fault::RequestLost);
    scene.send(20).await;
    let samples = scene.samples(Series::UserRecordsPerKinesisRecord);
    assert_eq!(samples.samples, [(1.0, 1), (20.0, 1), (20.0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_sizes_of_a_request_are_counted_in_kinesis_records_and_in_user_records() {
    let scene = Scene::with(1, |builder| builder.aggregation_max_count(5));
    warm(&scene).await;
    scene.send(20).await;
    scene.fail(1, &Fault::RequestLost);
    scene.send(5).await;
    let kinesis_records = scene.samples(Series::KinesisRecordsPerPutRecordsRequest);
    assert_eq!(kinesis_records.samples, [(1.0, 1), (4.0, 1), (1.0, 1), (1.0, 1)]);
    let user_records = scene.samples(Series::UserRecordsPerPutRecordsRequest);
    assert_eq!(user_records.samples, [(1.0, 1), (20.0, 1), (5.0, 1), (5.0, 1)]);
}
