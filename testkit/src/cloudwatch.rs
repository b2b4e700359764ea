//! Pure: Amazon CloudWatch as a recorder: it takes what PutMetricData sends, and tells the sums.
//!
//! Data of one [`Metric`] are summed over all time: time stamps are ignored, and storage resolutions checked and then
//! forgotten. Every other operation is refused.
//!
//! Source of the rules, as far as AWS documents them:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.
//!
//! Inside, in the order of a call: `request`, `validate` with `limits`, then the sums of a `metric`: `statistics`.

pub(crate) mod limits;
mod metric;
mod request;
mod statistics;
mod validate;

use std::collections::BTreeMap;

use crate::dispatch::Refusal;

pub use self::metric::Metric;
use self::request::PutMetricData;
pub use self::statistics::Statistics;

/// What was recorded.
#[derive(Debug, Clone, Default)]
pub struct CloudWatch {
    series: BTreeMap<Metric, Statistics>,
}

impl CloudWatch {
    /// All that was recorded, in the order of namespaces, names, dimensions and units.
    pub fn series(&self) -> impl Iterator<Item = (&Metric, &Statistics)> {
        self.series.iter()
    }

    /// What was recorded of one metric; `None` if nothing was.
    pub fn get(&self, metric: &Metric) -> Option<&Statistics> {
        self.series.get(metric)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.series.clear();
    }

    /// Answers one call, which is in AWS JSON: all of its data are recorded or none.
    pub(crate) fn call(&mut self, operation: &str, body: &[u8]) -> Result<(), Refusal> {
        if operation != "PutMetricData" {
            let message = format!("CloudWatch here has no operation {operation}");
            return Err(Refusal::unknown_operation(&message));
        }
        let request: PutMetricData =
            serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error.to_string()))?;
        for (metric, statistics) in validate::data(request)? {
            self.series.entry(metric).or_default().add(&statistics);
        }
        Ok(())
    }
}

/// The name that an error of the query protocol has in the service's model, and so in the newer protocols.
pub(crate) fn shape_of(code: &str) -> &str {
    match code {
        "InternalServiceError" => "InternalServiceFault",
        "InvalidParameterCombination" => "InvalidParameterCombinationException",
        "InvalidParameterValue" => "InvalidParameterValueException",
        "MissingParameter" => "MissingRequiredParameterException",
        code => code,
    }
}
