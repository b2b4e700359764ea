//! The same seed, the same run.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use futures::future::join_all;
use testkit::sim::{Call, Fault, PollOrder, Sim};
use tokio::runtime::Builder;

const STREAM: &str = "clicks";

/// Five clients put three records each, all at once, and every fourth reply is lost, so that the SDK retries: the calls,
/// and what they left behind.
fn run(seed: u64) -> (Vec<Call>, String) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        fastrand::seed(seed);
        let sim = Sim::new(seed);
        sim.create_stream(STREAM, 2).unwrap();
        sim.faults(|call| match call.ordinal % 4 {
            3 => Fault::ReplyLost,
            _ => Fault::None,
        });
        join_all((0..5).map(|producer| put_three(sim.client(&format!("producer-{producer}"))))).await;
        let stored = sim.kinesis(|kinesis| format!("{:?}", kinesis.stored(STREAM).collect::<Vec<_>>()));
        (sim.calls(), stored)
    })
}

async fn put_three(config: SdkConfig) {
    let client = Client::new(&config);
    for number in 0..3 {
        let put = client
            .put_record()
            .stream_name(STREAM)
            .partition_key(number.to_string());
        put.data(Blob::new("x")).send().await.unwrap();
    }
}

#[test]
fn one_seed_gives_one_run() {
    let (calls, stored) = run(11);
    assert!(calls.len() > 15, "retries are calls too");
    assert_eq!((calls, stored), run(11));
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(run(11), run(12));
}

/// Ten tasks of a process put a record each time that they are woken together, with their polls shuffled: the events.
fn shuffled(seed: u64) -> Vec<String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        fastrand::seed(seed);
        let poll_order = PollOrder { percent: 60, rounds: 3 };
        let sim = Sim::builder().seed(seed).poll_order(poll_order).build();
        sim.create_stream(STREAM, 2).unwrap();
        let process = sim.process("producer");
        let puts = (0..10).map(|_| process.spawn(put_three(process.sdk_config())));
        let puts: Vec<_> = puts.collect();
        sim.advance(Duration::from_millis(20)).await;
        process.freeze();
        sim.advance(Duration::from_secs(1)).await;
        process.thaw();
        join_all(puts).await;
        sim.events().iter().map(ToString::to_string).collect()
    })
}

#[test]
fn one_seed_gives_one_order_of_polls_word_for_word() {
    assert_eq!(shuffled(11), shuffled(11));
    assert_ne!(shuffled(11), shuffled(12));
}
