//! Memory stays inside the budget (P3): a record waits for room, or comes back.

use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use kpl::{Budget, Producer, PutError, PutErrorKind, Receipt, Record};
use testkit::sim::Fault;

use super::{producer, put_all, sim, stored};

#[tokio::test(start_paused = true)]
async fn put_waits_for_room_and_a_dropped_put_leaves_nothing_behind() {
    let sim = sim(1);
    let producer = producer(&sim).budget(Budget::new(2_000, 100)).build().unwrap();
    put_all(&producer, 0..1).await;
    sim.faults(|call| {
        if call.operation == "PutRecords" {
            Fault::RequestLost
        } else {
            Fault::None
        }
    });
    let first = producer.put(Record::new("k", vec![0; 900])).await.unwrap();
    let second = producer.put(Record::new("k", vec![1; 900]));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), second).await.is_err(),
        "no room in an outage"
    );
    sim.heal();
    assert!(first.await.is_ok());
    producer.flush().await.unwrap();
    assert_eq!(stored(&sim).len(), 2, "the dropped put was not accepted");
}

#[tokio::test(start_paused = true)]
async fn put_does_not_wait_for_lanes_that_hold_the_whole_budget() {
    let sim = sim(1);
    let hour = Duration::from_secs(3_600);
    let producer = producer(&sim)
        .budget(Budget::new(2_000, 100))
        .record_max_buffered_time(hour)
        .build()
        .unwrap();
    for n in 0..10 {
        drop(
            producer
                .put(Record::new(format!("key-{n}"), vec![0; 400]))
                .await
                .unwrap(),
        );
    }
    assert!(sim.elapsed() < Duration::from_secs(10), "{:?}", sim.elapsed());
}

#[tokio::test(start_paused = true)]
async fn try_put_gives_the_record_back_when_there_is_no_room() {
    let sim = sim(1);
    let producer = producer(&sim).budget(Budget::new(2_000, 100)).build().unwrap();
    let first = producer.try_put(Record::new("k", vec![0; 900])).unwrap();
    let full = producer.try_put(Record::new("k", vec![1; 900])).unwrap_err();
    assert_eq!(full.kind(), &PutErrorKind::Full);
    assert_eq!(full.into_record().data().len(), 900);
    assert!(first.await.is_ok());
    assert!(producer.try_put(Record::new("k", vec![1; 900])).unwrap().await.is_ok());
}

/// Puts a record at the moment in which it is woken.
struct PutsWhenWoken {
    producer: Producer,
    put: Mutex<Option<Result<Receipt, PutError>>>,
}

impl Wake for PutsWhenWoken {
    fn wake(self: Arc<Self>) {
        let put = self.producer.try_put(Record::new("k", vec![1; 900]));
        *self.put.lock().unwrap() = Some(put);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_woken_finds_the_room_of_its_record() {
    let sim = sim(1);
    let producer = producer(&sim).budget(Budget::new(2_000, 100)).build().unwrap();
    let mut receipt = pin!(producer.try_put(Record::new("k", vec![0; 900])).unwrap());
    let woken = Arc::new(PutsWhenWoken {
        producer: producer.clone(),
        put: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&woken));
    assert!(receipt.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(producer.try_put(Record::new("k", vec![1; 900])).is_err(), "no room yet");
    sim.advance(Duration::from_secs(5)).await;
    let put = woken.put.lock().unwrap().take();
    assert!(put.expect("the receipt was woken").is_ok());
    assert!(receipt.await.is_ok());
}
