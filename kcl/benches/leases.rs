//! What it costs to hold leases: are their renewals in time, how much of a core do they take, how much of the heap.
//!
//! `cargo bench -p kinesis-kcl --features _bench --bench leases`
//!
//! One worker with the default times holds 1, then 1,000, then 10,000 leases for 20 s each, in real time, in one thread.
//! The table is in memory and answers at once; its work counts. The heap is what the renewer keeps for each lease, with
//! its row, and the row that goes to the consumer.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints its result and has no caller to tell"
)]

use std::alloc::System;
use std::time::Duration;

use kcl::lease_bench::{Renewals, TakenLeases};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TIME: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for leases in [1, 1_000, 10_000] {
        measure(leases).await;
    }
}

async fn measure(leases: usize) {
    let taken = TakenLeases::new(leases);
    let before = Region::new(ALLOCATOR);
    let held = taken.adopt().await;
    let adopted = before.change();
    let (cpu, counted) = (cpu_time(), Region::new(ALLOCATOR));
    let renewals = held.renew_for(TIME).await;
    let cpu = cpu_time().saturating_sub(cpu);
    let allocations = counted.change().allocations;
    let Renewals {
        count,
        latest,
        longest_gap,
        lost,
    } = renewals;
    println!(
        "leases: leases={leases} renewals={count} lost={lost} latest_renewal_ms={:.2} longest_gap_ms={:.1} \
         cpu_percent={:.2} cpu_us_per_renewal={:.1} allocations_per_renewal={:.1} heap_bytes_per_lease={}",
        latest.as_secs_f64() * 1e3,
        longest_gap.as_secs_f64() * 1e3,
        100.0 * cpu.as_secs_f64() / TIME.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count.max(1) as f64,
        allocations as f64 / count.max(1) as f64,
        (adopted.bytes_allocated - adopted.bytes_deallocated) / leases,
    );
}

/// What this process has taken of the processors so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a time since the start of the process")
}
