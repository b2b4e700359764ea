//! One call of a simulation in canonical form.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::dispatch::Service;

/// The largest body whose request a log keeps word for word, in bytes. Our choice: lease writes fit, records do not.
const KEPT: usize = 2_048;

/// One call, noted when it was applied or when a fault decided that it never will be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Counts the calls from zero in the order they were sent. The log itself is in the order they were applied.
    pub ordinal: u64,
    /// The virtual time since the simulation's start.
    pub at: Duration,
    /// The name of the [`Process`](super::Process) that sent it.
    pub client: String,
    /// The service called.
    pub service: Service,
    /// The operation, for instance `PutRecords`.
    pub operation: String,
    /// What was asked.
    pub request: Request,
    /// What the service made of it.
    pub outcome: Outcome,
    /// The fault that disturbed it.
    pub fault: Option<&'static str>,
}

/// What a service made of a call, whether or not the caller learnt it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The call was applied and answered.
    Ok,
    /// The call was refused with this error code.
    Refused(String),
    /// The call never arrived.
    Lost,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ordinal,
            client,
            service,
            operation,
            outcome,
            fault,
            ..
        } = self;
        write!(f, "#{ordinal} {client} {service}.{operation} ")?;
        match outcome {
            Outcome::Ok => f.write_str("ok")?,
            Outcome::Refused(code) => f.write_str(code)?,
            Outcome::Lost => f.write_str("lost")?,
        }
        if let Some(fault) = fault {
            write!(f, " ({fault})")?;
        }
        write!(f, " {}", self.request)
    }
}

/// A request with its fields in alphabetical order, which the SDK does not keep; of a large one, its size.
#[derive(Clone)]
pub struct Request {
    body: Bytes,
    size: usize,
}

impl Request {
    pub(super) fn new(body: &Bytes) -> Self {
        let size = body.len();
        let body = if size <= KEPT { body.clone() } else { Bytes::new() };
        Self { body, size }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::from_slice::<Value>(&self.body) {
            // A map of serde_json is sorted.
            Ok(value) => write!(f, "{value}"),
            Err(_) => write!(f, "{} bytes", self.size),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && (self.body == other.body || self.to_string() == other.to_string())
    }
}

impl Eq for Request {}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static str) -> Request {
        Request::new(&Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_call_reads_as_one_line() {
        let call = Call {
            ordinal: 3,
            at: Duration::from_millis(5_012),
            client: "worker-1".to_owned(),
            service: Service::DynamoDb,
            operation: "PutItem".to_owned(),
            request: request(r#"{"TableName":"t","Item":{}}"#),
            outcome: Outcome::Refused("ConditionalCheckFailedException".to_owned()),
            fault: Some("reply lost"),
        };
        let line = r##"#3 worker-1 DynamoDB.PutItem ConditionalCheckFailedException (reply lost) {"Item":{},"TableName":"t"}"##;
        assert_eq!(call.to_string(), line);
    }

    #[test]
    fn the_order_of_fields_makes_no_other_request() {
        assert_eq!(request(r#"{"a":1,"b":2}"#), request(r#"{"b":2,"a":1}"#));
        assert_ne!(request(r#"{"a":1}"#), request(r#"{"a":2}"#));
    }

    #[test]
    fn of_a_large_request_only_the_size_is_kept() {
        let large = Bytes::from(vec![b'x'; KEPT + 1]);
        assert_eq!(Request::new(&large).to_string(), "2049 bytes");
    }
}
