//! Memory stays inside the budget in an outage of ten minutes, the copies of requests under way included (P3).
//!
//! A binary of its own: its allocator counts every byte of the process.

#![cfg(test)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
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

/// Runs a test while no other one allocates, in virtual time.
fn alone(test: impl Future<Output = ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

#[test]
fn an_outage_of_ten_minutes_under_constant_pressure_takes_no_more_than_the_budget() {
    alone(each_load_in_an_outage());
}

async fn each_load_in_an_outage() {
    for load in &LOADS {
        let growth = growth_in_an_outage(load).await;
        let (least, most) = (BUDGET as usize / 3, BUDGET as usize + BESIDE);
        println!("{}: {growth} of {most} bytes", load.name);
        assert!(growth > least, "{}: {growth} bytes, which is no pressure", load.name);
        assert!(growth <= most, "{}: {growth} bytes", load.name);
    }
}

const WIDE: u32 = 64 << 20;
const WIDE_SHARDS: u32 = 1_000;
const BESIDE_WIDE: usize = 8 << 20;

/// Puts a record with this data into each shard of a wide stream, which the service gives back.
async fn touch_each_shard(producer: &Producer, data: &Bytes) {
    let width = u128::MAX / u128::from(WIDE_SHARDS);
    for n in 0..WIDE_SHARDS {
        let record = Record::new("key", data.clone());
        let key = kpl::HashKey::new(u128::from(n) * width + width / 2);
        drop(producer.put(record.with_explicit_hash_key(key)).await.unwrap());
    }
}

#[test]
fn the_lanes_of_a_wide_stream_are_inside_the_budget_and_hold_nothing_when_they_are_idle() {
    alone(wide_streams());
}

async fn wide_streams() {
    for bytes in [900_000, 50_000] {
        let sim = Sim::builder().seed(7).event_log(0).build();
        sim.create_stream("orders", WIDE_SHARDS as usize).unwrap();
        let builder = Producer::builder("orders").aws(&sim.sdk_config()).seed(7);
        // One small request at a time: the copies of the SDK and of the simulation are not the question here.
        let builder = builder.max_connections(1).collection_max_size(REQUEST);
        let producer = builder.budget(Budget::new(WIDE, 500_000)).build().unwrap();
        producer.put(Record::new("key", "warm")).await.unwrap().await.unwrap();
        sim.faults(|call| match call.operation {
            "PutRecords" => Fault::access_denied(),
            _ => Fault::None,
        });
        let data = Bytes::from(vec![7; bytes]);
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        touch_each_shard(&producer, &data).await;
        producer.flush().await.unwrap();
        let queued = HEAP.peak_usage() - before;
        sim.advance(Duration::from_secs(300)).await;
        let idle = HEAP.current_usage().saturating_sub(before);
        println!("{bytes} bytes for each shard: {queued} while queued, {idle} when idle");
        let for_records = WIDE as usize / 2;
        assert!(
            queued <= for_records + BESIDE_WIDE,
            "{bytes}: {queued} bytes while queued"
        );
        assert!(idle <= BESIDE_WIDE, "{bytes}: {idle} bytes when idle");
    }
}
