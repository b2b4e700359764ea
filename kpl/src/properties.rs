//! Pure: the `.properties` file of a KPL program as the options of a producer.
//!
//! ```
//! use kpl::properties::{Disposition, KplProperties};
//!
//! let properties: KplProperties = "RecordMaxBufferedTime = 250\nNativeExecutable = /opt/kpl".parse()?;
//! for setting in properties.settings() {
//!     if let Disposition::Ignored { reason } = setting.disposition {
//!         eprintln!("line {}: {} is ignored: {reason}", setting.line, setting.key);
//!     }
//! }
//! let builder = kpl::Producer::builder("orders").kpl_properties(&properties);
//! # drop(builder);
//! # Ok::<(), kpl::properties::PropertiesError>(())
//! ```
//!
//! Keys, defaults and ranges are those of `KinesisProducerConfiguration`; the syntax is that of `java.util.Properties`.
//! Where the KPL would go on with a warning or a wrong guess, this stops: at unknown keys, and at booleans that are
//! neither `true` nor `false`.
//!
//! Sources: <https://github.com/awslabs/amazon-kinesis-producer>, `KinesisProducerConfiguration` and
//! `default_config.properties`; <https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html>.

mod form;
mod options;
mod syntax;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use self::options::{Fate, KplOption, OPTIONS};
use crate::config::Config;

/// The settings of a KPL properties file, checked against the KPL's ranges. Made by `parse`.
#[derive(Clone, PartialEq, Eq)]
pub struct KplProperties {
    /// By key; a key that is there twice has its last value, as in Java.
    given: BTreeMap<&'static str, Given>,
}

#[derive(Clone, PartialEq, Eq)]
struct Given {
    line: usize,
    value: String,
    number: u64,
}

/// One setting of a file, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Its key.
    pub key: &'static str,
    /// The line in which it begins, from 1.
    pub line: usize,
    /// What becomes of it.
    pub disposition: Disposition,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// It sets an option of the [`ProducerBuilder`](crate::ProducerBuilder).
    Applied {
        /// The name of that option.
        option: &'static str,
    },
    /// It belongs into the SDK's configuration, from which the producer's client is made. Its value is in
    /// [`value`](KplProperties::value).
    SdkConfiguration {
        /// What to set there.
        what: &'static str,
    },
    /// It has no meaning for a producer without a child process.
    Ignored {
        /// Why not.
        reason: &'static str,
    },
}

impl KplProperties {
    /// The settings, in the order of their lines.
    pub fn settings(&self) -> Vec<Setting> {
        let setting = |option: &KplOption| {
            let given = self.given.get(option.key)?;
            Some(Setting {
                key: option.key,
                line: given.line,
                disposition: option.fate.disposition(),
            })
        };
        let mut settings: Vec<Setting> = OPTIONS.iter().filter_map(setting).collect();
        settings.sort_by_key(|setting| setting.line);
        settings
    }

    /// The value of `key` in the file, for what belongs into other configurations: `Region`, `KinesisEndpoint`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(|given| given.value.as_str())
    }

    /// Sets each option that both have, to the file's value or the KPL's default.
    pub(crate) fn apply(&self, config: &mut Config) {
        for option in OPTIONS {
            let given = self.given.get(option.key).map(|given| given.number);
            let Some(number) = given.or_else(|| option.default_number()) else {
                continue;
            };
            if let Fate::Applied(_, set) = &option.fate {
                set(config, number);
            }
        }
    }
}

impl FromStr for KplProperties {
    type Err = PropertiesError;

    fn from_str(text: &str) -> Result<Self, PropertiesError> {
        let mut given = BTreeMap::new();
        for entry in syntax::entries(text)? {
            let line = entry.line;
            let error = |kind| PropertiesError {
                line,
                key: entry.key.clone(),
                kind,
            };
            let option = options::find(&entry.key).ok_or_else(|| error(PropertiesErrorKind::UnknownKey))?;
            let value = entry.value.trim_end().to_owned();
            let number = option.form.read(&value).map_err(error)?;
            given.insert(option.key, Given { line, value, number });
        }
        Ok(Self { given })
    }
}

/// Shows the keys alone: a value may be the password of a proxy.
impl fmt::Debug for KplProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

/// Why a properties file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {key}: {kind}")]
pub struct PropertiesError {
    line: usize,
    key: String,
    kind: PropertiesErrorKind,
}

impl PropertiesError {
    /// The line in which the setting begins, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The setting's key; as it is written, if that cannot be read.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The reason, to match on.
    pub fn kind(&self) -> &PropertiesErrorKind {
        &self.kind
    }
}

/// The reasons of a [`PropertiesError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertiesErrorKind {
    /// A `\u` is not followed by four hexadecimal digits, or they are half of a character.
    #[error("a \\u escape is malformed")]
    MalformedEscape,
    /// The KPL has no such option.
    #[error("the KPL has no such option")]
    UnknownKey,
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

#[cfg(test)]
mod tests;
