//! What is told, to whom, and what a panic in the application's code costs.

use std::time::Duration;

use super::*;
use crate::error::{CallErrorKind, TableError};
use crate::event::logged::logged;
use crate::event::{HandlerEvent, LeaseEvent, WorkerEvent};
use crate::lease::layout::TableLayout;
use crate::metrics::{Selection, SharedRecorder};
use crate::stream::{ShardId, StreamRef};

const SECOND: Duration = Duration::from_secs(1);

/// Observers whose listener keeps what it is told.
fn kept() -> (Observers, Arc<Mutex<Vec<Event>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listening = Arc::clone(&told);
    let listener = Listener::new(move |event| listening.lock().unwrap().push(event.clone()));
    let observers = Observers::new(WorkerId::new("w1"), listener, Meter::default(), Clock::default());
    (observers, told)
}

fn unavailable(table: &str, repeated: u64) -> LeaseEvent {
    LeaseEvent::TableUnavailable {
        table: table.to_owned(),
        error: TableError {
            operation: "Scan",
            kind: CallErrorKind::NotFound,
        },
        repeated,
    }
}

fn shard(id: &str) -> (ShardRef, LeaseKey) {
    let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new(id));
    let lease = TableLayout::OneStream(shard.stream.clone()).key_of(&shard);
    (shard, lease)
}

#[tokio::test(start_paused = true)]
async fn repeats_of_ten_seconds_are_counted_for_the_log_and_for_the_listener() {
    let (observers, told) = kept();
    for expected in [1, 0, 0, 0] {
        let lines = logged(|| observers.tell(unavailable("billing", 0)));
        assert_eq!(lines.len(), expected, "{lines:?}");
        tokio::time::sleep(SECOND * 3).await;
    }
    let lines = logged(|| observers.tell(unavailable("billing", 0)));
    assert!(lines[0].contains("repeated=3"), "{lines:?}");
    let expected = [unavailable("billing", 0), unavailable("billing", 3)].map(Event::from);
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn repeats_are_folded_by_table_and_by_shard() {
    let (observers, told) = kept();
    for table in ["billing", "refunds", "billing"] {
        observers.tell(unavailable(table, 0));
    }
    let [one, other] = ["shardId-0", "shardId-1"].map(|id| {
        let (shard, lease) = shard(id);
        observers.of_shard(shard, lease)
    });
    for observer in [&one, &other, &one] {
        observer.tell(HandlerEvent::SinkFailed {
            error: "no".to_owned(),
            repeated: 0,
        });
    }
    assert_eq!(told.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn events_that_lose_records_are_not_folded() {
    let (observers, told) = kept();
    let (shard, lease) = shard("shardId-0");
    let observer = observers.of_shard(shard, lease);
    for n in ["1", "2", "3"] {
        let last = crate::checkpoint::position::RecordPosition {
            sequence_number: n.parse().unwrap(),
            sub_sequence_number: 0,
        };
        observer.tell(HandlerEvent::Skipped { last, count: 1 });
    }
    assert_eq!(told.lock().unwrap().len(), 3);
}

#[test]
fn a_listener_that_panics_misses_the_event_and_stops_nothing() {
    let listener = Listener::new(|_| panic!("on purpose"));
    let observers = Observers::new(WorkerId::new("w1"), listener, Meter::default(), Clock::default());
    let event = || WorkerEvent::Ended {
        released: 1,
        abandoned: 0,
    };
    let lines = logged(|| {
        observers.tell(event());
        observers.tell(event());
    });
    assert_eq!(lines.len(), 2, "the log comes first: {lines:?}");
}

/// A recorder whose handles panic.
struct Broken;

impl ::metrics::HistogramFn for Broken {
    fn record(&self, _: f64) {
        panic!("on purpose");
    }
}

impl ::metrics::Recorder for Broken {
    fn describe_counter(&self, _: ::metrics::KeyName, _: Option<::metrics::Unit>, _: ::metrics::SharedString) {}

    fn describe_gauge(&self, _: ::metrics::KeyName, _: Option<::metrics::Unit>, _: ::metrics::SharedString) {}

    fn describe_histogram(&self, _: ::metrics::KeyName, _: Option<::metrics::Unit>, _: ::metrics::SharedString) {}

    fn register_counter(&self, _: &::metrics::Key, _: &::metrics::Metadata<'_>) -> ::metrics::Counter {
        ::metrics::Counter::noop()
    }

    fn register_gauge(&self, _: &::metrics::Key, _: &::metrics::Metadata<'_>) -> ::metrics::Gauge {
        ::metrics::Gauge::noop()
    }

    fn register_histogram(&self, _: &::metrics::Key, _: &::metrics::Metadata<'_>) -> ::metrics::Histogram {
        ::metrics::Histogram::from_arc(Arc::new(Self))
    }
}

#[test]
fn a_recorder_that_panics_loses_its_sample_and_the_event_is_told() {
    let worker = WorkerId::new("w1");
    let meter = Meter::new(SharedRecorder::new(Broken), Selection::default(), &worker);
    let observers = Observers::new(worker, Listener::default(), meter, Clock::default());
    let (_, lease) = shard("shardId-0");
    let reason = crate::lease::lost::LeaseLost::Expired;
    let lines = logged(|| observers.tell(LeaseEvent::Lost { lease, reason }));
    assert_eq!(lines.len(), 1, "{lines:?}");
    observers.add(Series::CurrentLeases, 1.0);
}
