//! How fast a producer is, and what it costs: puts records of one size into an endpoint for some seconds.
//!
//! Meant for the sink of `kinesis-testkit`, which answers at once, so that the client is what is measured:
//!
//! ```sh
//! cargo run --release -p kinesis-testkit --example put_records_sink -- --tls --seconds 60   # in another terminal
//! cargo run --release -p kinesis-kpl --example load -- \
//!     --endpoint https://localhost:PORT --ca PEM --size 100 --seconds 10 --shards 64 --threads 2
//! ```
//!
//! The last line is the result. `client_cpu_us_per_record` is processor time of this process, user and system, for each
//! delivered record; the first second is left out of everything. `--measure bare` sends the same bytes through the SDK alone,
//! as Kinesis records of 50 KiB, and `--measure idle` tells what is left of it all when nothing is put; `--rate` measures
//! the time from `put` to the receipt instead.

#![expect(clippy::print_stdout, reason = "a program")]

mod args;
mod bare;
mod client;
mod cpu;
mod idle;
mod latency;
mod measure;
mod putter;

use std::error::Error;

use clap::Parser as _;

use self::args::{Args, Measure};

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads)
        .enable_all()
        .build()?
        .block_on(run(&args))
}

async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let client = client::connect(args)?;
    client::create_stream(&client, args.shards).await?;
    let line = match (args.rate, args.measure) {
        (Some(rate), _) => latency::run(client, args, rate).await?,
        (None, Measure::Put) => putter::run(client, args).await?,
        (None, Measure::Bare) => bare::run(&client, args).await?,
        (None, Measure::Idle) => idle::run(client, args).await?,
    };
    println!("{line}");
    Ok(())
}
