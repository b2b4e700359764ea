//! What a campaign shows: one line for each scenario.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use testkit::sim::Event;

use crate::run::Run;
use crate::scenario::Kind;

/// One line for each scenario.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: BTreeMap<Kind, Line>,
}

#[derive(Debug, Default)]
struct Line {
    seeds: u64,
    failed: u64,
    virtual_time: Duration,
    cpu: Duration,
    slowest: Duration,
    records: u64,
    returned: u64,
    duplicates: u64,
    /// `None` if there was nothing to recover from.
    worst_recovery: Option<Duration>,
    faults: BTreeMap<&'static str, u64>,
}

impl Table {
    /// The most processor time that one run took.
    pub(crate) fn slowest(&self) -> Duration {
        self.lines.values().map(|line| line.slowest).max().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, run: &Run) {
        let line = self.lines.entry(run.scenario.kind).or_default();
        line.seeds += 1;
        line.failed += u64::from(run.failure.is_some());
        line.virtual_time += run.virtual_time;
        line.cpu += run.cpu;
        line.slowest = line.slowest.max(run.cpu);
        if let Some(report) = &run.report {
            let figures = &report.figures;
            line.records += figures.accepted;
            line.returned += figures.returned.values().sum::<u64>();
            line.duplicates += figures.offered_again.values().sum::<u64>();
            line.worst_recovery = line.worst_recovery.max(figures.recovery);
        }
        for name in run.events.iter().filter_map(Event::fault) {
            *line.faults.entry(name).or_default() += 1;
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8} {:>6} {:>9} {:>9} {:>8} {:>10} {:>9} {:>8} {:>8}  verdict",
            "scenario", "seeds", "virtual h", "records", "returned", "duplicates", "recovery", "CPU s", "max s"
        )?;
        for (kind, line) in &self.lines {
            writeln!(f, "{:<8} {line}", kind.name())?;
        }
        for (kind, line) in &self.lines {
            let faults: Vec<_> = line
                .faults
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            writeln!(f, "{:<8} {}", kind.name(), faults.join(", "))?;
        }
        let seeds: u64 = self.lines.values().map(|line| line.seeds).sum();
        let cpu: Duration = self.lines.values().map(|line| line.cpu).sum();
        write!(f, "{seeds} seeds, {:.1} s of CPU", cpu.as_secs_f64())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.virtual_time.as_secs_f64() / 3_600.0;
        let recovery = self
            .worst_recovery
            .map_or("-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        let verdict = if self.failed == 0 {
            "ok".to_owned()
        } else {
            format!("{} FAILED", self.failed)
        };
        write!(
            f,
            "{:>6} {hours:>9.1} {:>9} {:>8} {:>10} {recovery:>9} {:>8.1} {:>8.2}  {verdict}",
            self.seeds,
            self.records,
            self.returned,
            self.duplicates,
            self.cpu.as_secs_f64(),
            self.slowest.as_secs_f64(),
        )
    }
}
