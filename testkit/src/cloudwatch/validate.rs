//! Pure: from a request to the sums in it, or to the error that CloudWatch reports.

use http::StatusCode;

use super::limits;
use super::metric::Metric;
use super::request::{Datum, Dimension, Number, PutMetricData, StatisticSet};
use super::statistics::Statistics;
use crate::dispatch::Refusal;

/// What a request adds to which series; all of it is valid.
pub(super) fn data(request: PutMetricData) -> Result<Vec<(Metric, Statistics)>, Refusal> {
    let namespace = name("Namespace", request.namespace)?;
    if namespace.starts_with(':') {
        return Err(invalid("Namespace", &namespace));
    }
    let of_entities = request.entity_metric_data.unwrap_or_default();
    let parts: Vec<_> = (1..)
        .zip(of_entities)
        .map(|(number, entity)| {
            (
                format!("EntityMetricData.member.{number}.MetricData"),
                entity.metric_data,
            )
        })
        .chain([("MetricData".to_owned(), request.metric_data)])
        .filter_map(|(path, data)| Some((path, data?)))
        .collect();
    match parts.iter().map(|(_path, data)| data.len()).sum() {
        0_usize => return Err(missing("MetricData")),
        count => at_most("MetricData", count, limits::METRICS_PER_PUT)?,
    }
    parts
        .into_iter()
        .flat_map(|(path, data)| {
            (1..)
                .zip(data)
                .map(move |(number, datum)| (format!("{path}.member.{number}"), datum))
        })
        .map(|(path, datum): (String, Datum)| series(&namespace, &path, datum))
        .collect()
}

fn series(namespace: &str, path: &str, datum: Datum) -> Result<(Metric, Statistics), Refusal> {
    let statistics = statistics(path, &datum)?;
    let mut metric = Metric::new(namespace, name(&format!("{path}.MetricName"), datum.metric_name)?);
    let dimensions = datum.dimensions.unwrap_or_default();
    at_most(&format!("{path}.Dimensions"), dimensions.len(), limits::DIMENSIONS)?;
    for (number, dimension) in (1..).zip(dimensions) {
        metric = with_dimension(metric, &format!("{path}.Dimensions.member.{number}"), dimension)?;
    }
    if let Some(unit) = datum.unit {
        if !limits::UNITS.contains(&unit.as_str()) {
            return Err(invalid(&format!("{path}.Unit"), &unit));
        }
        metric = metric.unit(unit);
    }
    match datum.storage_resolution {
        Some(Number(seconds)) if ![1.0, 60.0].contains(&seconds) => {
            Err(invalid(&format!("{path}.StorageResolution"), &seconds.to_string()))
        }
        _ => Ok((metric, statistics)),
    }
}

fn with_dimension(metric: Metric, path: &str, dimension: Dimension) -> Result<Metric, Refusal> {
    let name = name(&format!("{path}.Name"), dimension.name)?;
    if name.starts_with(':') {
        return Err(invalid(&format!("{path}.Name"), &name));
    }
    let value = text(
        &format!("{path}.Value"),
        dimension.value,
        limits::DIMENSION_VALUE_CHARACTERS,
    )?;
    Ok(metric.dimension(name, value))
}

fn statistics(path: &str, datum: &Datum) -> Result<Statistics, Refusal> {
    match (&datum.value, &datum.values, &datum.statistic_values) {
        (Some(value), None, None) => Ok(Statistics::of(number(&format!("{path}.Value"), *value)?, 1.0)),
        (None, Some(values), None) => distribution(path, values, datum.counts.as_deref()),
        (None, None, Some(set)) => statistic_set(&format!("{path}.StatisticValues"), set),
        (None, None, None) => Err(missing(&format!("{path}.Value"))),
        _ => {
            let message = format!("The parameters {path}.Value, Values and StatisticValues are mutually exclusive.");
            Err(refusal("InvalidParameterCombination", &message))
        }
    }
}

fn distribution(path: &str, values: &[Number], counts: Option<&[Number]>) -> Result<Statistics, Refusal> {
    let of_values = format!("{path}.Values");
    if values.is_empty() {
        return Err(missing(&of_values));
    }
    at_most(&of_values, values.len(), limits::VALUES)?;
    let ones = vec![Number(1.0); values.len()];
    let counts = counts.unwrap_or(&ones);
    if counts.len() != values.len() {
        let message = format!("The parameters {of_values} and {path}.Counts must have the same size.");
        return Err(refusal("InvalidParameterValue", &message));
    }
    let mut sums = Statistics::default();
    for (value, count) in values.iter().zip(counts) {
        let value = number(&of_values, *value)?;
        sums.add(&Statistics::of(value, counted(&format!("{path}.Counts"), *count)?));
    }
    Ok(sums)
}

fn statistic_set(path: &str, set: &StatisticSet) -> Result<Statistics, Refusal> {
    let member = |name: &str, value: Option<Number>| {
        let path = format!("{path}.{name}");
        value
            .ok_or_else(|| missing(&path))
            .and_then(|value| number(&path, value))
    };
    let sums = Statistics {
        sample_count: member("SampleCount", set.sample_count)?,
        sum: member("Sum", set.sum)?,
        minimum: member("Minimum", set.minimum)?,
        maximum: member("Maximum", set.maximum)?,
    };
    counted(&format!("{path}.SampleCount"), Number(sums.sample_count))?;
    if sums.minimum > sums.maximum {
        return Err(invalid(&format!("{path}.Minimum"), &sums.minimum.to_string()));
    }
    Ok(sums)
}

/// A number within CloudWatch's range.
fn number(path: &str, Number(number): Number) -> Result<f64, Refusal> {
    if number.abs() <= 2_f64.powi(limits::VALUE_EXPONENT) {
        Ok(number)
    } else {
        Err(invalid(path, &number.to_string()))
    }
}

/// How often something occurred.
fn counted(path: &str, count: Number) -> Result<f64, Refusal> {
    match number(path, count)? {
        count if count < 0.0 => Err(invalid(path, &count.to_string())),
        count => Ok(count),
    }
}

fn name(path: &str, name: Option<String>) -> Result<String, Refusal> {
    text(path, name, limits::NAME_CHARACTERS)
}

/// A text of a permitted length, in ASCII without control characters, and not all of it blank.
fn text(path: &str, text: Option<String>, limit: usize) -> Result<String, Refusal> {
    let text = text.ok_or_else(|| missing(path))?;
    let readable = text.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
    if readable && text.len() <= limit && !text.trim().is_empty() {
        Ok(text)
    } else {
        Err(invalid(path, &text))
    }
}

fn at_most(path: &str, count: usize, limit: usize) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    let message = format!("The collection {path} must not have a size greater than {limit}.");
    Err(refusal("InvalidParameterValue", &message))
}

fn missing(path: &str) -> Refusal {
    refusal("MissingParameter", &format!("The parameter {path} is required."))
}

fn invalid(path: &str, value: &str) -> Refusal {
    let message = format!("The value {value} for parameter {path} is invalid.");
    refusal("InvalidParameterValue", &message)
}

fn refusal(code: &str, message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn validated(data: &Value) -> Result<Vec<(Metric, Statistics)>, Refusal> {
        let request = json!({ "Namespace": "Orders", "MetricData": data });
        super::data(serde_json::from_value(request).unwrap())
    }

    fn code(datum: &Value) -> String {
        validated(&json!([datum])).unwrap_err().code
    }

    /// A valid datum with one member changed.
    fn datum(member: &str, value: Value) -> Value {
        let mut datum = json!({ "MetricName": "Lag", "Value": 1 });
        datum[member] = value;
        datum
    }

    fn dimensions(count: usize) -> Value {
        (0..count)
            .map(|number| json!({ "Name": format!("d{number}"), "Value": "v" }))
            .collect()
    }

    #[test]
    fn each_way_to_send_values_comes_to_the_same_sums() {
        let one_by_one = json!([
            { "MetricName": "Lag", "Value": 1 },
            { "MetricName": "Lag", "Value": 3.0 },
            { "MetricName": "Lag", "Value": 3.0 },
        ]);
        let counted = json!([{ "MetricName": "Lag", "Values": [1, 3], "Counts": [1, 2] }]);
        let set = json!({ "SampleCount": 3, "Sum": 7, "Minimum": 1, "Maximum": 3 });
        let summed = json!([{ "MetricName": "Lag", "StatisticValues": set }]);
        for data in [one_by_one, counted, summed] {
            let mut sums = Statistics::default();
            validated(&data)
                .unwrap()
                .iter()
                .for_each(|(_metric, part)| sums.add(part));
            let expected = Statistics {
                sample_count: 3.0,
                sum: 7.0,
                minimum: 1.0,
                maximum: 3.0,
            };
            assert_eq!(sums, expected, "{data}");
        }
    }

    #[test]
    fn data_of_entities_count_like_others() {
        let entity = json!({ "Entity": {}, "MetricData": [datum("Unit", json!("Count"))] });
        let request = json!({ "Namespace": "Orders", "EntityMetricData": [entity] });
        let found = data(serde_json::from_value(request).unwrap()).unwrap();
        assert_eq!(found[0].0, Metric::new("Orders", "Lag").unit("Count"));
    }

    #[test]
    fn what_is_required_is_missed() {
        for member in ["MetricName", "Value"] {
            assert_eq!(code(&datum(member, Value::Null)), "MissingParameter", "{member}");
        }
        assert_eq!(code(&datum("Dimensions", json!([{ "Name": "d" }]))), "MissingParameter");
        assert_eq!(validated(&json!([])).unwrap_err().code, "MissingParameter");
        let without = data(serde_json::from_value(json!({})).unwrap()).unwrap_err();
        assert_eq!(without.message, "The parameter Namespace is required.");
    }

    #[test]
    fn what_is_out_of_bounds_is_invalid() {
        let invalid = [
            datum("MetricName", json!("")),
            datum("MetricName", json!("x".repeat(256))),
            datum("MetricName", json!("Verzögerung")),
            datum("Value", json!("NaN")),
            datum("Value", json!("-Infinity")),
            datum("Value", json!(1e300)),
            datum("Unit", json!("Fortnights")),
            datum("StorageResolution", json!(2)),
            datum("Dimensions", dimensions(31)),
            datum("Dimensions", json!([{ "Name": ":d", "Value": "v" }])),
            datum("Dimensions", json!([{ "Name": "d", "Value": " " }])),
            json!({ "MetricName": "Lag", "Values": vec![1; 151] }),
            json!({ "MetricName": "Lag", "Values": [1, 2], "Counts": [1] }),
            json!({ "MetricName": "Lag", "Values": [1], "Counts": [-1] }),
            json!({ "MetricName": "Lag", "StatisticValues": { "SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1 } }),
        ];
        for datum in invalid {
            assert_eq!(code(&datum), "InvalidParameterValue", "{datum}");
        }
    }

    #[test]
    fn what_is_just_within_bounds_is_taken() {
        for datum in [
            datum("MetricName", json!("x".repeat(255))),
            datum("Value", json!(-(2_f64.powi(360)))),
            datum("Dimensions", dimensions(30)),
            datum("StorageResolution", json!(1)),
            json!({ "MetricName": "Lag", "Values": vec![1; 150] }),
        ] {
            assert!(validated(&json!([datum])).is_ok(), "{datum}");
        }
        assert!(validated(&json!(vec![datum("Value", json!(1)); 1_000])).is_ok());
    }

    #[test]
    fn more_than_a_thousand_metrics_are_refused_with_their_number() {
        let refused = validated(&json!(vec![datum("Value", json!(1)); 1_001])).unwrap_err();
        assert_eq!(refused.code, "InvalidParameterValue");
        let message = "The collection MetricData must not have a size greater than 1000.";
        assert_eq!(refused.message, message);
    }

    #[test]
    fn a_value_is_given_in_one_way_only() {
        assert_eq!(code(&datum("Values", json!([1]))), "InvalidParameterCombination");
    }

    #[test]
    fn a_refusal_names_the_place() {
        let refused = validated(&json!([datum("Unit", json!("Count")), datum("Unit", json!("Miles"))])).unwrap_err();
        assert_eq!(
            refused.message,
            "The value Miles for parameter MetricData.member.2.Unit is invalid."
        );
    }
}
