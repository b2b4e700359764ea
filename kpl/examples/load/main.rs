//! How fast a producer is, and what it costs: puts records of one size into an endpoint for some seconds.
//!
//! Meant for the sink of `kinesis-testkit`, which answers at once, so that the client is what is measured:
//!
//! ```sh
//! cargo run --release -p kinesis-testkit --example put_records_sink -- --tls > sink.env & pid=$!
//! while kill -0 "$pid" && ! grep -q '^ready$' sink.env; do sleep 0.1; done
//! eval "$(grep '^export ' sink.env)" # where it is, and the certificate to trust
//!
//! cargo run --release -p kinesis-kpl --example load -- --size 100 --seconds 10 --shards 64 --threads 2
//! kill -INT "$pid" # it ends, and takes its certificate with it
//! ```
//!
//! `--endpoint` and `--ca` say the same as the two lines that are evaluated, `AWS_ENDPOINT_URL_KINESIS` and
//! `AWS_CA_BUNDLE`, and count more.
//!
//! The last line is the result. `client_cpu_us_per_record` is processor time of this process, user and system, for each
//! delivered record; the first second is left out of everything. `--measure bare` sends the same bytes through the SDK
//! alone, as Kinesis records of 50 KiB, and `--measure idle` tells what is left of it all when nothing is put; `--rate`
//! measures the time from `put` to the receipt instead.
//!
//! `args` are the options, `client` the SDK's client; `putter`, `bare`, `latency` and `idle` are the measurements,
//! made with `measure` and `cpu`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod args;
mod bare;
mod client;
mod cpu;
mod idle;
mod latency;
mod measure;
mod putter;

use std::error::Error;
use std::iter::successors;
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Args, Measure};

fn main() -> ExitCode {
    match start(&Args::parse()) {
        Ok(line) => println!("{line}"),
        Err(error) => {
            eprintln!("load: error: {}", with_causes(&*error));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn start(args: &Args) -> Result<String, Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads)
        .enable_all()
        .build()?
        .block_on(run(args))
}

async fn run(args: &Args) -> Result<String, Box<dyn Error>> {
    let client = client::connect(args)?;
    client::create_stream(&client, args.shards).await?;
    match (args.rate, args.measure) {
        (Some(rate), _) => latency::run(client, args, rate).await,
        (None, Measure::Put) => putter::run(client, args).await,
        (None, Measure::Bare) => bare::run(&client, args).await,
        (None, Measure::Idle) => idle::run(client, args).await,
    }
}

/// The error and its causes, in one line.
fn with_causes(error: &dyn Error) -> String {
    let told = successors(Some(error), |error| (*error).source()).map(ToString::to_string);
    told.collect::<Vec<_>>().join(": ")
}
