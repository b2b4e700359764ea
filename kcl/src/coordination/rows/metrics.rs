//! Pure: a worker's metrics row, by which the fleet knows that the worker lives, and its load.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::attribute;
use super::fields::{Fields, FleetRowError, not_read, number, text};
use crate::lease::item::Item;
use crate::lease::model::{OtherAttributes, WorkerId};

/// What `entityType` says of it.
const ENTITY: &str = "WORKER_METRIC_STATS";

/// The value of a period whose capture failed. The KCL's.
pub(crate) const FAILED: f64 = -1.0;

/// What is read into the fields.
const READ: [&str; 10] = [
    attribute::KEY,
    attribute::ENTITY_TYPE,
    attribute::LAST_UPDATE,
    attribute::STATS,
    attribute::OPERATING_RANGE,
    attribute::PROPERTIES,
    attribute::SUPPORT_CODE,
    attribute::SUPPORT_UPDATE,
    attribute::STARTED_AT,
    attribute::MAX_LEASES,
];

/// A worker's metrics row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkerMetrics {
    pub(crate) worker: WorkerId,
    /// Of the last report: seconds since the Unix epoch.
    pub(crate) updated: u64,
    /// Averages by metric, oldest first; [`FAILED`] where a capture failed. `None`: the attribute is missing, which is not
    /// the same as no metrics.
    pub(crate) stats: Option<BTreeMap<String, Vec<f64>>>,
    /// By metric its greatest value, in a list of one: whole numbers, because Java workers read nothing else.
    pub(crate) operating_range: Option<BTreeMap<String, Vec<u64>>>,
    pub(crate) properties: Option<BTreeMap<String, String>>,
    /// Which changes of the protocol the worker takes part in; 1 is the one to a single table.
    pub(crate) support_code: Option<u64>,
    /// When the worker said so last: seconds since the Unix epoch.
    pub(crate) support_updated: Option<u64>,
    /// Ours: when the process began, in milliseconds since the Unix epoch. A worker of the Java KCL has none.
    pub(crate) started_at: Option<u64>,
    /// Ours: the most leases that the worker may have. `None`: any number, or it does not say.
    pub(crate) max_leases: Option<u64>,
    pub(crate) others: OtherAttributes,
}

impl WorkerMetrics {
    /// The row of a worker without metrics, which the leader levels by the throughput of its leases.
    pub(crate) fn without_metrics(worker: WorkerId, updated: u64) -> Self {
        Self {
            worker,
            updated,
            stats: Some(BTreeMap::new()),
            operating_range: Some(BTreeMap::new()),
            properties: None,
            support_code: None,
            support_updated: None,
            started_at: None,
            max_leases: None,
            others: OtherAttributes::default(),
        }
    }

    /// Reads the row.
    ///
    /// # Errors
    ///
    /// If an attribute is not of its type, or the time of the last report is missing.
    pub(crate) fn decode(attributes: &OtherAttributes) -> Result<Self, FleetRowError> {
        let fields = Fields::of(attributes)?;
        let updated = fields.count(attribute::LAST_UPDATE)?;
        Ok(Self {
            worker: WorkerId::new(fields.key()),
            updated: fields.required(attribute::LAST_UPDATE, updated)?,
            stats: fields.series(attribute::STATS)?,
            operating_range: fields.counts(attribute::OPERATING_RANGE)?,
            properties: fields.texts(attribute::PROPERTIES)?,
            support_code: fields.count(attribute::SUPPORT_CODE)?,
            support_updated: fields.count(attribute::SUPPORT_UPDATE)?,
            started_at: fields.count(attribute::STARTED_AT)?,
            max_leases: fields.count(attribute::MAX_LEASES)?,
            others: not_read(attributes, &READ),
        })
    }

    /// The whole row.
    pub(crate) fn encode(&self) -> Item {
        let others = self.others.iter();
        let mut item: Item = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        item.extend(self.reported());
        item.extend([text(attribute::KEY, self.worker.as_str())]);
        item
    }

    /// What a report sets: each attribute that has a value, except for the key and for those of other programs.
    pub(crate) fn reported(&self) -> Vec<(String, AttributeValue)> {
        let mut set = vec![
            text(attribute::ENTITY_TYPE, ENTITY),
            number(attribute::LAST_UPDATE, self.updated),
        ];
        let stats = self.stats.iter();
        set.extend(stats.map(|stats| lists(attribute::STATS, stats, finite)));
        let ranges = self.operating_range.iter();
        set.extend(ranges.map(|ranges| lists(attribute::OPERATING_RANGE, ranges, |value| value)));
        set.extend(self.properties.iter().map(|properties| {
            let properties = properties.iter().map(|(name, value)| text(name, value));
            (
                attribute::PROPERTIES.to_owned(),
                AttributeValue::M(properties.collect()),
            )
        }));
        let counts = [
            (attribute::SUPPORT_CODE, self.support_code),
            (attribute::SUPPORT_UPDATE, self.support_updated),
            (attribute::STARTED_AT, self.started_at),
            (attribute::MAX_LEASES, self.max_leases),
        ];
        set.extend(
            counts
                .into_iter()
                .filter_map(|(name, count)| Some(number(name, count?))),
        );
        set
    }
}

fn lists<T: Copy, U: ToString>(
    name: &str,
    series: &BTreeMap<String, Vec<T>>,
    written: impl Fn(T) -> U,
) -> (String, AttributeValue) {
    let number = |value: &T| AttributeValue::N(written(*value).to_string());
    let list = |values: &[T]| AttributeValue::L(values.iter().map(number).collect());
    let lists = series.iter().map(|(metric, values)| (metric.clone(), list(values)));
    (name.to_owned(), AttributeValue::M(lists.collect()))
}

/// The table refuses numbers that are not finite.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { FAILED }
}
