//! Whole fleets in virtual time, run from seeds and judged by the promises.
//!
//! In the order of a run: `args` and `source` say which `scenario`s to run, a `campaign` runs them; `run` is one of
//! them, with a `fleet` of `producer`s and of workers that `recorder` watches; `exceptions` has what is not promised
//! yet, `table` what is printed; `panics` and `cpu` are counted; `planted` hunts bugs on purpose.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program that prints its results, and a test that panics when its own set-up fails"
)]

mod args;
mod campaign;
mod cpu;
mod exceptions;
mod fleet;
mod panics;
#[cfg(feature = "planted-bugs")]
mod planted;
mod producer;
mod recorder;
mod run;
mod scenario;
mod source;
mod table;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::campaign::Campaign;
use crate::source::Source;

/// Faster here than the allocator of the system: a simulated call is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match simulate(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(args: &Args) -> io::Result<ExitCode> {
    let runs = Source::of(args)?;
    if let (Some(path), Some(first)) = (&args.write, runs.get(0)) {
        source::write(&first, path)?;
        println!("written to {}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    #[cfg(feature = "planted-bugs")]
    if let Some(bug) = &args.planted {
        return Ok(planted::hunt(bug, &runs));
    }
    if args.log {
        return Ok(campaign::print_logs(&runs));
    }
    let campaign = Campaign::run(&runs);
    println!("{campaign}");
    let Some(failure) = campaign.failure() else {
        return Ok(campaign.within(args.max_cpu_seconds_a_seed));
    };
    println!("{failure}");
    let file = source::write_into(&args.failures, failure.scenario())?;
    println!(
        "again: cargo run --release -p kinesis-tests --bin simulate -- --log --replay {}",
        file.display()
    );
    Ok(ExitCode::FAILURE)
}
