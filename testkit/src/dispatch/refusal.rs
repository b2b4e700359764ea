//! Pure: a call that is refused, in no protocol yet.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use crate::kinesis::ServiceError;

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

/// Whose fault an error of this status is, in the words of the query protocol.
pub(super) fn fault_of(status: StatusCode) -> &'static str {
    if status.is_server_error() { "Receiver" } else { "Sender" }
}
