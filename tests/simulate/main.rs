//! Whole fleets in virtual time, run from seeds and judged by the promises.

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
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Args;
use crate::campaign::Campaign;

/// Faster here than the allocator of the system: a simulated call is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    #[cfg(feature = "planted-bugs")]
    if let Some(bug) = &args.planted {
        return planted::hunt(bug, &args);
    }
    if args.log {
        return campaign::print_logs(&args);
    }
    let campaign = Campaign::run(&args);
    println!("{campaign}");
    match campaign.failure() {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
