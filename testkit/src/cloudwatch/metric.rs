//! Pure: what tells one series of data from another.

use std::collections::BTreeMap;

use serde::Serialize;

/// What tells one series of data from another.
///
/// ```
/// use testkit::cloudwatch::Metric;
///
/// let lag = Metric::new("Orders", "MillisBehindLatest").dimension("ShardId", "shardId-000000000000");
/// assert_eq!(lag.clone().unit("None"), lag);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Metric {
    /// What it belongs to.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Names and values; their order in a request does not matter.
    pub dimensions: BTreeMap<String, String>,
    /// For instance `Milliseconds`; `None`, as a text, where the request gives no unit.
    pub unit: String,
}

impl Metric {
    /// A metric without dimensions and unit.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            dimensions: BTreeMap::new(),
            unit: "None".to_owned(),
        }
    }

    /// With one more dimension.
    pub fn dimension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.dimensions.insert(name.into(), value.into());
        self
    }

    /// In this unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }
}
