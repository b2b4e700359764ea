//! Pure: the outcome of a run, for people and for assertions.

use std::fmt;
use std::time::Duration;

use super::figures::Figures;
use super::judge::{Excused, Seconds, Violation};

/// What came of a run. Displayed as a few lines, violations first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The virtual time at which the run ended.
    pub at: Duration,
    /// The broken rules, in the order in which they were found; the first 100.
    pub violations: Vec<Violation>,
    /// How many more there were.
    pub unlisted: u64,
    /// The exceptions of the rules.
    pub excused: Vec<Excused>,
    /// What was counted.
    pub figures: Figures,
}

impl Report {
    /// Whether no rule is broken.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.violations.len() as u64 + self.unlisted;
        writeln!(f, "{found} violations in {}", Seconds(self.at))?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        if self.unlisted > 0 {
            writeln!(f, "  and {} more", self.unlisted)?;
        }
        for excused in &self.excused {
            let Excused {
                exception,
                reason,
                times,
            } = excused;
            writeln!(f, "excused {times} times: {exception}, because {reason}")?;
        }
        self.figures.fmt(f)
    }
}
