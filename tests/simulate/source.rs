//! Where the runs of a campaign come from: drawn from seeds, or kept in a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use testkit::sim::Severity;

use crate::args::Args;
use crate::scenario::{Kind, Scenario};

/// The runs of a campaign, by number from 0.
pub(crate) enum Source {
    Seeds {
        from: u64,
        count: u64,
        kind: Option<Kind>,
        severity: Severity,
    },
    File(Box<Scenario>),
}

impl Source {
    /// What the arguments ask for.
    ///
    /// # Errors
    ///
    /// If the file to replay cannot be read, or does not hold a run.
    pub(crate) fn of(args: &Args) -> io::Result<Self> {
        Ok(match &args.replay {
            Some(path) => Self::File(Box::new(read(path)?)),
            None => Self::Seeds {
                from: args.from,
                count: args.seeds,
                kind: args.scenario,
                severity: args.plan.into(),
            },
        })
    }

    /// The run of this number; `None` behind the last one.
    pub(crate) fn get(&self, number: u64) -> Option<Scenario> {
        match self {
            Self::Seeds {
                from,
                count,
                kind,
                severity,
            } => (number < *count).then(|| Scenario::drawn(from.saturating_add(number), *kind, *severity)),
            Self::File(scenario) => (number == 0).then(|| (**scenario).clone()),
        }
    }

    /// All runs, in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Scenario> {
        (0..).map_while(|number| self.get(number))
    }
}

/// Reads a run that [`write()`] wrote. What it does not tell, because it is older, is off.
fn read(path: &Path) -> io::Result<Scenario> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = fs::read(path).map_err(named)?;
    serde_json::from_slice(&text).map_err(|error| named(error.into()))
}

/// Writes a run down, for people too.
pub(crate) fn write(scenario: &Scenario, path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, serde_json::to_string_pretty(scenario)? + "\n")
}

/// Writes a run down under a name of its own; returns the file.
pub(crate) fn write_into(directory: &Path, scenario: &Scenario) -> io::Result<PathBuf> {
    let Scenario {
        seed, kind, severity, ..
    } = scenario;
    let path = directory.join(format!("{seed}-{}-{}.json", kind.name(), severity.name()));
    write(scenario, &path).map(|()| path)
}
