//! What becomes of the runs that failed: they are made smaller, printed and written to files.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::campaign::on_each_core;
use crate::cpu;
use crate::run::{Failure, Run, run};
use crate::scenario::Scenario;
use crate::shrink::{Shrunk, shrink};
use crate::source;

/// How many failures are made smaller and written to files. Our choice: further ones mostly show the same faults.
const WRITTEN: usize = 10;

/// How many runs it may take to make one smaller. Our choice: a minute without optimisation.
const MOST_RUNS: usize = 60;

/// How much processor time, so that a campaign ends also where runs are long. Our choice; a cut-off there is not repeatable.
const MOST_TIME: Duration = Duration::from_secs(300);

/// How many events of a failed run are printed: up to the violation, or the end.
const LAST_EVENTS: usize = 60;

/// And how many behind the violation.
const NEXT_EVENTS: usize = 10;

/// A run that failed.
pub(crate) struct Failed {
    scenario: Scenario,
    failure: Failure,
}

impl Failed {
    /// What is kept of a run; `None` if it kept all promises.
    pub(crate) fn of(run: Run) -> Option<Self> {
        let Run { scenario, failure, .. } = run;
        failure.map(|failure| Self { scenario, failure })
    }

    /// The smallest run found that fails in the same way.
    fn smaller(&self) -> Smaller {
        let begun = cpu::of_thread();
        let Shrunk { case, runs } = shrink(self.scenario.clone(), MOST_RUNS, &mut |scenario: &Scenario| {
            let failure = run(scenario.clone()).failure;
            let is_late = cpu::of_thread().saturating_sub(begun) > MOST_TIME;
            !is_late && failure.is_some_and(|failure| failure.kind == self.failure.kind)
        });
        Smaller { run: run(case), runs }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { seed, kind, .. } = &self.scenario;
        write!(f, "FAILED: seed {seed}, {}: {}", kind.name(), self.failure)
    }
}

/// Makes the first of these runs smaller, prints the first of all whole, and writes them to files in the directory.
///
/// # Errors
///
/// If a file cannot be written.
pub(crate) fn report(failed: &[&Failed], directory: &Path) -> io::Result<()> {
    let first = failed.get(..WRITTEN).unwrap_or(failed);
    for (place, smaller) in smaller(first).iter().enumerate() {
        if place == 0 {
            println!("{smaller}");
        }
        let scenario = &smaller.run.scenario;
        let file = source::write_into(directory, scenario)?;
        println!(
            "seed {} made smaller in {} runs; again: cargo run --release -p kinesis-tests --bin simulate -- --log --replay {}",
            scenario.seed,
            smaller.runs,
            file.display()
        );
    }
    if failed.len() > first.len() {
        println!(
            "{} more are not written; run their seeds alone",
            failed.len() - first.len()
        );
    }
    Ok(())
}

fn smaller(failed: &[&Failed]) -> Vec<Smaller> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    on_each_core(|| {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(failed) = failed.get(place) else { return };
            let smaller = failed.smaller();
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((place, smaller));
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, smaller)| smaller).collect()
}

/// A run that was made smaller, in the words that it is reported with.
struct Smaller {
    run: Run,
    /// How many runs that took.
    runs: usize,
}

impl fmt::Display for Smaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run {
            scenario,
            failure,
            report,
            events,
            ..
        } = &self.run;
        let seed = scenario.seed;
        writeln!(f, "The run of seed {seed}, made smaller in {} tries:", self.runs)?;
        if let Some(failure) = failure {
            writeln!(f, "FAILED: {failure}")?;
        }
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
