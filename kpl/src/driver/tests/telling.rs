//! What the driver tells, and to whom: the reports of shutdowns, and the application's recorder.

use ::metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::*;

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
