//! Pure: the attributes of a lease row, read by type.

use std::num::ParseIntError;

use aggregation::{InvalidHashKey, InvalidRange};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, attribute};
use crate::checkpoint::position::InvalidPosition;

/// A row with its key, so that an error can name the row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    key: &'a str,
    item: &'a Item,
}

impl<'a> Fields<'a> {
    /// The attributes of `item`, if it has a key.
    pub(super) fn of(item: &'a Item) -> Result<Self, RowError> {
        let keyless = Self { key: "", item };
        match keyless.text(attribute::LEASE_KEY)? {
            None => Err(keyless.error(attribute::LEASE_KEY, Problem::Missing)),
            Some(key) => Ok(Self { key, item }),
        }
    }

    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    /// The string in `attribute`.
    pub(super) fn text(&self, attribute: &'static str) -> Result<Option<&'a str>, RowError> {
        match self.value(attribute) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(attribute, Problem::NotOfType("S"))),
        }
    }

    /// The number in `attribute`.
    pub(super) fn number(&self, attribute: &'static str) -> Result<Option<u64>, RowError> {
        match self.value(attribute) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => match digits.parse() {
                Ok(number) => Ok(Some(number)),
                Err(source) => Err(self.error(attribute, Problem::Number(source))),
            },
            Some(_) => Err(self.error(attribute, Problem::NotOfType("N"))),
        }
    }

    /// The set of strings in `attribute`, or the list of strings that some write in its place: none without it.
    pub(super) fn texts(&self, attribute: &'static str) -> Result<Vec<&'a str>, RowError> {
        let not_of_type = || self.error(attribute, Problem::NotOfType("SS"));
        match self.value(attribute) {
            None => Ok(Vec::new()),
            Some(AttributeValue::Ss(texts)) => Ok(texts.iter().map(String::as_str).collect()),
            Some(AttributeValue::L(values)) => {
                let texts = values.iter().map(|value| value.as_s().map(String::as_str));
                texts.collect::<Result<_, _>>().map_err(|_| not_of_type())
            }
            Some(_) => Err(not_of_type()),
        }
    }

    /// The bytes in `attribute`; none if it holds something else.
    pub(super) fn bytes(&self, attribute: &str) -> Option<&'a [u8]> {
        Some(self.item.get(attribute)?.as_b().ok()?.as_ref())
    }

    /// What `attribute` holds, unless it counts as absent.
    fn value(&self, attribute: &str) -> Option<&'a AttributeValue> {
        let value = self.item.get(attribute)?;
        let counts_as_absent = value.is_null() || value.as_s().is_ok_and(String::is_empty);
        (!counts_as_absent).then_some(value)
    }

    /// `value`, which was read from `attribute` and must not be missing.
    pub(super) fn required<T>(&self, attribute: &'static str, value: Option<T>) -> Result<T, RowError> {
        value.ok_or_else(|| self.error(attribute, Problem::Missing))
    }

    pub(super) fn error(&self, attribute: &'static str, problem: Problem) -> RowError {
        RowError {
            key: self.key.to_owned(),
            attribute,
            problem,
        }
    }
}

/// A row that should hold a lease, but cannot be read as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {attribute} of the lease row {key:?} {problem}")]
pub(crate) struct RowError {
    /// The row; empty if it has no key.
    pub(crate) key: String,
    pub(crate) attribute: &'static str,
    pub(crate) problem: Problem,
}

/// A fault of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("is missing")]
    Missing,
    #[error("is not of type {0}")]
    NotOfType(&'static str),
    #[error("is no count: {0}")]
    Number(ParseIntError),
    #[error("is no position: {0}")]
    Position(InvalidPosition),
    #[error("is no hash key: {0}")]
    HashKey(InvalidHashKey),
    #[error("is too small: {0}")]
    Range(InvalidRange),
}
