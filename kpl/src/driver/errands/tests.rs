//! Calls that end without an answer: by a panic, or because a wrapper drops their tasks. Nothing may wait for
//! them for ever (P1).

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use testkit::sim::Sim;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::budget::Budget;
use crate::producer::Producer;
use crate::record::Record;

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 4] = ["put-records", "list-shards", "describe-stream-summary", "wait-for-room"];

type Task = BoxFuture<'static, ()>;

/// Puts more than the budget has room to send at once, while the first task called `name` runs as `instead` makes it.
/// Returns how many tasks had that name.
async fn put_while_a_task_is_lost(name: &'static str, instead: fn(Task) -> Task) -> u32 {
    let sim = Sim::new(7);
    sim.create_stream("orders", 2).unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let wrap = move |task_name, task| match task_name == name && counted.fetch_add(1, Ordering::Relaxed) == 0 {
        true => instead(task),
        false => task,
    };
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let producer = builder
        .budget(Budget::new(60_000, 100))
        .wrap_tasks(wrap)
        .build()
        .unwrap();
    let records = (0..3).map(|n| Record::new(format!("key-{n}"), vec![0; 8_000]));
    let receipts = producer.put_all(records).await;
    producer.flush().await.unwrap();
    for outcome in join_all(receipts.into_iter().map(Result::unwrap)).await {
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
    assert!(sim.elapsed() < 30 * SECOND, "{name}: {:?}", sim.elapsed());
    count.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_task_panics_has_failed_and_is_made_again() {
    for name in NAMES {
        let panicking = |task: Task| {
            let poll_and_panic = async move {
                let mut task = task;
                assert!(
                    (&mut task).now_or_never().is_some(),
                    "the wrapper panics, the task in its hands"
                );
            };
            poll_and_panic.boxed()
        };
        assert!(put_while_a_task_is_lost(name, panicking).await >= 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_task_cannot_even_be_wrapped_has_failed_and_is_made_again() {
    for name in NAMES {
        assert!(
            put_while_a_task_is_lost(name, |_task| panic!("no wrapper")).await >= 1,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_task_is_dropped_has_failed_and_is_made_again() {
    for name in NAMES {
        assert!(
            put_while_a_task_is_lost(name, |_task| ready(()).boxed()).await >= 1,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_on_elsewhere_is_waited_for_though_its_wrapper_has_ended() {
    let elsewhere = |task: Task| async { drop(tokio::runtime::Handle::current().spawn(task)) }.boxed();
    assert_eq!(put_while_a_task_is_lost("list-shards", elsewhere).await, 1);
}

/// Panics whenever a request was answered.
struct PanicsAtAnswers;

impl<S: tracing::Subscriber> Layer<S> for PanicsAtAnswers {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let of_answer = event.fields().any(|field| field.name() == "refused");
        assert!(!of_answer, "the log panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_panics_costs_no_record_its_outcome() {
    let sim = Sim::new(7);
    sim.create_stream("orders", 2).unwrap();
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(PanicsAtAnswers));
    let producer = Producer::builder("orders")
        .aws(&sim.sdk_config())
        .seed(7)
        .build()
        .unwrap();
    let receipt = producer.put(Record::new("key", "1")).await.unwrap();
    assert_eq!(receipt.await.unwrap().attempts.total(), 1, "the answer was there");
}
