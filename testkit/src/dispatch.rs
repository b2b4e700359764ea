//! From an HTTP request, without its transport, to the service that answers.
//!
//! Both fronts end here, so a call means the same in the simulation and in the sandbox. Whatever protocol a client
//! speaks, the services get AWS JSON. Nothing here waits or reads a clock.
//!
//! In the order of a call: `received` finds out whom a request is for; `protocol` turns its body into AWS JSON, with
//! `cbor` and `query`; `fault` is what it may meet, `partial_failure` one of those; the service answers, or gives a
//! `refusal`; either is sent as a `reply`.

mod cbor;
mod fault;
mod partial_failure;
mod protocol;
mod query;
mod received;
mod refusal;
mod reply;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::StatusCode;
use serde::{Deserialize, Serialize};

pub(crate) use self::protocol::Protocol;
pub(crate) use self::received::{Head, Received, Target};
pub(crate) use self::refusal::Refusal;
pub(crate) use self::reply::Reply;
use crate::cloudwatch::CloudWatch;
#[cfg(feature = "dynamodb")]
use crate::dynamodb::DynamoDb;
use crate::kinesis::{self, Kinesis};

/// A service that the testkit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Service {
    /// Amazon Kinesis Data Streams.
    Kinesis,
    /// Amazon DynamoDB.
    #[serde(rename = "DynamoDB")]
    DynamoDb,
    /// Amazon CloudWatch, as far as it records metrics.
    CloudWatch,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kinesis => "Kinesis",
            Self::DynamoDb => "DynamoDB",
            Self::CloudWatch => "CloudWatch",
        })
    }
}

/// All services of one pretended AWS account.
#[derive(Debug)]
pub(crate) struct Services {
    kinesis: Mutex<Kinesis>,
    #[cfg(feature = "dynamodb")]
    dynamodb: Mutex<DynamoDb>,
    cloudwatch: Mutex<CloudWatch>,
    requests: AtomicU64,
}

/// The services with settings of their own.
#[derive(Debug)]
pub(crate) struct Models {
    pub(crate) kinesis: Kinesis,
    #[cfg(feature = "dynamodb")]
    pub(crate) dynamodb: DynamoDb,
}

impl Services {
    pub(crate) fn new(models: Models) -> Self {
        Self {
            kinesis: Mutex::new(models.kinesis),
            #[cfg(feature = "dynamodb")]
            dynamodb: Mutex::new(models.dynamodb),
            cloudwatch: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// Answers one call at the time `now`. What cannot be understood is refused, never ignored.
    pub(crate) fn call(&self, target: Target<'_>, body: &[u8], now: SystemTime) -> Reply {
        match self.answer(target, body, now) {
            Ok(body) => self.reply(target, body, now),
            Err(refusal) => self.refuse(target.protocol, refusal, now),
        }
    }

    /// The reply to a call that succeeded, from its form in AWS JSON.
    pub(crate) fn reply(&self, target: Target<'_>, body: Vec<u8>, now: SystemTime) -> Reply {
        let request_id = self.next_request_id();
        let body = target.protocol.write_output(target.operation, body, &request_id);
        Reply {
            status: StatusCode::OK,
            protocol: target.protocol,
            request_id,
            date: now,
            body: body.into(),
            error: None,
        }
    }

    /// The reply to a call that failed.
    pub(crate) fn refuse(&self, protocol: Protocol, refusal: Refusal, now: SystemTime) -> Reply {
        let request_id = self.next_request_id();
        let body = protocol.write_refusal(&refusal, &request_id);
        Reply {
            status: refusal.status,
            protocol,
            request_id,
            date: now,
            body: body.into(),
            error: Some(refusal.code),
        }
    }

    /// Lends the Kinesis model, for set-up and inspection.
    pub(crate) fn kinesis<R>(&self, visit: impl FnOnce(&mut Kinesis) -> R) -> R {
        visit(&mut locked(&self.kinesis))
    }

    /// Lends DynamoDB, for set-up and inspection.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn dynamodb<R>(&self, visit: impl FnOnce(&mut DynamoDb) -> R) -> R {
        visit(&mut locked(&self.dynamodb))
    }

    /// Lends the recorder of metrics, for inspection.
    pub(crate) fn cloudwatch<R>(&self, visit: impl FnOnce(&mut CloudWatch) -> R) -> R {
        visit(&mut locked(&self.cloudwatch))
    }

    fn answer(&self, target: Target<'_>, body: &[u8], now: SystemTime) -> Result<Vec<u8>, Refusal> {
        match target.service {
            Service::Kinesis => self.call_kinesis(target.operation, body, now),
            #[cfg(feature = "dynamodb")]
            Service::DynamoDb => self.dynamodb(|dynamodb| dynamodb.call(target.operation, body, now)),
            #[cfg(not(feature = "dynamodb"))]
            Service::DynamoDb => Err(Refusal::unknown_operation("this needs the feature `dynamodb`")),
            Service::CloudWatch => self.call_cloudwatch(target.operation, body),
        }
    }

    fn call_kinesis(&self, operation: &str, body: &[u8], now: SystemTime) -> Result<Vec<u8>, Refusal> {
        let request = kinesis::Request::decode(operation, body)?;
        let response = self.kinesis(|kinesis| kinesis.handle(request, now))?;
        Ok(response.encode())
    }

    fn call_cloudwatch(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.cloudwatch(|cloudwatch| cloudwatch.call(operation, body))?;
        Ok(b"{}".to_vec())
    }

    /// Request ids count up, so that a simulation repeats them.
    fn next_request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

/// A panic in another visitor has already failed its test; the models have no half-done states to protect.
fn locked<T>(model: &Mutex<T>) -> MutexGuard<'_, T> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(feature = "dynamodb")]
mod tests {
    use super::*;

    fn refused(operation: &str, body: &[u8]) -> (u16, serde_json::Value) {
        let target = Target {
            service: Service::DynamoDb,
            operation,
            protocol: Protocol::AwsJson10,
        };
        let models = Models {
            kinesis: Kinesis::new(kinesis::Settings::default()),
            dynamodb: DynamoDb::new(crate::dynamodb::Settings::default(), 0),
        };
        let reply = Services::new(models).call(target, body, SystemTime::UNIX_EPOCH);
        let body = serde_json::from_slice(&reply.body).expect("an AWS error is JSON");
        (reply.status.as_u16(), body)
    }

    #[test]
    fn an_unknown_operation_is_refused() {
        let (status, body) = refused("Fly", b"{}");
        assert_eq!(
            (status, body["__type"].as_str()),
            (400, Some("UnknownOperationException"))
        );
    }

    #[test]
    fn malformed_json_is_refused() {
        for body in [&b""[..], b"{", b"[]", b"\xff\xfe", b"{\"TableName\": 7}"] {
            let (status, body) = refused("GetItem", body);
            assert_eq!(status, 400);
            assert!(body["__type"].as_str().unwrap().ends_with("Exception"), "{body}");
        }
    }
}
