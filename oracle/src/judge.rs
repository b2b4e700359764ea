//! Pure: the rules, and what was found against them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::figures::Figures;
use super::rare::Rare;
use super::rules::{Exception, Rule, Rules};
pub(crate) use super::seconds::Seconds;

/// How many violations are listed with their texts; the others are counted. Our choice: the first ones tell the most.
const LISTED: usize = 100;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The virtual time at which it was found broken.
    pub at: Duration,
    /// What happened, where, and what was expected instead.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {}: {}", self.rule, Seconds(self.at), self.text)
    }
}

/// An exception that the rules make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excused {
    /// What is excused.
    pub exception: Exception,
    /// Why.
    pub reason: String,
    /// How often it was needed.
    pub times: u64,
}

/// What all checks write to.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) rules: Rules,
    pub(crate) now: Duration,
    pub(crate) figures: Figures,
    violations: Vec<Violation>,
    unlisted: u64,
    excused: BTreeMap<Exception, u64>,
}

impl Judge {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: Duration::ZERO,
            figures: Figures::default(),
            violations: Vec::new(),
            unlisted: 0,
            excused: BTreeMap::new(),
        }
    }

    /// Notes that a rule is broken, unless it is not judged.
    pub(crate) fn broken(&mut self, rule: Rule, text: fmt::Arguments<'_>) {
        if self.excuses(Exception::Rule(rule)) {
            return;
        }
        if self.violations.len() == LISTED {
            self.unlisted += 1;
            return;
        }
        self.violations.push(Violation {
            rule,
            at: self.now,
            text: text.to_string(),
        });
    }

    /// Whether the exception is granted; if so, that is counted.
    pub(crate) fn excuses(&mut self, exception: Exception) -> bool {
        let granted = self.rules.exceptions.contains_key(&exception);
        if granted {
            *self.excused.entry(exception).or_default() += 1;
        }
        granted
    }

    /// Counts a rare state.
    pub(crate) fn reached(&mut self, state: Rare) {
        *self.figures.rare.entry(state).or_default() += 1;
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// The exceptions of the rules, used or not.
    pub(crate) fn excused(&self) -> Vec<Excused> {
        let excused = self.rules.exceptions.iter().map(|(exception, reason)| Excused {
            exception: *exception,
            reason: reason.clone(),
            times: self.excused.get(exception).copied().unwrap_or_default(),
        });
        excused.collect()
    }
}
