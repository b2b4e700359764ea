//! Memory stays inside the budget in an outage of ten minutes, the copies of requests under way included (P3).
//!
//! A binary of its own: its allocator counts every byte of the process.

#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kpl::{Budget, Producer, ProducerBuilder, Record};
use peak_alloc::PeakAlloc;
use testkit::sim::{Fault, Sim};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const BUDGET: u32 = 16 << 20;
const SHARDS: usize = 4;
const REQUEST: usize = 512 << 10;
const AGGREGATE: usize = 51_200;

/// What the documentation of [`Budget`] allows beside it: the open aggregates, and what a request under construction grows
/// by. The rest is the simulated service, the runtime and one SDK client.
const BESIDE: usize = 2 * AGGREGATE * SHARDS + REQUEST * 7 / 2 + (1 << 20);

/// A load that fills any budget.
struct Load {
    name: &'static str,
    bytes: usize,
    options: fn(ProducerBuilder) -> ProducerBuilder,
    outage: fn(&Sim),
}

const LOADS: [Load; 4] = [
    Load {
        name: "small records in aggregates",
        bytes: 100,
        options: |builder| builder,
        outage: of_all_kinds,
    },
    Load {
        name: "small records alone",
        bytes: 100,
        options: |builder| builder.aggregation_max_count(1),
        outage: that_answers,
    },
    Load {
        name: "small records that come one by one",
        bytes: 10,
        options: |builder| builder.record_max_buffered_time(Duration::ZERO),
        outage: of_all_kinds,
    },
    Load {
        name: "large records",
        bytes: 200_000,
        options: |builder| builder,
        outage: of_all_kinds,
    },
];

/// Connections break, calls are never answered, and the service has an error of its own, in turns.
fn of_all_kinds(sim: &Sim) {
    sim.faults(|call| match call.ordinal % 3 {
        0 => Fault::RequestLost,
        1 => Fault::RequestHangs,
        _ => Fault::internal_failure(),
    });
}

/// Each request is answered, by an error, and has an id to remember.
fn that_answers(sim: &Sim) {
    sim.faults(|_| Fault::internal_failure());
}

/// Puts without end; counts what is accepted.
async fn press(producer: Producer, bytes: usize, accepted: Arc<AtomicUsize>) {
    loop {
        let n = accepted.load(Ordering::Relaxed);
        let record = Record::new(format!("key-{}", n % 1_000), vec![7; bytes]);
        if producer.put(record).await.is_err() {
            return;
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

/// The most that the heap grew by in ten minutes without the service, under a load that never ends.
async fn growth_in_an_outage(load: &Load) -> usize {
    let sim = Sim::builder().seed(7).event_log(0).build();
    sim.create_stream("orders", SHARDS).unwrap();
    let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
    let builder = builder
        .budget(Budget::new(BUDGET, 500_000))
        .collection_max_size(REQUEST);
    let producer = (load.options)(builder).build().unwrap();
    producer.put(Record::new("key", "warm")).await.unwrap().await.unwrap();
    (load.outage)(&sim);
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let accepted = Arc::new(AtomicUsize::new(0));
    let pressing = press(producer.clone(), load.bytes, Arc::clone(&accepted));
    let pressed = tokio::time::timeout(Duration::from_secs(600), pressing).await;
    assert!(pressed.is_err(), "put waits");
    let growth = HEAP.peak_usage() - before;
    sim.heal();
    let report = producer.shutdown(Duration::from_secs(600)).await;
    assert_eq!(
        report.delivered,
        accepted.load(Ordering::Relaxed) as u64,
        "{}",
        load.name
    );
    growth
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_under_constant_pressure_takes_no_more_than_the_budget() {
    for load in &LOADS {
        let growth = growth_in_an_outage(load).await;
        let (least, most) = (BUDGET as usize / 3, BUDGET as usize + BESIDE);
        println!("{}: {growth} of {most} bytes", load.name);
        assert!(growth > least, "{}: {growth} bytes, which is no pressure", load.name);
        assert!(growth <= most, "{}: {growth} bytes", load.name);
    }
}
