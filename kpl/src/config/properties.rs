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
//! Where the KPL would go on with a warning or a wrong guess, this stops, with all faults of the file at once: at booleans
//! that are neither `true` nor `false`, and at unknown keys, unless the file is read with
//! [`parse_ignoring_unknown_keys`](KplProperties::parse_ignoring_unknown_keys).
//!
//! Sources: <https://github.com/awslabs/amazon-kinesis-producer>, `KinesisProducerConfiguration` and
//! `default_config.properties`; <https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html>.
//!
//! Inside, in the order of the data: `options` lists the KPL's options, `form` reads their values, and `fault` says what is
//! wrong.

mod fault;
mod form;
mod options;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use service::{MalformedEscape, PropertyEntry, property_entries};

pub use self::fault::{Fault, FaultKind, PropertiesError};
use self::options::OPTIONS;
use crate::config::Config;

const REGION: &str = "Region";

/// The settings of a KPL properties file, checked against the KPL's ranges. Made by `parse`, or by
/// [`parse_ignoring_unknown_keys`](Self::parse_ignoring_unknown_keys).
#[derive(Clone, PartialEq, Eq)]
pub struct KplProperties {
    /// By key; a key that is there twice has its last value, as in Java, and each is checked.
    given: BTreeMap<String, Given>,
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
pub struct Setting<'a> {
    /// Its key.
    pub key: &'a str,
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
    /// It sets an option of the [`ProducerBuilder`](crate::ProducerBuilder), to less than it says: the KPL takes more
    /// than there can be.
    Capped {
        /// The name of that option.
        option: &'static str,
        /// What it is set to: the most that the option takes.
        value: u64,
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
    /// The KPL has no such option. Only
    /// [`parse_ignoring_unknown_keys`](KplProperties::parse_ignoring_unknown_keys) lets it pass.
    Unknown {
        /// The option whose name differs in upper and lower case alone.
        meant: Option<&'static str>,
    },
}

/// What is done about a key that the KPL does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnknownKeys {
    Refused,
    Ignored,
}

impl KplProperties {
    /// Reads a file as `parse` does, but lets keys pass that the KPL does not have, as the KPL itself does:
    /// [`settings`](Self::settings) has them as [`Disposition::Unknown`].
    ///
    /// # Errors
    ///
    /// All other faults of the file.
    pub fn parse_ignoring_unknown_keys(text: &str) -> Result<Self, PropertiesError> {
        Self::read(text, UnknownKeys::Ignored)
    }

    /// The settings, in the order of their lines.
    pub fn settings(&self) -> Vec<Setting<'_>> {
        let settings = self.given.iter().map(|(key, given)| Setting {
            key,
            line: given.line,
            disposition: disposition(key, given.number),
        });
        let mut settings: Vec<Setting<'_>> = settings.collect();
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
            if let Some(number) = given.or_else(|| option.default_number()) {
                option.fate.apply(config, number);
            }
        }
    }

    /// The key that sets this option of the builder, with its line, in words; `None` if the file leaves it out.
    pub(crate) fn place_of(&self, ours: &str) -> Option<String> {
        let is_set = |disposition| match disposition {
            Disposition::Applied { option } | Disposition::Capped { option, .. } => option == ours,
            Disposition::SdkConfiguration { .. } | Disposition::Ignored { .. } | Disposition::Unknown { .. } => false,
        };
        let mut settings = self.settings().into_iter();
        let Setting { key, line, .. } = settings.find(|setting| is_set(setting.disposition))?;
        Some(format!("{key} in line {line}"))
    }

    /// The keys and lines of the settings that only the SDK's configuration can take over, in words, if there are any.
    /// What has the KPL's default changes nothing, and the region is compared with the client's.
    pub(crate) fn left_to_the_sdk(&self) -> Option<String> {
        let settings = self.settings().into_iter().filter_map(|setting| {
            let Setting { key, line, disposition } = setting;
            let Disposition::SdkConfiguration { what } = disposition else {
                return None;
            };
            let default = options::find(key)?.default;
            let is_default = self.value(key)?.eq_ignore_ascii_case(default);
            (key != REGION && !is_default).then(|| format!("{key} in line {line} ({what})"))
        });
        let settings: Vec<_> = settings.collect();
        (!settings.is_empty()).then(|| settings.join(", "))
    }

    /// The region that the file names.
    pub(crate) fn region(&self) -> Option<&str> {
        self.value(REGION).filter(|region| !region.is_empty())
    }

    fn read(text: &str, unknown: UnknownKeys) -> Result<Self, PropertiesError> {
        let mut given = BTreeMap::new();
        let mut faults = Vec::new();
        for entry in property_entries(text) {
            let read = entry.map_err(Fault::from);
            match read.and_then(|entry| check(entry, unknown)) {
                Ok((key, setting)) => drop(given.insert(key, setting)),
                Err(fault) => faults.push(fault),
            }
        }
        PropertiesError::unless_empty(faults)?;
        Ok(Self { given })
    }
}

/// What becomes of the option with this key and value.
fn disposition(key: &str, number: u64) -> Disposition {
    match options::find(key) {
        Some(option) => option.fate.disposition(number),
        None => Disposition::Unknown {
            meant: options::meant(key),
        },
    }
}

/// Holds one setting to the rule of its option.
fn check(entry: PropertyEntry, unknown: UnknownKeys) -> Result<(String, Given), Fault> {
    let PropertyEntry { line, key, value } = entry;
    let value = value.trim_end().to_owned();
    let number = match options::find(&key) {
        Some(option) => option.form.read(&value),
        None if unknown == UnknownKeys::Ignored => Ok(0),
        None => Err(FaultKind::UnknownKey {
            meant: options::meant(&key),
        }),
    };
    match number {
        Ok(number) => Ok((key, Given { line, value, number })),
        Err(kind) => Err(Fault::new(line, &key, kind)),
    }
}

impl From<MalformedEscape> for Fault {
    fn from(malformed: MalformedEscape) -> Self {
        Self::new(malformed.line, &malformed.key, FaultKind::MalformedEscape)
    }
}

impl FromStr for KplProperties {
    type Err = PropertiesError;

    fn from_str(text: &str) -> Result<Self, PropertiesError> {
        Self::read(text, UnknownKeys::Refused)
    }
}

/// Shows the keys alone: a value may be the password of a proxy.
impl fmt::Debug for KplProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
