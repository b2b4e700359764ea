//! Receipts that somebody has begun to wait for and then dropped.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use super::{outage, producer, sim};
use crate::receipt::Receipt;
use crate::record::Record;

struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_receipt_keeps_nothing_of_the_task_that_waited_for_it() {
    let sim = sim();
    outage(&sim);
    let producer = producer(&sim).build().unwrap();
    let task = Arc::new(Task);
    let mut kept = Vec::new();
    for n in 0..20 {
        let record = Record::new("key", n.to_string());
        let mut receipt = producer.put(record).await.unwrap();
        let waker = Waker::from(Arc::clone(&task));
        let polled = pin!(&mut receipt).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        if n % 2 == 0 {
            kept.push(receipt);
        }
    }
    assert_eq!(Arc::strong_count(&task), 1 + kept.len());
    drop(kept);
    assert_eq!(Arc::strong_count(&task), 1);
}

/// A task that holds a receipt itself.
struct Holder(Mutex<Option<Receipt>>);

impl Wake for Holder {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_lets_go_of_a_task_with_another_receipt_of_its_aggregate_waits_for_no_lock() {
    let sim = sim();
    outage(&sim);
    let producer = producer(&sim).build().unwrap();
    let waiting = || Context::from_waker(Waker::noop());
    let mut receipts = Vec::new();
    for text in ["one", "other", "third"] {
        let mut receipt = producer.put(Record::new("key", text)).await.unwrap();
        assert!(pin!(&mut receipt).poll(&mut waiting()).is_pending());
        receipts.push(receipt);
    }
    for _ in 0..2 {
        let holder = Arc::new(Holder(Mutex::new(receipts.pop())));
        let waker = Waker::from(holder);
        assert!(
            pin!(&mut receipts[0])
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(waker);
        match receipts.len() {
            2 => assert!(pin!(&mut receipts[0]).poll(&mut waiting()).is_pending()),
            _ => receipts.clear(),
        }
    }
}
