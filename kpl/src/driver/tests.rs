//! The driver's ends: shut down, dropped, or by a panic. Each accepted record has its outcome in all of them (P1).

mod dead_endpoint;
mod room;
mod steps;
mod telling;

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use testkit::sim::{Fault, Sim};
use tokio::task::JoinSet;

use crate::budget::{Budget, Room};
use crate::driver::ShutdownEnd;
use crate::error::{FlushError, PutErrorKind};
use crate::producer::Producer;
use crate::receipt::Receipt;
use crate::record::Record;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

fn sim() -> Sim {
    let sim = Sim::new(7);
    sim.create_stream("orders", 2).unwrap();
    sim
}

fn hanging(sim: &Sim, operation: &'static str) {
    sim.faults(move |call| {
        if call.operation == operation {
            Fault::RequestHangs
        } else {
            Fault::None
        }
    });
}

fn producer(sim: &Sim, budget: &Budget) -> Producer {
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    builder.budget(budget.clone()).build().unwrap()
}

async fn put(producer: &Producer, count: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for n in 0..count {
        let record = Record::new(format!("key-{n}"), n.to_string());
        receipts.push(producer.put(record).await.unwrap());
    }
    receipts
}

fn assert_whole(budget: &Budget) {
    assert!(budget.try_acquire(Room::of(20_000)).is_some());
}

#[tokio::test(start_paused = true)]
async fn shutdown_before_the_first_map_gives_every_record_back() {
    let (sim, budget) = (sim(), Budget::new(40_000, 100));
    hanging(&sim, "ListShards");
    let producer = producer(&sim, &budget);
    let receipts = put(&producer, 50).await;
    let report = producer.shutdown(3 * SECOND).await;
    assert_eq!((report.delivered, report.returned.len()), (0, 50));
    for outcome in join_all(receipts).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), &PutErrorKind::ShutDown);
        assert!(!error.may_have_been_stored());
    }
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_an_unused_producer_ends_at_once_and_makes_no_call() {
    let (sim, budget) = (sim(), Budget::default());
    let report = producer(&sim, &budget).shutdown(HOUR).await;
    assert_eq!((report.delivered, report.returned.len()), (0, 0));
    assert!(sim.calls().is_empty() && sim.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_reports_what_the_service_refused_for_good_meanwhile() {
    let (sim, budget) = (sim(), Budget::new(40_000, 100));
    let producer = producer(&sim, &budget);
    join_all(put(&producer, 1).await).await;
    sim.faults(|call| match call.operation {
        "PutRecords" => Fault::Error {
            code: "AccessDeniedException".to_owned(),
            status: 400,
            message: "no".to_owned(),
        },
        _ => Fault::None,
    });
    let receipts = put(&producer, 20).await;
    let report = producer.shutdown(HOUR).await;
    assert_eq!((report.delivered, report.returned.len()), (0, 20));
    assert!(join_all(receipts).await.iter().all(Result::is_err));
    assert!(sim.elapsed() < 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_the_end_overtakes_says_so() {
    let (sim, budget) = (sim(), Budget::default());
    hanging(&sim, "PutRecords");
    let producer = producer(&sim, &budget);
    let receipts = put(&producer, 10).await;
    let (flushed, report) = futures::join!(producer.flush(), producer.shutdown(3 * SECOND));
    assert_eq!((flushed, report.returned.len()), (Err(FlushError), 10));
    assert!(join_all(receipts).await.iter().all(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn a_put_that_waits_for_room_is_refused_at_the_shutdown_with_its_record() {
    let (sim, budget) = (sim(), Budget::new(2_000, 100));
    hanging(&sim, "PutRecords");
    let producer = producer(&sim, &budget);
    let first = producer.put(Record::new("k", vec![0; 900])).await.unwrap();
    let waiting = Record::new("k", vec![1; 900]);
    let (refused, report) = futures::join!(producer.put(waiting.clone()), producer.shutdown(3 * SECOND));
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), &PutErrorKind::ShutDown);
    assert_eq!(refused.into_record(), waiting);
    assert_eq!(report.returned.len(), 1);
    assert!(first.await.is_err());
    assert!(budget.try_acquire(Room::of(1_000)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_may_shorten_the_first_and_ends_with_it() {
    let (sim, budget) = (sim(), Budget::default());
    hanging(&sim, "PutRecords");
    let producer = producer(&sim, &budget);
    let receipts = put(&producer, 10).await;
    let (first, second) = futures::join!(producer.shutdown(HOUR), producer.shutdown(SECOND));
    assert_eq!((first.returned.len(), second.returned.len()), (10, 0));
    assert!(sim.elapsed() < 2 * SECOND);
    assert!(join_all(receipts).await.iter().all(Result::is_err));
}

/// Panics in whoever wakes it.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a bug in a waker");
    }
}

/// Polls with a waker that panics; what is polled must not be ready.
fn mine(future: &mut (impl Future + Unpin)) {
    let bomb = Waker::from(Arc::new(Bomb));
    assert!(future.poll_unpin(&mut Context::from_waker(&bomb)).is_pending());
}

/// A producer whose task panics after six seconds.
fn dying(sim: &Sim, budget: &Budget) -> Producer {
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let builder = builder.budget(budget.clone()).record_max_buffered_time(HOUR);
    let dying = builder.wrap_tasks(|name, mut task| match name {
        "driver" => async move {
            let ended = tokio::time::timeout(6 * SECOND, &mut task).await;
            assert!(
                ended.is_ok(),
                "a bug in the driver, whose state is dropped by the panic"
            );
        }
        .boxed(),
        _ => task,
    });
    dying.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_driver_fails_every_open_record_and_refuses_the_next() {
    let (sim, budget) = (sim(), Budget::new(40_000, 100));
    let producer = dying(&sim, &budget);
    hanging(&sim, "PutRecords");
    let mut receipts = put(&producer, 21).await;
    assert!(producer.flush().now_or_never().is_none());
    tokio::time::sleep(5 * SECOND).await;
    // These stay in the lanes. The others are under way.
    receipts.extend(put(&producer, 20).await);
    sim.heal();
    for outcome in join_all(receipts).await {
        assert_eq!(outcome.unwrap_err().kind(), &PutErrorKind::TaskEnded);
    }
    let refused = producer.put(Record::new("key", "late")).await.unwrap_err();
    assert_eq!(refused.kind(), &PutErrorKind::TaskEnded);
    assert_eq!(producer.flush().await, Err(FlushError));
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_died_refuses_who_waits_for_room_that_another_producer_holds() {
    let (sim, budget) = (sim(), Budget::new(40_000, 3));
    hanging(&sim, "PutRecords");
    let (other, dying) = (producer(&sim, &budget), dying(&sim, &budget));
    let held = put(&other, 3).await;
    let record = || Record::new("key", "waits");
    let waiting = futures::future::join(dying.put(record()), dying.put_all([record(), record()]));
    let (one, many) = tokio::time::timeout(10 * SECOND, waiting).await.unwrap();
    for refused in many
        .into_iter()
        .chain([one, dying.put(record()).await, dying.try_put(record())])
    {
        let refused = refused.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.record()),
            (&PutErrorKind::TaskEnded, &record())
        );
    }
    sim.heal();
    assert!(join_all(held).await.iter().all(Result::is_ok));
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_was_shut_down_refuses_at_once_though_its_budget_is_spent() {
    let (sim, budget) = (sim(), Budget::new(40_000, 1));
    hanging(&sim, "PutRecords");
    let (other, producer) = (producer(&sim, &budget), producer(&sim, &budget));
    let held = put(&other, 1).await;
    producer.shutdown(HOUR).await;
    for refused in [
        producer.try_put(Record::new("key", "late")),
        producer.put(Record::new("key", "late")).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), &PutErrorKind::ShutDown);
    }
    sim.heal();
    assert!(join_all(held).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn wakers_that_panic_while_the_driver_does_hold_no_other_record_up() {
    let (sim, budget) = (sim(), Budget::new(40_000, 100));
    let producer = dying(&sim, &budget);
    let mut receipts = put(&producer, 20).await;
    receipts.iter_mut().step_by(3).for_each(mine);
    for outcome in join_all(receipts).await {
        assert_eq!(outcome.unwrap_err().kind(), &PutErrorKind::TaskEnded);
    }
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_stops_neither_the_producer_nor_another_receipt() {
    let (sim, budget) = (sim(), Budget::new(40_000, 100));
    let producer = producer(&sim, &budget);
    let mut receipts = put(&producer, 20).await;
    receipts.iter_mut().step_by(3).for_each(mine);
    let (mut flush, mut ending) = (producer.flush().boxed(), producer.shutdown(HOUR).boxed());
    mine(&mut flush);
    let others = receipts.into_iter().enumerate().filter(|(n, _)| n % 3 != 0);
    let others = others.map(|(_, receipt)| receipt);
    assert!(join_all(others).await.iter().all(Result::is_ok));
    assert!(flush.await.is_ok());
    assert!(join_all(put(&producer, 20).await).await.iter().all(Result::is_ok));
    mine(&mut ending);
    assert_eq!(ending.await.end, ShutdownEnd::Completed);
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn puts_that_wait_beside_one_whose_waker_panics_are_woken_all_the_same() {
    let (sim, budget) = (sim(), Budget::new(40_000, 10));
    let producer = producer(&sim, &budget);
    let first = put(&producer, 10).await;
    let mut panics = producer.put(Record::new("key", "2")).boxed();
    mine(&mut panics);
    let mut others = JoinSet::new();
    for n in 0..9 {
        let producer = producer.clone();
        others.spawn(async move { producer.put(Record::new("key", n.to_string())).await.unwrap().await });
    }
    tokio::task::yield_now().await;
    assert!(join_all(first).await.iter().all(Result::is_ok));
    drop(panics);
    let others = tokio::time::timeout(HOUR, others.join_all()).await;
    assert!(others.unwrap().iter().all(Result::is_ok));
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_panics_when_it_is_woken_costs_the_budget_and_the_producer_nothing() {
    let (sim, budget) = (sim(), Budget::new(40_000, 1));
    let producer = producer(&sim, &budget);
    let first = put(&producer, 1).await.remove(0);
    let mut waiting = producer.put(Record::new("key", "2")).boxed();
    mine(&mut waiting);
    assert!(first.await.is_ok());
    assert!(waiting.await.unwrap().await.is_ok());
    assert_whole(&budget);
}

#[tokio::test(start_paused = true)]
async fn dropped_receipts_and_dropped_flushes_hold_nothing_up() {
    let (sim, budget) = (sim(), Budget::new(40_000, 100));
    let producer = producer(&sim, &budget);
    drop(put(&producer, 50).await);
    assert!(producer.flush().now_or_never().is_none(), "polled once and dropped");
    producer.flush().await.unwrap();
    assert_whole(&budget);
    let report = producer.shutdown(HOUR).await;
    assert_eq!((report.delivered, report.returned.len()), (0, 0));
}
