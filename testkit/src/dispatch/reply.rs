//! Pure: what a service answers, before it meets a transport.

use std::time::SystemTime;

use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use super::protocol::Protocol;
use crate::kinesis::ServiceError;

/// An HTTP reply before it meets a transport.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) protocol: Protocol,
    pub(crate) request_id: String,
    /// The service's time.
    pub(crate) date: SystemTime,
    pub(crate) body: Bytes,
    /// The error code of a refusal, without its namespace.
    pub(crate) error: Option<String>,
}

impl From<Reply> for Response<Bytes> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(reply.body);
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.protocol.content_type()));
        if let Some(date) = http_date(reply.date) {
            headers.insert(DATE, date);
        }
        if let Ok(id) = HeaderValue::from_str(&reply.request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if reply.protocol == Protocol::QueryCompatibleCbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Some(code) = reply.error.filter(|_code| reply.protocol.is_query_compatible())
            && let Ok(error) = HeaderValue::from_str(&format!("{code};{}", fault_of(reply.status)))
        {
            headers.insert("x-amzn-query-error", error);
        }
        response
    }
}

/// A time as HTTP writes it.
fn http_date(time: SystemTime) -> Option<HeaderValue> {
    let written = DateTime::from(time).fmt(Format::HttpDate).ok()?;
    HeaderValue::from_str(&written).ok()
}

/// Whose fault an error of this status is, in the words of the query protocol.
pub(super) fn fault_of(status: StatusCode) -> &'static str {
    if status.is_server_error() { "Receiver" } else { "Sender" }
}

/// A refusal, in no protocol yet.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Its form in AWS JSON, if that has more than the code and the message.
    pub(crate) detailed: Option<Bytes>,
}

impl Refusal {
    /// A refusal with the two fields that every AWS error has.
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            detailed: None,
        }
    }

    /// What AWS answers to an operation it does not know.
    pub(crate) fn unknown_operation(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "UnknownOperationException", message)
    }

    /// What AWS answers to a body that it cannot read.
    pub(crate) fn malformed(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "SerializationException", message)
    }

    /// Its form in AWS JSON, where `shape` is the name of its code in the service's model.
    pub(super) fn json(&self, shape: &str) -> Vec<u8> {
        match &self.detailed {
            Some(body) => body.to_vec(),
            None => json!({ "__type": shape, "message": self.message })
                .to_string()
                .into_bytes(),
        }
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, &error.code, &error.message)
    }
}
