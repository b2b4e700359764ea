//! Pure: the protocols that clients speak; each becomes AWS JSON here, and each reply is written from AWS JSON.

use bytes::Bytes;

use super::Service;
use super::cbor::{self, Epoch};
use super::query;
use super::refusal::Refusal;
use crate::cloudwatch::shape_of;

/// How a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// DynamoDB's: <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>.
    AwsJson10,
    /// Kinesis's: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.
    AwsJson11,
    /// AWS JSON 1.1 in CBOR, which the SDKs for Java prefer with Kinesis.
    AwsCbor11,
    /// A form with a reply in XML: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.
    AwsQuery,
    /// AWS JSON 1.0 for a service that once spoke [`AwsQuery`](Self::AwsQuery) only: errors carry their old code too.
    QueryCompatibleJson,
    /// <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>, with the old error codes too.
    QueryCompatibleCbor,
}

impl Protocol {
    /// The JSON that a service speaks, whatever version a client states.
    pub(super) const fn json_of(service: Service) -> Self {
        match service {
            Service::Kinesis => Self::AwsJson11,
            Service::DynamoDb => Self::AwsJson10,
            Service::CloudWatch => Self::QueryCompatibleJson,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::AwsJson10 | Self::QueryCompatibleJson => "application/x-amz-json-1.0",
            Self::AwsJson11 => "application/x-amz-json-1.1",
            Self::AwsCbor11 => "application/x-amz-cbor-1.1",
            Self::AwsQuery => "text/xml",
            Self::QueryCompatibleCbor => "application/cbor",
        }
    }

    /// Whether an error's code of the query protocol travels in a header.
    pub(super) const fn is_query_compatible(self) -> bool {
        matches!(self, Self::QueryCompatibleJson | Self::QueryCompatibleCbor)
    }

    /// A request in AWS JSON.
    pub(super) fn read(self, body: Bytes) -> Result<Bytes, Refusal> {
        let read = match self {
            Self::AwsJson10 | Self::AwsJson11 | Self::QueryCompatibleJson => return Ok(body),
            Self::AwsCbor11 => cbor::to_json(&body, Epoch::Millis),
            Self::QueryCompatibleCbor => cbor::to_json(&body, Epoch::Seconds),
            Self::AwsQuery => query::to_json(&body),
        };
        read.map(Bytes::from).map_err(|reason| Refusal::malformed(&reason))
    }

    /// The reply to a call that succeeded, from its form in AWS JSON.
    pub(super) fn write_output(self, operation: &str, json: Vec<u8>, request_id: &str) -> Vec<u8> {
        match self {
            Self::AwsJson10 | Self::AwsJson11 | Self::QueryCompatibleJson => json,
            Self::AwsCbor11 => cbor::from_json(&json, Epoch::Millis),
            Self::QueryCompatibleCbor => cbor::from_json(&json, Epoch::Seconds),
            Self::AwsQuery => query::output(operation, request_id),
        }
    }

    /// The reply to a call that failed.
    pub(super) fn write_refusal(self, refusal: &Refusal, request_id: &str) -> Vec<u8> {
        match self {
            Self::AwsJson10 | Self::AwsJson11 => refusal.json(&refusal.code),
            Self::QueryCompatibleJson => refusal.json(shape_of(&refusal.code)),
            Self::AwsCbor11 => cbor::from_json(&refusal.json(&refusal.code), Epoch::Millis),
            Self::QueryCompatibleCbor => cbor::from_json(&refusal.json(shape_of(&refusal.code)), Epoch::Seconds),
            Self::AwsQuery => query::refusal(refusal, request_id),
        }
    }
}
