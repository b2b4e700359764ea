//! Many seeds at once, one on each core, until all are done or one breaks a promise.

use std::fmt;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::exceptions::NOT_SIMULATED;
use crate::run::{Run, run};
use crate::scenario::Scenario;
use crate::source::Source;
use crate::table::Table;

/// How many events of a failed run are printed: up to the violation, or the end.
const LAST_EVENTS: usize = 60;

/// And how many behind the violation.
const NEXT_EVENTS: usize = 10;

/// What became of all seeds.
pub(crate) struct Campaign {
    table: Table,
    failed: Option<Run>,
}

impl Campaign {
    /// Runs them; a failure stops it, when the runs under way have ended.
    pub(crate) fn run(runs: &Source) -> Self {
        let next = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let campaign = Mutex::new(Self {
            table: Table::default(),
            failed: None,
        });
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(scenario) = runs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            return;
                        };
                        let run = run(scenario);
                        if run.failure.is_some() {
                            stop.store(true, Ordering::Relaxed);
                        }
                        campaign.lock().unwrap_or_else(PoisonError::into_inner).add(run);
                    }
                });
            }
        });
        campaign.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&mut self, run: Run) {
        self.table.add(&run);
        let is_earlier = self
            .failed
            .as_ref()
            .is_none_or(|failed| run.scenario.seed < failed.scenario.seed);
        if run.failure.is_some() && is_earlier {
            self.failed = Some(run);
        }
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

    /// The run that failed, of the smallest seed if there are several.
    pub(crate) fn failure(&self) -> Option<Failure<'_>> {
        self.failed.as_ref().map(Failure)
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)?;
        for (what, reason) in NOT_SIMULATED {
            write!(f, "\nnot simulated: {what}, because {reason}")?;
        }
        Ok(())
    }
}

/// A failed run, in the words that it is reported with.
pub(crate) struct Failure<'a>(&'a Run);

impl<'a> Failure<'a> {
    /// The run, to be kept.
    pub(crate) fn scenario(&self) -> &'a Scenario {
        &self.0.scenario
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run {
            scenario,
            failure,
            report,
            events,
            ..
        } = self.0;
        writeln!(f, "FAILED: {}", failure.as_deref().unwrap_or("nothing"))?;
        writeln!(f, "{scenario}")?;
        if let Some(report) = report {
            writeln!(f, "{report}")?;
        }
        let violated = report.as_ref().and_then(|report| report.violations.first());
        // Around the violation, where that is known; else at the end.
        let until = violated.map_or(events.len(), |violation| {
            events.partition_point(|event| event.at() <= violation.at)
        });
        for event in events
            .iter()
            .take(until + NEXT_EVENTS)
            .skip(until.saturating_sub(LAST_EVENTS))
        {
            writeln!(f, "{event}")?;
        }
        Ok(())
    }
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
