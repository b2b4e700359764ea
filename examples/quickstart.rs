//! Puts every line of a file into a Kinesis stream, reads the stream with two workers, and accounts for every record.
//!
//! ```text
//! cargo run --example quickstart                       1,707 earthquakes; Kinesis and DynamoDB run in the example
//! cargo run --example quickstart -- --repeat 100       122 MB, as fast as four shards take them
//! cargo run --example quickstart -- --repeat 20 --crash-one
//!                                                      the second worker crashes, the first one takes over
//! cargo run --example quickstart -- --inject-loss 3    the check can fail: exit status 1
//! cargo run --example quickstart -- --aws --stream S   a stream in AWS
//! ```
//!
//! ```text
//!  file ─► Putter ─► kpl::Producer ═══► stream ═══► kcl::Worker 1, 2 ─► a Reader for each shard
//!            │ receipts               split half-way                         │ what was read
//!            └────────────────────────► Collector ◄──────────────────────────┘
//! ```
//!
//! `putter.rs` shows how to produce, `reader.rs` and `workers.rs` how to consume.
//!
//! In AWS, the stream may have other producers and older records. The workers begin one minute before the run, and only
//! records that this run has a receipt for are counted.
//!
//! In the order of the data: `args`; a `service` and its `stream`; `input` for the `putter`; `workers`, each with a
//! `reader`; the `collector` with its `ledger` and `progress`; the `summary`, or an `error`.

#[path = "quickstart/args.rs"]
mod args;
#[path = "quickstart/collector.rs"]
mod collector;
#[path = "quickstart/error.rs"]
mod error;
#[path = "quickstart/input.rs"]
mod input;
#[path = "quickstart/ledger.rs"]
mod ledger;
#[path = "quickstart/progress.rs"]
mod progress;
#[path = "quickstart/putter.rs"]
mod putter;
#[path = "quickstart/reader.rs"]
mod reader;
#[path = "quickstart/service.rs"]
mod service;
#[path = "quickstart/stream.rs"]
mod stream;
#[path = "quickstart/summary.rs"]
mod summary;
#[path = "quickstart/workers.rs"]
mod workers;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use kpl::{Budget, Producer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

use crate::args::Options;
use crate::collector::Collector;
use crate::error::Error;
use crate::input::Lines;
use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::putter::Putter;
use crate::service::Service;
use crate::summary::Summary;
use crate::workers::Workers;

/// What the producer may hold at a time, in bytes and records: a few seconds of what four shards take.
const BUDGET: (u32, u32) = (16 << 20, 100_000);

/// Messages that may wait for the collector; their senders wait while there are more.
const WAITING_MESSAGES: usize = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if std::env::var_os(EnvFilter::DEFAULT_ENV).is_some() {
        let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env());
        log.with_writer(std::io::stderr).init();
    }
    match run(&options).await {
        Ok(code) => code,
        Err(error) => {
            error.report();
            ExitCode::FAILURE
        }
    }
}

/// One run. The service is closed whatever happened in between.
async fn run(options: &Options) -> Result<ExitCode, Error> {
    #[expect(clippy::disallowed_methods, reason = "the stopwatch of the run")]
    let started = Instant::now();
    let lines = Lines::open(&options.file, options.repeat.get()).await?;
    let service = Service::open(options).await?;
    let summary = round_trip(options, lines, &service).await;
    if let Ok(summary) = &summary {
        summary.print(started.elapsed());
    }
    let closed = service.close().await;
    match (summary, closed) {
        (Ok(summary), Ok(())) => Ok(summary.exit_code()),
        (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
        (Err(first), Err(second)) => {
            first.report();
            Err(second)
        }
    }
}

/// Puts the lines and reads them back. No task of it is left when it returns.
async fn round_trip(options: &Options, lines: Lines, service: &Service) -> Result<Summary, Error> {
    let (seen, sightings) = mpsc::channel(WAITING_MESSAGES);
    let (stored, acknowledged) = mpsc::channel(WAITING_MESSAGES);
    let progress = Progress::new(lines.bytes_total());

    let producer = Producer::builder(service.stream.name())
        .aws(&service.config)
        .budget(Budget::new(BUDGET.0, BUDGET.1))
        .build()?;
    let mut workers = Workers::start(service, seen)?;
    let putter = Putter {
        producer,
        lines,
        key: options.key.clone(),
        split: service.split.clone(),
        progress: progress.clone(),
    };
    let mut putting = JoinSet::new();
    putting.spawn(putter.run(stored));

    let mut collector = Collector {
        ledger: Ledger::hiding(options.inject_loss),
        acknowledged,
        sightings,
        crash: workers.crash_last().filter(|_| options.crash_one),
        progress: progress.clone(),
    };
    let put = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        error = workers.failure() => Err(error),
        put = collector.run(&mut putting) => put,
    };
    putting.shutdown().await;
    let (stopped, ()) = tokio::join!(workers.stop(), collector.drain());
    progress.clear();

    let summary = Summary::new(put?, &collector.ledger, service).await?;
    stopped.map(|()| summary)
}
