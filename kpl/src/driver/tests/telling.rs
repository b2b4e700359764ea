//! What the driver tells, and to whom: the reports of shutdowns, the application's recorder, and who listens to events.

use std::sync::Mutex;

use ::metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use testkit::sim::Entries;

use super::*;
use crate::observe::event::Event;

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_nobody_waits_for_any_more_leaves_its_records_to_the_next() {
    let (sim, budget) = (sim(), Budget::default());
    hanging(&sim, "PutRecords");
    let producer = producer(&sim, &budget);
    let receipts = put(&producer, 10).await;
    let first = tokio::time::timeout(SECOND, producer.shutdown(HOUR)).await;
    assert!(first.is_err());
    let (second, third) = futures::join!(producer.shutdown(SECOND), producer.shutdown(SECOND));
    assert_eq!((second.returned.len(), third.returned.len()), (10, 0));
    assert!(join_all(receipts).await.iter().all(Result::is_err));
}

/// Panics at each sample.
struct Faulty;

impl HistogramFn for Faulty {
    fn record(&self, _value: f64) {
        panic!("a bug in a recorder");
    }
}

impl Recorder for Faulty {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Self))
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_no_record_and_no_report() {
    let (sim, budget) = (sim(), Budget::default());
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let producer = builder.budget(budget.clone()).metrics_recorder(Faulty).build().unwrap();
    let receipts = put(&producer, 10).await;
    assert!(join_all(receipts).await.iter().all(Result::is_ok));
    hanging(&sim, "PutRecords");
    let receipts = put(&producer, 10).await;
    let report = producer.shutdown(SECOND).await;
    assert_eq!((report.end, report.returned.len()), (ShutdownEnd::DeadlinePassed, 10));
    assert!(join_all(receipts).await.iter().all(Result::is_err));
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_told_of_the_hot_shard_and_its_heaviest_key_and_of_one_failure_in_ten_seconds() {
    let sim = sim();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let listening = builder.on_event(move |event| {
        let line = if let Event::ShardThrottled { hot, .. } = event {
            format!("throttled: {}", hot.heaviest[0].partition_key)
        } else if let Event::RequestFailed { failed, .. } = event {
            format!("failed: {:?}", failed.repeated)
        } else if let Event::Ended { returned, .. } = event {
            format!("ended: {returned}")
        } else if let Event::TaskEnded { outstanding } = event {
            format!("with {outstanding} left")
        } else {
            return;
        };
        hears.lock().unwrap().push(line);
    });
    let producer = listening.build().unwrap();
    sim.faults(|call| match call.operation {
        "PutRecords" => Fault::FailEntries {
            entries: Entries::All,
            code: "ProvisionedThroughputExceededException".to_owned(),
        },
        _ => Fault::None,
    });
    let receipt = producer.put(Record::new("hot", "data")).await.unwrap();
    tokio::time::sleep(11 * SECOND).await;
    sim.faults(|call| match call.operation {
        "PutRecords" => Fault::internal_failure(),
        _ => Fault::None,
    });
    tokio::time::sleep(9 * SECOND).await;
    sim.heal();
    assert!(receipt.await.is_ok());
    hanging(&sim, "PutRecords");
    let given_back = put(&producer, 2).await;
    producer.shutdown(SECOND).await;
    assert!(join_all(given_back).await.iter().all(Result::is_err));
    let told = told.lock().unwrap();
    assert_eq!(told.first().map(String::as_str), Some("throttled: hot"));
    let failures: Vec<&String> = told.iter().filter(|line| line.starts_with("failed")).collect();
    assert_eq!(failures[0], "failed: Some(0)");
    assert!(
        failures.len() > 2 && failures[1..].iter().all(|line| *line == "failed: None"),
        "{told:?}"
    );
    assert_eq!(told.last().map(String::as_str), Some("ended: 2"), "and nothing is left");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_costs_no_record() {
    let (sim, budget) = (sim(), Budget::default());
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let listening = builder
        .budget(budget.clone())
        .on_event(|_| panic!("a bug in a listener"));
    let producer = listening.build().unwrap();
    assert!(join_all(put(&producer, 10).await).await.iter().all(Result::is_ok));
    assert_eq!(producer.shutdown(SECOND).await.end, ShutdownEnd::Completed);
    assert_whole(&budget);
}

/// As the runtime does with the tasks that are left when it ends.
#[tokio::test(start_paused = true)]
async fn a_task_that_ends_with_records_in_it_tells_how_many() {
    let sim = sim();
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let builder = builder.on_event(move |event| {
        if let Event::TaskEnded { outstanding } = event {
            tell.try_send(*outstanding).unwrap();
        }
    });
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let builder = builder.wrap_tasks(move |name, task| match name {
        "driver" => {
            let stopped = Arc::clone(&stopped);
            async move {
                tokio::select! {
                    biased;
                    () = stopped.notified() => {}
                    () = task => {}
                }
            }
            .boxed()
        }
        _ => task,
    });
    let producer = builder.build().unwrap();
    let receipts = put(&producer, 3).await;
    stop.notify_one();
    assert!(join_all(receipts).await.iter().all(Result::is_err));
    assert_eq!(told.recv().await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn records_that_fail_while_nobody_holds_their_receipts_are_told_with_the_reason() {
    let sim = sim();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let builder = builder.record_ttl(SECOND).on_event(move |event| {
        let shown = format!("{event:?}");
        if shown.starts_with("RecordsLost") {
            hears.lock().unwrap().push(shown);
        }
    });
    let producer = builder.build().unwrap();
    hanging(&sim, "PutRecords");
    for _ in 0..50 {
        drop(put(&producer, 10).await);
        tokio::time::sleep(SECOND / 10).await;
    }
    let held = put(&producer, 10).await;
    tokio::time::sleep(20 * SECOND).await;
    assert!(join_all(held).await.iter().all(Result::is_err));
    let told = told.lock().unwrap();
    assert!((2..=3).contains(&told.len()), "folded: {told:?}");
    let records = |line: &String| {
        line.split("records: ")
            .nth(1)?
            .split([',', ' '])
            .next()?
            .parse::<usize>()
            .ok()
    };
    let all: usize = told.iter().filter_map(records).sum();
    assert_eq!(all, 500, "not those that somebody waits for: {told:?}");
    assert!(told.iter().all(|line| line.contains("Expired")), "{told:?}");
}
