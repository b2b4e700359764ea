//! What can be asked of a campaign.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use testkit::sim::Severity;

use crate::scenario::Kind;
use crate::sometimes::ENOUGH_SEEDS;

/// Runs whole fleets of producers and workers in virtual time, each from one seed, and judges them by the promises of the
/// libraries. Exits with 1 if any run breaks one. Each failure is told in a line with its seed; the first is made smaller and
/// printed with its plan and its last events; the first ten are made smaller and written to files. A campaign of 1,000 seeds or
/// more of all scenarios also fails if a rare state was never reached.
#[derive(Debug, Clone, Parser)]
#[command(name = "simulate")]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub(crate) struct Args {
    /// How many seeds to run
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    pub(crate) from: u64,
    /// Only this scenario, instead of all in turns: steady, reshard, deploy, crash, produce, fleet or
    /// restless
    #[arg(long, value_parser = scenario)]
    pub(crate) scenario: Option<Kind>,
    /// How much goes wrong
    #[arg(long, value_enum, default_value_t = PlanArg::Harsh)]
    pub(crate) plan: PlanArg,
    /// Stops when a run fails, instead of counting the failures to the end
    #[arg(long)]
    pub(crate) stop_at_first: bool,
    /// Fails also if a run takes more processor time than so many seconds, as fast as this machine is
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_cpu_seconds_a_seed: Option<f64>,
    /// Prints the scenario, the plan and every event of each run
    #[arg(long)]
    pub(crate) log: bool,
    /// Runs the run that this file holds, instead of drawing any from seeds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "from", "scenario", "plan"])]
    pub(crate) replay: Option<PathBuf>,
    /// Draws the first run, writes it to this file for `--replay`, and runs nothing
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) write: Option<PathBuf>,
    /// Where a run that failed is written to, for `--replay`
    #[arg(long, value_name = "DIRECTORY", default_value = "target/simulate")]
    pub(crate) failures: PathBuf,
    /// Plants this bug first, or each in turn with `all`; exits with 1 if one is not found.
    #[arg(long)]
    pub(crate) planted: Option<String>,
}

impl Args {
    /// Whether so many seeds of all scenarios are asked for that each rare state must be among them.
    pub(crate) fn is_of_everything(&self) -> bool {
        let is_drawn = self.replay.is_none() && self.scenario.is_none() && self.plan == PlanArg::Harsh;
        is_drawn && self.seeds >= ENOUGH_SEEDS
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanArg {
    None,
    Mild,
    Harsh,
}

impl From<PlanArg> for Severity {
    fn from(plan: PlanArg) -> Self {
        match plan {
            PlanArg::None => Self::None,
            PlanArg::Mild => Self::Mild,
            PlanArg::Harsh => Self::Harsh,
        }
    }
}

fn scenario(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there are: {}", names.join(", "))
    })
}
