//! What a test in another language can tell a sandbox: calls below `/_testkit/` on every port.
//!
//! `kinesis` and `dynamodb` have the calls for one service.

mod dynamodb;
mod kinesis;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fault_form::RuleForm;
use super::host::Host;
use crate::clock::wall_clock;
use crate::dispatch::{Protocol, Refusal};

const PREFIX: &str = "/_testkit/";

/// Whether a path is for the sandbox itself and not for a service.
pub(super) fn is_meant(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers with JSON, or with an error as Kinesis writes it.
pub(super) fn answer(host: &Host, method: &Method, path: &str, body: &[u8]) -> Response<Bytes> {
    match route(host, method, path, body) {
        Ok(answer) => {
            let mut response = Response::new(Bytes::from(answer.to_string()));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        Err(refusal) => host.services.refuse(Protocol::AwsJson11, refusal, wall_clock()).into(),
    }
}

fn route(host: &Host, method: &Method, path: &str, body: &[u8]) -> Result<Value, Refusal> {
    let parts: Vec<&str> = path.trim_start_matches(PREFIX).split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["faults"]) => Ok(waiting_faults(host)),
        ("POST", ["faults"]) => {
            let rule = read::<RuleForm>(body)?.into();
            let full = |error: super::TooManyFaults| refusal(&error.to_string());
            host.faults(|faults| faults.push(rule)).map_err(full)?;
            Ok(json!({}))
        }
        ("DELETE", ["faults"]) => {
            host.faults(super::Faults::clear);
            Ok(json!({}))
        }
        ("GET", ["cloudwatch"]) => Ok(recorded_series(host)),
        ("DELETE", ["cloudwatch"]) => {
            host.services.cloudwatch(crate::cloudwatch::CloudWatch::clear);
            Ok(json!({}))
        }
        ("POST", ["kinesis", "expire-iterators"]) => {
            host.services.kinesis(crate::kinesis::Kinesis::expire_iterators);
            Ok(json!({}))
        }
        ("POST", ["kinesis", stream, what]) => kinesis::control(host, stream, what, body),
        ("POST", ["dynamodb", what]) => dynamodb::control(host, what, body),
        _ => Err(unknown(&format!("{method} {path}"))),
    }
}

fn waiting_faults(host: &Host) -> Value {
    let rules: Vec<RuleForm> = host.faults(|faults| faults.rules().iter().map(RuleForm::from).collect());
    json!({ "faults": rules })
}

fn recorded_series(host: &Host) -> Value {
    let series: Vec<Value> = host.services.cloudwatch(|cloudwatch| {
        let described = cloudwatch.series().map(|(metric, sums)| {
            json!({
                "namespace": metric.namespace,
                "name": metric.name,
                "dimensions": metric.dimensions,
                "unit": metric.unit,
                "sampleCount": sums.sample_count,
                "sum": sums.sum,
                "minimum": sums.minimum,
                "maximum": sums.maximum,
                "average": sums.average(),
            })
        });
        described.collect()
    });
    json!({ "series": series })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::malformed(&error.to_string()))
}

fn refusal(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "ValidationException", message)
}

fn unknown(what: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "UnknownOperationException",
        &format!("the sandbox has no {what}"),
    )
}
