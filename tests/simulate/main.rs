//! Whole fleets in virtual time, run from seeds and judged by the promises.
//!
//! In the order of a run: `args` and `source` say which `scenario`s to run, a `campaign` runs them; `run` is one of
//! them, with a `fleet` of `producer`s and of `workers`; `forms` are those of their handlers, of batches (`recorder`, also
//! of those that they `pull`) or of `records`, which fail on `poison`; a `lookout` sees to shards that are halted.
//! `exceptions` has what is not promised yet, `table` what is printed; `panics` and `cpu` are counted; `planted` hunts bugs
//! on purpose.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program that prints its results, and a test that panics when its own set-up fails"
)]

mod args;
mod campaign;
mod cpu;
mod exceptions;
mod failures;
mod fleet;
mod forms;
mod lookout;
mod operator;
mod panics;
mod planted;
mod poison;
mod producer;
mod pull;
mod recorder;
mod records;
mod run;
mod scenario;
mod shrink;
mod sometimes;
mod source;
mod table;
mod told;
mod workers;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::campaign::{Campaign, OnFailure};
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
    if let Some(bug) = &args.planted {
        return Ok(planted::hunt(bug, &runs));
    }
    if args.log {
        return Ok(campaign::print_logs(&runs));
    }
    let on_failure = if args.stop_at_first {
        OnFailure::Stop
    } else {
        OnFailure::Continue
    };
    let campaign = Campaign::run(&runs, on_failure);
    print!("{campaign}");
    let failed = campaign.failed();
    if failed.is_empty() {
        let never = if args.is_of_everything() {
            campaign.never()
        } else {
            Vec::new()
        };
        never
            .iter()
            .for_each(|state| println!("FAILED: never in this campaign: {state}"));
        return Ok(if never.is_empty() {
            campaign.within(args.max_cpu_seconds_a_seed)
        } else {
            ExitCode::FAILURE
        });
    }
    failures::report(&failed, &args.failures)?;
    println!("{} runs FAILED", failed.len());
    Ok(ExitCode::FAILURE)
}
