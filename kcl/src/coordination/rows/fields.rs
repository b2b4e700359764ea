//! Pure: the attributes of a row that holds no lease, read by type.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::attribute;
use crate::lease::item::Item;
use crate::lease::model::OtherAttributes;

/// How much of a damaged value an error shows, in characters. Our choice.
const SHOWN: usize = 80;

/// A row whose attribute cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {attribute} of the row {key:?} of the lease table {fault}")]
pub(crate) struct FleetRowError {
    /// The key of the row; empty if the row has none.
    pub(crate) key: String,
    /// The name of the attribute. A dot leads to an entry of a map: `sts.C`.
    pub(crate) attribute: String,
    pub(crate) fault: FieldFault,
}

/// What is wrong with an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldFault {
    #[error("is missing")]
    Missing,
    #[error("holds {value}, which is not {wanted}")]
    NotOfType {
        /// The value, shortened.
        value: String,
        wanted: &'static str,
    },
}

/// The attributes of a row, or of a map inside of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    key: &'a str,
    /// The attribute that is this map, with a dot behind it; empty for the row.
    inside: &'static str,
    from: Source<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Row(&'a OtherAttributes),
    Map(&'a Item),
}

impl<'a> Fields<'a> {
    /// The attributes of a row.
    ///
    /// # Errors
    ///
    /// If the row has no key.
    pub(super) fn of(attributes: &'a OtherAttributes) -> Result<Self, FleetRowError> {
        let fields = Self::of_any(attributes);
        if fields.key.is_empty() {
            return Err(fields.missing(attribute::KEY));
        }
        Ok(fields)
    }

    /// The attributes of a row, which may lack its key.
    pub(super) fn of_any(attributes: &'a OtherAttributes) -> Self {
        Self {
            key: key_of(attributes),
            inside: "",
            from: Source::Row(attributes),
        }
    }

    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, FleetRowError> {
        let text = |value: &'a AttributeValue| value.as_s().ok().map(String::as_str);
        self.typed(name, "a string", text)
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, FleetRowError> {
        self.typed(name, "a count", |value| value.as_n().ok()?.parse().ok())
    }

    /// Milliseconds, as a string.
    pub(super) fn millis_as_text(&self, name: &str) -> Result<Option<Duration>, FleetRowError> {
        let millis = |value: &AttributeValue| value.as_s().ok()?.parse().ok().map(Duration::from_millis);
        self.typed(name, "milliseconds as a string", millis)
    }

    /// A map from names to lists of finite numbers.
    pub(super) fn series(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<f64>>>, FleetRowError> {
        let number = |digits: &str| digits.parse().ok().filter(|number: &f64| number.is_finite());
        self.entries(name, "a list of numbers", |value| list(value, number))
    }

    /// A map from names to lists of whole numbers that are not negative.
    pub(super) fn counts(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u64>>>, FleetRowError> {
        self.entries(name, "a list of counts", |value| {
            list(value, |digits| digits.parse().ok())
        })
    }

    /// A map from names to strings.
    pub(super) fn texts(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, FleetRowError> {
        self.entries(name, "a string", |value| value.as_s().ok().cloned())
    }

    fn entries<T>(
        &self,
        name: &str,
        wanted: &'static str,
        read: impl Fn(&AttributeValue) -> Option<T>,
    ) -> Result<Option<BTreeMap<String, T>>, FleetRowError> {
        let Some(map) = self.typed(name, "a map", |value| value.as_m().ok())? else {
            return Ok(None);
        };
        let entry = |(entry, value): (&String, &AttributeValue)| match read(value) {
            Some(read) => Ok((entry.clone(), read)),
            None => Err(self.not_of_type(&format!("{name}.{entry}"), value, wanted)),
        };
        map.iter().map(entry).collect::<Result<_, _>>().map(Some)
    }

    /// A list of maps: none if it is missing.
    pub(super) fn maps(&self, name: &'static str) -> Result<Vec<Self>, FleetRowError> {
        let list = self.typed(name, "a list", |value| value.as_l().ok())?;
        let map = |value: &'a AttributeValue| match value.as_m() {
            Ok(map) => Ok(Self {
                key: self.key,
                inside: name,
                from: Source::Map(map),
            }),
            Err(_) => Err(self.not_of_type(name, value, "a map")),
        };
        list.into_iter().flatten().map(map).collect()
    }

    /// `value`, which was read from the attribute `name` and must not be missing.
    pub(super) fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, FleetRowError> {
        value.ok_or_else(|| self.missing(name))
    }

    pub(super) fn raw(&self, name: &str) -> Option<&'a AttributeValue> {
        present(match self.from {
            Source::Row(attributes) => attributes.get(name),
            Source::Map(map) => map.get(name),
        })
    }

    fn typed<T>(
        &self,
        name: &str,
        wanted: &'static str,
        read: impl FnOnce(&'a AttributeValue) -> Option<T>,
    ) -> Result<Option<T>, FleetRowError> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        let read = read(value).ok_or_else(|| self.not_of_type(name, value, wanted))?;
        Ok(Some(read))
    }

    pub(super) fn not_of_type(&self, name: &str, value: &AttributeValue, wanted: &'static str) -> FleetRowError {
        let value = shown(value);
        self.error(name, FieldFault::NotOfType { value, wanted })
    }

    fn missing(&self, name: &str) -> FleetRowError {
        self.error(name, FieldFault::Missing)
    }

    fn error(&self, name: &str, fault: FieldFault) -> FleetRowError {
        let attribute = match self.inside {
            "" => name.to_owned(),
            map => format!("{map}.{name}"),
        };
        FleetRowError {
            key: self.key.to_owned(),
            attribute,
            fault,
        }
    }
}

/// The key of a row of any of the three tables; empty if it has none.
pub(super) fn key_of(attributes: &OtherAttributes) -> &str {
    let names = [attribute::KEY, attribute::COORDINATOR_KEY, attribute::METRICS_KEY];
    let mut keys = names
        .into_iter()
        .filter_map(|name| present(attributes.get(name))?.as_s().ok());
    keys.next().map_or("", String::as_str)
}

/// `value`, unless it counts as absent.
pub(super) fn present(value: Option<&AttributeValue>) -> Option<&AttributeValue> {
    value.filter(|value| !value.is_null() && !value.as_s().is_ok_and(String::is_empty))
}

/// The attributes of a row that are not among `read`, or are and count as absent.
pub(super) fn not_read(attributes: &OtherAttributes, read: &[&str]) -> OtherAttributes {
    let is_left = |name: &str, value| !read.contains(&name) || present(Some(value)).is_none();
    let left = attributes.iter().filter(|(name, value)| is_left(name, value));
    left.map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) fn text(name: &str, text: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(text.to_owned()))
}

pub(super) fn number(name: &str, number: u64) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::N(number.to_string()))
}

fn list<T>(value: &AttributeValue, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let numbers = value.as_l().ok()?.iter();
    numbers.map(|number| read(number.as_n().ok()?)).collect()
}

fn shown(value: &AttributeValue) -> String {
    let whole = match (value.as_s(), value.as_n()) {
        (Ok(text), _) => format!("the string {text:?}"),
        (_, Ok(digits)) => format!("the number {digits}"),
        (Err(_), Err(_)) => format!("{value:?}"),
    };
    match whole.char_indices().nth(SHOWN) {
        None => whole,
        Some((end, _)) => format!("{}…", whole.get(..end).unwrap_or_default()),
    }
}
