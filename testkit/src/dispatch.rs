//! From an `X-Amz-Target` header and a JSON body to the service that answers.
//!
//! Both fronts end here, so a call means the same in the simulation and in the sandbox. Nothing in this file waits or
//! reads a clock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use crate::dynamodb::{self, DynamoDb};
use crate::kinesis::{self, Kinesis, ServiceError, Settings};

/// A service that the testkit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Amazon Kinesis Data Streams.
    Kinesis,
    /// Amazon DynamoDB.
    DynamoDb,
}

impl Service {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Kinesis => "application/x-amz-json-1.1",
            Self::DynamoDb => "application/x-amz-json-1.0",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kinesis => "Kinesis",
            Self::DynamoDb => "DynamoDB",
        })
    }
}

/// A parsed `X-Amz-Target` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) service: Service,
    pub(crate) operation: &'a str,
}

impl<'a> Target<'a> {
    /// Reads `Kinesis_20131202.PutRecords`; `None` for a service that is not here. The operation may be unknown.
    pub(crate) fn parse(header: &'a str) -> Option<Self> {
        let (prefix, operation) = header.split_once('.')?;
        let service = match prefix {
            "Kinesis_20131202" => Service::Kinesis,
            "DynamoDB_20120810" => Service::DynamoDb,
            _ => return None,
        };
        Some(Self { service, operation })
    }
}

/// An HTTP reply before it meets a transport.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
    /// The error code of a refusal, without its namespace.
    pub(crate) error: Option<String>,
}

impl From<Reply> for Response<Bytes> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(reply.body);
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        if let Ok(id) = HeaderValue::from_str(&reply.request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }
}

/// A refusal as it goes on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) body: Bytes,
}

impl Refusal {
    /// A refusal with the two fields that every AWS error has.
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({ "__type": code, "message": message }).to_string();
        Self {
            status,
            code: code.to_owned(),
            body: body.into(),
        }
    }

    /// What AWS answers to an operation it does not know.
    pub(crate) fn unknown_operation(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "UnknownOperationException", message)
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, &error.code, &error.message)
    }
}

/// All services of one pretended AWS account.
#[derive(Debug)]
pub(crate) struct Services {
    kinesis: Mutex<Kinesis>,
    dynamodb: Mutex<DynamoDb>,
    requests: AtomicU64,
}

impl Services {
    /// Services without streams and tables; the seed is for what they decide at random.
    pub(crate) fn new(kinesis: Settings, dynamodb: dynamodb::Settings, seed: u64) -> Self {
        Self {
            kinesis: Mutex::new(Kinesis::new(kinesis)),
            dynamodb: Mutex::new(DynamoDb::new(dynamodb, seed)),
            requests: AtomicU64::new(0),
        }
    }

    /// Answers one call at the time `now`. What cannot be understood is refused, never ignored.
    pub(crate) fn call(&self, target: Target<'_>, body: &[u8], now: SystemTime) -> Reply {
        let Target { service, operation } = target;
        let answer = match service {
            Service::Kinesis => self.call_kinesis(operation, body, now),
            Service::DynamoDb => self.dynamodb(|dynamodb| dynamodb.call(operation, body, now)),
        };
        match answer {
            Ok(body) => self.reply(service, body),
            Err(refusal) => self.refuse(service, refusal),
        }
    }

    /// The reply to a call that succeeded.
    pub(crate) fn reply(&self, service: Service, body: Vec<u8>) -> Reply {
        Reply {
            status: StatusCode::OK,
            content_type: service.content_type(),
            request_id: self.next_request_id(),
            body: body.into(),
            error: None,
        }
    }

    /// The reply to a call that failed.
    pub(crate) fn refuse(&self, service: Service, refusal: Refusal) -> Reply {
        Reply {
            status: refusal.status,
            content_type: service.content_type(),
            request_id: self.next_request_id(),
            body: refusal.body,
            error: Some(refusal.code),
        }
    }

    /// Lends the Kinesis model, for set-up and inspection.
    pub(crate) fn kinesis<R>(&self, visit: impl FnOnce(&mut Kinesis) -> R) -> R {
        // A panic in another visitor has already failed its test; the model itself has no half-done states to protect.
        visit(&mut self.kinesis.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lends DynamoDB, for set-up and inspection.
    pub(crate) fn dynamodb<R>(&self, visit: impl FnOnce(&mut DynamoDb) -> R) -> R {
        // As above; what a call leaves half done, dynoxide rolls back.
        visit(&mut self.dynamodb.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn call_kinesis(&self, operation: &str, body: &[u8], now: SystemTime) -> Result<Vec<u8>, Refusal> {
        let request = kinesis::Request::decode(operation, body)?;
        let response = self.kinesis(|kinesis| kinesis.handle(request, now))?;
        Ok(response.encode())
    }

    /// Request ids count up, so that a simulation repeats them.
    fn next_request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(target: &str, body: &[u8]) -> (u16, serde_json::Value) {
        let target = Target::parse(target).unwrap();
        let services = Services::new(Settings::default(), dynamodb::Settings::default(), 0);
        let reply = services.call(target, body, SystemTime::UNIX_EPOCH);
        let body = serde_json::from_slice(&reply.body).expect("an AWS error is JSON");
        (reply.status.as_u16(), body)
    }

    #[test]
    fn a_target_names_its_service_and_operation() {
        let target = Target::parse("DynamoDB_20120810.UpdateItem").unwrap();
        assert_eq!((target.service, target.operation), (Service::DynamoDb, "UpdateItem"));
        for unknown in ["", "Kinesis_20131202", "GraniteServiceVersion20100801.PutMetricData"] {
            assert_eq!(Target::parse(unknown), None);
        }
    }

    #[test]
    fn an_unknown_operation_is_refused() {
        let (status, body) = refused("DynamoDB_20120810.Fly", b"{}");
        assert_eq!(
            (status, body["__type"].as_str()),
            (400, Some("UnknownOperationException"))
        );
    }

    #[test]
    fn malformed_json_is_refused() {
        for body in [&b""[..], b"{", b"[]", b"\xff\xfe", b"{\"TableName\": 7}"] {
            let (status, body) = refused("DynamoDB_20120810.GetItem", body);
            assert_eq!(status, 400);
            assert!(body["__type"].as_str().unwrap().ends_with("Exception"), "{body}");
        }
    }
}
