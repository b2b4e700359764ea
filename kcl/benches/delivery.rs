//! What it costs to take aggregates apart and to deliver their records, beside the floor.
//!
//! `cargo bench -p kinesis-kcl --features _bench --bench delivery`
//!
//! Pages of aggregates of 51,200 bytes with records of 100 bytes, in one thread: with a key of its own for each record, and
//! with 16 keys. The floor is what no reader can leave out: the MD5 of each aggregate, which proves that it is one. A reader
//! that checks the hash keys of records, as the Java KCL does, also pays for an MD5 of each distinct key; this one does not.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use kcl::delivery_bench::Pages;
use md5::{Digest, Md5};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 20;
const AGGREGATES: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for keys in [usize::MAX, 16] {
        measure(keys).await;
    }
}

async fn measure(keys: usize) {
    #[expect(clippy::disallowed_methods, reason = "the lease of the benchmark lasts from now")]
    let mut pages = Pages::new(AGGREGATES, 100, keys, std::time::Instant::now());
    let records = pages.records() * ROUNDS;
    let begun = cpu_time();
    for _ in 0..ROUNDS {
        for data in pages.data() {
            black_box(Md5::digest(data));
        }
    }
    let floor = cpu_time().saturating_sub(begun);
    let mut bytes = 0;
    let counted = Region::new(ALLOCATOR);
    let begun = cpu_time();
    for _ in 0..ROUNDS {
        let delivered = pages
            .deliver(|batch| bytes += batch.records.iter().map(|record| record.data().len()).sum::<usize>())
            .await;
        assert_eq!(delivered, pages.records(), "every record is delivered");
    }
    let cpu = cpu_time().saturating_sub(begun);
    let allocated = counted.change();
    let per_record = |time: Duration| time.as_secs_f64() * 1e9 / records as f64;
    println!(
        "delivery: keys={} records={records} records_per_s={:.0} ns_per_record={:.0} floor_ns={:.0} ratio={:.2} \
         allocations_per_record={:.3} allocated_bytes_per_record={:.0} payload_bytes={}",
        if keys == usize::MAX {
            "distinct".to_owned()
        } else {
            keys.to_string()
        },
        records as f64 / cpu.as_secs_f64(),
        per_record(cpu),
        per_record(floor),
        cpu.as_secs_f64() / floor.as_secs_f64(),
        allocated.allocations as f64 / records as f64,
        allocated.bytes_allocated as f64 / records as f64,
        bytes / records,
    );
}

/// The processor time of this thread: the machine's other work does not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
