//! Pure: the `.properties` file of a KCL program (MultiLangDaemon) as the options of a worker.
//!
//! ```
//! use kcl::properties::{Disposition, KclProperties};
//!
//! let text = "streamName = orders\napplicationName = billing\nfailoverTimeMillis = 20000\nmaxActiveThreads = 4";
//! let properties: KclProperties = text.parse()?;
//! for setting in properties.settings() {
//!     if let Disposition::Ignored { reason } = setting.disposition {
//!         eprintln!("line {}: {} is ignored: {reason}", setting.line, setting.key);
//!     }
//! }
//! let builder = kcl::Worker::builder("billing", "orders").kcl_properties(&properties);
//! # drop(builder);
//! # Ok::<(), kcl::properties::PropertiesError>(())
//! ```
//!
//! Keys and defaults are those of `MultiLangDaemonConfiguration` of KCL 2.x and 3.x; the syntax is that of
//! `java.util.Properties`. A number that is 0 counts as left out, as there. Where the KCL would go on silently, this stops,
//! with all faults of the file at once: at unknown keys, unless the file is read with
//! [`parse_ignoring_unknown_keys`](KclProperties::parse_ignoring_unknown_keys), at values that are of another form, and at what
//! this version cannot do.
//!
//! Source: <https://github.com/awslabs/amazon-kinesis-client>, `MultiLangDaemonConfiguration`, `MultiLangDaemonConfig`, and the
//! defaults of the classes that these configure.
//!
//! Inside, in the order of the data: `options` lists the KCL's options, `form` reads their values, and `fault` says what is
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
use crate::config::{Config, LONGEST};

/// The two keys that say where new shards begin: the KCL takes either by chance if a file has both.
const POSITIONS: [&str; 2] = ["initialPositionInStream", "initialPositionInStreamExtended"];

/// The settings of a KCL properties file, checked. Made by `parse`, or by
/// [`parse_ignoring_unknown_keys`](Self::parse_ignoring_unknown_keys).
#[derive(Clone, PartialEq, Eq)]
pub struct KclProperties {
    /// By key; a key that is there twice has its last value, as in Java, and each is checked.
    given: BTreeMap<String, Given>,
}

#[derive(Clone, PartialEq, Eq)]
struct Given {
    line: usize,
    value: String,
    /// `None` for a number that counts as left out.
    number: Option<u64>,
}

/// The settings of a file that a worker does not take over: their keys and lines, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftSettings {
    /// What belongs into the SDK's configuration.
    pub(crate) sdk: Vec<String>,
    /// What has no meaning here.
    pub(crate) ignored: Vec<String>,
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
    /// It sets an option of the [`WorkerBuilder`](crate::WorkerBuilder).
    Applied {
        /// The name of that option.
        option: &'static str,
    },
    /// It sets an option of the [`WorkerBuilder`](crate::WorkerBuilder), to more than it says: the KCL does the same.
    Raised {
        /// The name of that option.
        option: &'static str,
        /// What it is set to: the least that the option takes.
        value: u64,
    },
    /// [`build`](crate::WorkerBuilder::build) compares it with this argument of [`Worker::builder`](crate::Worker::builder).
    Compared {
        /// The name of that argument.
        argument: &'static str,
    },
    /// It belongs into the SDK's configuration, from which the worker's clients are made. Its value is in
    /// [`value`](KclProperties::value).
    SdkConfiguration {
        /// What to set there.
        what: &'static str,
    },
    /// It has no meaning here.
    Ignored {
        /// Why not.
        reason: &'static str,
    },
    /// The KCL has no such option. Only
    /// [`parse_ignoring_unknown_keys`](KclProperties::parse_ignoring_unknown_keys) lets it pass.
    Unknown {
        /// The option whose name differs in upper and lower case alone.
        meant: Option<&'static str>,
    },
}

const REGION: &str = "regionName";

/// What is done about a key that the KCL does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnknownKeys {
    Refused,
    Ignored,
}

impl KclProperties {
    /// Reads a file as `parse` does, but lets keys pass that the KCL does not have, as the KCL itself does:
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

    /// The value of `key` in the file, for what belongs into other configurations: `regionName`, `kinesisEndpoint`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(|given| given.value.as_str())
    }

    /// Sets each option that both have, to the file's value or the KCL's default.
    pub(crate) fn apply(&self, config: &mut Config) {
        for option in OPTIONS {
            let given = self.given.get(option.key).and_then(|given| given.number);
            if let Some(number) = given.or_else(|| option.default_number()) {
                option.fate.apply(config, number);
            }
        }
        config.start_is_set = POSITIONS.iter().any(|key| self.given.contains_key(*key));
        if self.number("leaseAssignmentIntervalMillis").is_none() {
            let twice = config.failover_time.saturating_mul(2);
            config.lease_assignment_interval = Some(twice.min(LONGEST));
        }
    }

    /// The settings that the worker does not take over, in words, if there are any. What is empty or has the KCL's default
    /// changes nothing, and the region is compared with the client's.
    pub(crate) fn left(&self) -> Option<LeftSettings> {
        let mut left = LeftSettings::default();
        for Setting { key, line, disposition } in self.settings() {
            let (place, why) = match disposition {
                Disposition::SdkConfiguration { what } => (&mut left.sdk, what),
                Disposition::Ignored { reason } => (&mut left.ignored, reason),
                Disposition::Unknown { .. } => (&mut left.ignored, "the KCL has no such option"),
                Disposition::Applied { .. } | Disposition::Raised { .. } | Disposition::Compared { .. } => continue,
            };
            if key != REGION && !self.is_default(key) {
                place.push(format!("{key} in line {line} ({why})"));
            }
        }
        (left != LeftSettings::default()).then_some(left)
    }

    /// Whether the file says what the KCL does without it.
    fn is_default(&self, key: &str) -> bool {
        let default = options::find(key).map_or("", |option| option.default);
        self.text(key).is_none_or(|value| value.eq_ignore_ascii_case(default))
    }

    /// A text of the file, unless it is empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).filter(|value| !value.is_empty())
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.given.get(key)?.number
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
        let read = Self { given };
        faults.extend(read.contradiction());
        faults.sort_by_key(Fault::line);
        PropertiesError::unless_empty(faults)?;
        Ok(read)
    }

    /// The second of two keys that say the same thing.
    fn contradiction(&self) -> Option<Fault> {
        let mut positions: Vec<_> = POSITIONS
            .iter()
            .filter_map(|key| Some((self.given.get(*key)?.line, *key)))
            .collect();
        positions.sort_unstable();
        let [(_, other), (line, key)] = positions.try_into().ok()?;
        Some(Fault::new(line, key, FaultKind::Contradiction { other }))
    }
}

/// What becomes of the option with this key and value.
fn disposition(key: &str, number: Option<u64>) -> Disposition {
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
    let found = options::find(&key);
    let number = match found {
        Some(option) => option.form.read(&value),
        None if unknown == UnknownKeys::Ignored => Ok(None),
        None => Err(FaultKind::UnknownKey {
            meant: options::meant(&key),
        }),
    };
    match number {
        Ok(number) => Ok((options::canonical(&key).to_owned(), Given { line, value, number })),
        Err(kind) => Err(Fault::new(line, &key, kind)),
    }
}

impl From<MalformedEscape> for Fault {
    fn from(malformed: MalformedEscape) -> Self {
        Self::new(malformed.line, &malformed.key, FaultKind::MalformedEscape)
    }
}

impl FromStr for KclProperties {
    type Err = PropertiesError;

    fn from_str(text: &str) -> Result<Self, PropertiesError> {
        Self::read(text, UnknownKeys::Refused)
    }
}

/// Shows the keys alone: the arguments of a credentials provider may be secret.
impl fmt::Debug for KclProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
