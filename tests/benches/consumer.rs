//! What a whole consumer costs, and how soon it delivers.
//!
//! `cargo bench -p kinesis-tests --bench consumer -- SCENARIO`, with one of:
//!
//! | scenario | clock | measures |
//! |---|---|---|
//! | `throughput` | real | CPU for each record of 100 bytes, from a service in another process, beside the calls of the SDK alone |
//! | `latency` | real | from the answer of PutRecords to the handler, 20 records a second |
//! | `idle-worker` | real | CPU and memory of a worker with 8 shards without records |
//! | `idle-shards` | virtual | CPU and memory of a worker with 1,000 shards without records; the modelled services' work counts |
//! | `wide` | real | the heap of a worker with 100 shards of 10 MiB each, under slow and under halted handlers |
//! | `starving` | virtual | the pace of two handlers beside eight that are blocked |
//!
//! The service of the real scenarios is this program again, as a child process that ends with it.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints its result, has no caller to tell, reads real clocks, and its tasks end with it"
)]

#[path = "consumer/idle.rs"]
mod idle;
#[path = "consumer/latency.rs"]
mod latency;
#[path = "consumer/measure.rs"]
mod measure;
#[path = "consumer/service.rs"]
mod service;
#[path = "consumer/throughput.rs"]
mod throughput;
#[path = "consumer/wide.rs"]
mod wide;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() {
    // Cargo adds arguments of its own, which begin with a dash.
    let scenario = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    match scenario.as_deref() {
        Some(service::CHILD) => real(service::serve()),
        Some("throughput") => real(throughput::run()),
        Some("latency") => real(latency::run()),
        Some("idle-worker") => real(idle::worker()),
        Some("idle-shards") => paused(idle::shards()),
        Some("wide") => real(wide::run()),
        Some("starving") => paused(wide::starving()),
        Some(_) | None => println!("consumer: name a scenario, as the first comment of benches/consumer.rs lists them"),
    }
}

fn real(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("threads").block_on(scenario);
}

fn paused(scenario: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(scenario);
}
