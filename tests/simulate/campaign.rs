//! Many seeds at once, one on each core, until all are done or one breaks a promise.

use std::fmt;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::args::Args;
use crate::run::{Run, run};
use crate::scenario::Scenario;
use crate::table::Table;

/// How many events before the end of a failed run are printed.
const LAST_EVENTS: usize = 60;

/// What became of all seeds.
pub(crate) struct Campaign {
    table: Table,
    failed: Option<Run>,
}

impl Campaign {
    /// Runs the seeds; a failure stops it, when the seeds under way have ended.
    pub(crate) fn run(args: &Args) -> Self {
        let next = AtomicU64::new(args.from);
        let end = args.from.saturating_add(args.seeds);
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
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end {
                            return;
                        }
                        let run = run(Scenario::drawn(seed, args.scenario, args.plan.into()));
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

    /// The run that failed, of the smallest seed if there are several.
    pub(crate) fn failure(&self) -> Option<Failure<'_>> {
        self.failed.as_ref().map(Failure)
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

/// A failed run, in the words that it is reported with.
pub(crate) struct Failure<'a>(&'a Run);

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
        for event in events.iter().take(until).skip(until.saturating_sub(LAST_EVENTS)) {
            writeln!(f, "{event}")?;
        }
        let (seed, kind, plan) = (scenario.seed, scenario.kind.name(), scenario.severity.name());
        write!(
            f,
            "again: cargo run --release -p kinesis-tests --bin simulate -- --from {seed} --seeds 1 --scenario {kind} --plan {plan} --log"
        )
    }
}

/// Prints the runs word for word: the same seed prints the same.
pub(crate) fn print_logs(args: &Args) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for seed in args.from..args.from.saturating_add(args.seeds) {
        let run = run(Scenario::drawn(seed, args.scenario, args.plan.into()));
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
