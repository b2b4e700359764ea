//! Pure: what is wrong with a properties file.

use std::fmt;

/// Why a properties file was refused: all that is wrong with it, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertiesError {
    /// At least one.
    faults: Vec<Fault>,
}

impl PropertiesError {
    /// An error if there is any fault.
    pub(super) fn unless_empty(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self { faults })
        }
    }

    /// What is wrong, in the order of the lines.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl std::error::Error for PropertiesError {}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.faults.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

/// One fault of a properties file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {key}: {kind}")]
pub struct Fault {
    line: usize,
    key: String,
    kind: FaultKind,
}

impl Fault {
    pub(super) fn new(line: usize, key: &str, kind: FaultKind) -> Self {
        let key = key.to_owned();
        Self { line, key, kind }
    }

    /// The line in which the setting begins, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The setting's key; as it is written, if that cannot be read.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong with it, to match on.
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }
}

/// What can be wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// A `\u` is not followed by four hexadecimal digits, or they are half of a character.
    #[error("a \\u escape is malformed")]
    MalformedEscape,
    /// The KPL has no such option.
    #[error("the KPL has no such option{}", question(*.meant))]
    UnknownKey {
        /// The option whose name differs in upper and lower case alone.
        meant: Option<&'static str>,
    },
    /// The value is not of the option's form.
    #[error("{value:?} is not {expected}")]
    Malformed {
        /// What was given.
        value: String,
        /// What is asked for.
        expected: &'static str,
    },
    /// The value is outside of the KPL's range.
    #[error("{value} is not in {min}..={max}")]
    OutOfRange {
        /// What was given.
        value: i64,
        /// The least allowed.
        min: i64,
        /// The most allowed.
        max: i64,
    },
}

fn question(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}
