//! Who puts without end lets other tasks run, whichever way the records go in.

use std::sync::{Arc, Mutex};

use futures::{StreamExt as _, stream};
use tokio::task::JoinSet;

use super::{producer, records, sim, stored};

#[tokio::test(start_paused = true)]
async fn a_task_that_puts_in_a_loop_lets_others_run() {
    const ALL: usize = 10_000;
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let producer = producer(&sim).build().unwrap();
    let accepted = Arc::new(Mutex::new(0));
    let (putter, counter) = (producer.clone(), Arc::clone(&accepted));
    tasks.spawn(async move {
        for record in records(0..ALL) {
            drop(putter.put(record).await.unwrap());
            *counter.lock().unwrap() += 1;
        }
    });
    tokio::task::yield_now().await;
    let in_one_go = *accepted.lock().unwrap();
    assert!((1..ALL / 10).contains(&in_one_go), "{in_one_go}");
    tasks.join_all().await;
    producer.flush().await.unwrap();
    assert_eq!(stored(&sim), ALL);
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_lets_others_run() {
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let producer = producer(&sim).build().unwrap();
    let put = tasks.spawn(async move { producer.put_all(records(0..10_000)).await.len() });
    tokio::task::yield_now().await;
    assert!(!put.is_finished());
    assert_eq!(tasks.join_all().await, [10_000]);
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_large_batch_are_accepted_some_at_a_time() {
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let producer = producer(&sim).build().unwrap();
    let putter = producer.clone();
    let put = tasks.spawn(async move { putter.put_all(records(0..10_000)).await.len() });
    let (mut before, mut most) = (0, 0);
    while !put.is_finished() {
        tokio::task::yield_now().await;
        let accepted = producer.stats().put.records;
        most = most.max(accepted - before);
        before = accepted;
    }
    assert!((1..1_000).contains(&most), "{most} of 10,000 in one go");
    assert_eq!(tasks.join_all().await, [10_000]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_dropped_while_it_lets_others_run_is_accepted_as_a_whole() {
    let sim = sim();
    let producer = producer(&sim).build().unwrap();
    for polls in 1..100 {
        let before = producer.stats().put.records;
        let mut batch = Box::pin(producer.put_all(records(0..1_000)));
        let mut left = polls;
        let dropped = std::future::poll_fn(|cx| {
            left -= 1;
            match batch.as_mut().poll(cx) {
                std::task::Poll::Pending if left > 0 => std::task::Poll::Pending,
                std::task::Poll::Pending => std::task::Poll::Ready(true),
                std::task::Poll::Ready(_) => std::task::Poll::Ready(false),
            }
        })
        .await;
        drop(batch);
        let accepted = producer.stats().put.records - before;
        assert!(accepted == 0 || accepted == 1_000, "{accepted} after {polls} polls");
        if !dropped {
            return;
        }
    }
    panic!("it never ends");
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_a_stream_that_never_waits_lets_others_run() {
    let (sim, mut tasks) = (sim(), JoinSet::new());
    let (producer, accepted) = (producer(&sim).build().unwrap(), Arc::new(Mutex::new(0)));
    let counter = Arc::clone(&accepted);
    tasks.spawn(async move {
        let sink = producer.sink(|answer| *counter.lock().unwrap() += usize::from(answer.is_ok()));
        stream::iter(records(0..10_000)).map(Ok).forward(sink).await
    });
    tokio::task::yield_now().await;
    let in_one_go = *accepted.lock().unwrap();
    assert!((1..1_000).contains(&in_one_go), "{in_one_go}");
    assert_eq!(tasks.join_all().await, [Ok(())]);
    assert_eq!(stored(&sim), 10_000);
}
