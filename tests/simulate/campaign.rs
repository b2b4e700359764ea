//! Many seeds at once, one on each core, until all are done.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::exceptions::NOT_SIMULATED;
use crate::failures::Failed;
use crate::run::{Run, run};
use crate::sometimes::Sometimes;
use crate::source::Source;
use crate::table::Table;

/// What a failure does to the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Continue,
    Stop,
}

/// What became of all seeds.
pub(crate) struct Campaign {
    table: Table,
    sometimes: Sometimes,
    /// By the number of the run.
    failed: BTreeMap<u64, Failed>,
}

impl Campaign {
    /// Runs them and tells each failure in a line. A failure that stops the campaign lets the runs under way end.
    pub(crate) fn run(runs: &Source, on_failure: OnFailure) -> Self {
        let next = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let campaign = Mutex::new(Self {
            table: Table::default(),
            sometimes: Sometimes::default(),
            failed: BTreeMap::new(),
        });
        on_each_core(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(scenario) = runs.get(number) else { return };
                let run = run(scenario);
                if run.failure.is_some() && on_failure == OnFailure::Stop {
                    stop.store(true, Ordering::Relaxed);
                }
                campaign.lock().unwrap_or_else(PoisonError::into_inner).add(number, run);
            }
        });
        campaign.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&mut self, number: u64, run: Run) {
        self.table.add(&run);
        self.sometimes.add(run.report.as_ref(), &run.events);
        if let Some(failed) = Failed::of(run) {
            println!("{failed}");
            self.failed.insert(number, failed);
        }
    }

    /// The runs that failed, in the order of their numbers.
    pub(crate) fn failed(&self) -> Vec<&Failed> {
        self.failed.values().collect()
    }

    /// The rare states that no run reached.
    pub(crate) fn never(&self) -> Vec<String> {
        self.sometimes.never()
    }

    /// Whether no run took more processor time than so many seconds; says if one did.
    pub(crate) fn within(&self, limit: Option<f64>) -> ExitCode {
        let slowest = self.table.slowest().as_secs_f64();
        match limit {
            Some(limit) if slowest > limit => {
                println!("FAILED: a run took {slowest:.2} s of processor time; the limit is {limit} s");
                ExitCode::FAILURE
            }
            Some(_) | None => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.table, self.sometimes)?;
        for (what, reason) in NOT_SIMULATED {
            writeln!(f, "not simulated: {what}, because {reason}")?;
        }
        Ok(())
    }
}

/// Does the same on each core at once.
pub(crate) fn on_each_core(work: impl Fn() + Sync) {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}

/// Prints the runs word for word: the same seed prints the same.
pub(crate) fn print_logs(runs: &Source) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for scenario in runs.all() {
        let run = run(scenario);
        println!("{}", run.scenario);
        run.events.iter().for_each(|event| println!("{event}"));
        if let Some(report) = &run.report {
            println!("{report}");
        }
        if let Some(failure) = run.failure {
            println!("FAILED: {failure}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
