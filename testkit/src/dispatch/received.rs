//! Pure: from an HTTP request to a call of which is known whom it is for.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::StatusCode;

use super::Service;
use super::protocol::Protocol;
use super::query;
use super::refusal::Refusal;

/// The largest request once it is decompressed. Our choice: as much as an uncompressed request may have.
const MAX_DECOMPRESSED: usize = 16 << 20;

/// CloudWatch's name in paths and targets.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// What the head of an HTTP request says about the call in its body; what it does not say is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    path: &'a str,
    target: &'a str,
    content_type: &'a str,
    content_encoding: &'a str,
}

impl<'a> Head<'a> {
    /// Picks the headers that matter, with a closure that looks one up by its lower-case name.
    pub(crate) fn new(path: &'a str, header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let text = |name| header(name).unwrap_or_default();
        Self {
            path,
            target: text("x-amz-target"),
            content_type: text("content-type"),
            content_encoding: text("content-encoding"),
        }
    }

    /// The protocol that the head states. A refusal is written in it as long as the service is not known.
    pub(crate) fn protocol(&self) -> Protocol {
        if self.path.starts_with("/service/") {
            return Protocol::QueryCompatibleCbor;
        }
        match self.content_type.split(';').next().map(str::trim) {
            Some("application/x-www-form-urlencoded") => Protocol::AwsQuery,
            Some("application/x-amz-cbor-1.1") => Protocol::AwsCbor11,
            _ => Protocol::AwsJson11,
        }
    }
}

/// A service, its operation, and how its call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) service: Service,
    /// It may be unknown to the service.
    pub(crate) operation: &'a str,
    pub(crate) protocol: Protocol,
}

/// A call of which is known whom it is for.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) service: Service,
    /// It may be unknown to the service.
    pub(crate) operation: String,
    pub(crate) protocol: Protocol,
    /// The request in AWS JSON, whatever the protocol.
    pub(crate) body: Bytes,
}

impl Received {
    /// Reads a request: decompresses its body, finds its service, and translates the body.
    pub(crate) fn read(head: &Head<'_>, body: Bytes) -> Result<Self, Refusal> {
        let sent = body.len();
        let body = decompress(head.content_encoding, body)?;
        let stated = head.protocol();
        let (service, operation) = match stated {
            Protocol::QueryCompatibleCbor => by_path(head.path)?,
            Protocol::AwsQuery => (Service::CloudWatch, query::action(&body)?),
            Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::AwsCbor11 | Protocol::QueryCompatibleJson => {
                by_target(head.target)?
            }
        };
        check_size(service, sent)?;
        if stated == Protocol::AwsCbor11 && service != Service::Kinesis {
            let message = format!("{service} does not take {}", stated.content_type());
            return Err(Refusal::malformed(&message));
        }
        let protocol = if stated == Protocol::AwsJson11 {
            Protocol::json_of(service)
        } else {
            stated
        };
        let body = protocol.read(body)?;
        Ok(Self {
            service,
            operation,
            protocol,
            body,
        })
    }

    /// Whom it is for.
    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            service: self.service,
            operation: &self.operation,
            protocol: self.protocol,
        }
    }
}

/// Reads `Kinesis_20131202.PutRecords`.
fn by_target(target: &str) -> Result<(Service, String), Refusal> {
    let found = target.split_once('.').and_then(|(prefix, operation)| {
        let service = match prefix {
            "Kinesis_20131202" => Service::Kinesis,
            "DynamoDB_20120810" => Service::DynamoDb,
            CLOUDWATCH => Service::CloudWatch,
            _ => return None,
        };
        Some((service, operation.to_owned()))
    });
    found.ok_or_else(|| Refusal::unknown_operation(&format!("no service here has the target {target:?}")))
}

/// Reads `/service/GraniteServiceVersion20100801/operation/PutMetricData`.
fn by_path(path: &str) -> Result<(Service, String), Refusal> {
    let found = path
        .strip_prefix("/service/")
        .and_then(|rest| rest.split_once("/operation/"))
        .filter(|(service, _operation)| *service == CLOUDWATCH);
    match found {
        Some((_service, operation)) => Ok((Service::CloudWatch, operation.to_owned())),
        None => Err(Refusal::unknown_operation(&format!(
            "no service here has the path {path:?}"
        ))),
    }
}

fn decompress(encoding: &str, body: Bytes) -> Result<Bytes, Refusal> {
    match encoding {
        "" | "identity" => Ok(body),
        "gzip" => {
            let mut plain = Vec::new();
            let limit = u64::try_from(MAX_DECOMPRESSED).unwrap_or(u64::MAX).saturating_add(1);
            MultiGzDecoder::new(body.as_ref())
                .take(limit)
                .read_to_end(&mut plain)
                .map_err(|error| Refusal::malformed(&format!("the request body is not gzip: {error}")))?;
            if plain.len() > MAX_DECOMPRESSED {
                return Err(too_large(MAX_DECOMPRESSED));
            }
            Ok(plain.into())
        }
        other => Err(Refusal::malformed(&format!(
            "no request here has the encoding {other:?}"
        ))),
    }
}

fn check_size(service: Service, sent: usize) -> Result<(), Refusal> {
    let limit = crate::cloudwatch::limits::BYTES_PER_PUT;
    match service {
        Service::CloudWatch if sent > limit => Err(too_large(limit)),
        Service::CloudWatch | Service::DynamoDb | Service::Kinesis => Ok(()),
    }
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("the request body exceeds {limit} bytes");
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLargeException",
        &message,
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const JSON: Head<'static> = Head {
        path: "/",
        target: "Kinesis_20131202.PutRecords",
        content_type: "application/x-amz-json-1.1",
        content_encoding: "",
    };

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    fn read(head: Head<'_>, body: impl Into<Bytes>) -> Received {
        Received::read(&head, body.into()).unwrap()
    }

    fn refusal(head: Head<'_>, body: impl Into<Bytes>) -> Refusal {
        Received::read(&head, body.into()).unwrap_err()
    }

    #[test]
    fn a_target_names_its_service_and_operation() {
        for (target, service, protocol) in [
            ("Kinesis_20131202.Fly", Service::Kinesis, Protocol::AwsJson11),
            ("DynamoDB_20120810.Fly", Service::DynamoDb, Protocol::AwsJson10),
            (
                "GraniteServiceVersion20100801.Fly",
                Service::CloudWatch,
                Protocol::QueryCompatibleJson,
            ),
        ] {
            let received = read(Head { target, ..JSON }, "{}");
            let operation = "Fly";
            assert_eq!(
                received.target(),
                Target {
                    service,
                    operation,
                    protocol
                }
            );
        }
    }

    #[test]
    fn a_path_or_a_form_names_its_operation() {
        let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        let by_path = read(Head { path, ..JSON }, &b"\xa0"[..]);
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        let by_form = read(Head { content_type, ..JSON }, "Action=PutMetricData&Version=2010-08-01");
        for received in [by_path, by_form] {
            assert_eq!(received.service, Service::CloudWatch);
            assert_eq!(
                (received.operation.as_str(), received.body.as_ref()),
                ("PutMetricData", &b"{}"[..])
            );
        }
    }

    #[test]
    fn an_unknown_target_or_path_is_refused() {
        for target in ["", "Kinesis_20131202", "SQS.Send"] {
            assert_eq!(refusal(Head { target, ..JSON }, "{}").code, "UnknownOperationException");
        }
        for path in ["/service/", "/service/Other/operation/PutMetricData"] {
            assert_eq!(refusal(Head { path, ..JSON }, "").code, "UnknownOperationException");
        }
    }

    #[test]
    fn a_compressed_body_is_decompressed() {
        let head = Head {
            content_encoding: "gzip",
            ..JSON
        };
        assert_eq!(read(head, gzip(b"{}")).body.as_ref(), b"{}");
    }

    #[test]
    fn a_body_that_is_not_what_its_encoding_says_is_refused() {
        for (content_encoding, body) in [("gzip", Bytes::from_static(b"{}")), ("br", Bytes::new())] {
            assert_eq!(
                refusal(
                    Head {
                        content_encoding,
                        ..JSON
                    },
                    body
                )
                .code,
                "SerializationException"
            );
        }
    }

    #[test]
    fn a_body_that_decompresses_to_too_much_is_refused() {
        let head = Head {
            content_encoding: "gzip",
            ..JSON
        };
        let body = gzip(&vec![b' '; MAX_DECOMPRESSED + 1]);
        assert_eq!(refusal(head, body).status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_megabyte_for_cloudwatch_is_counted_as_it_was_sent() {
        let target = "GraniteServiceVersion20100801.PutMetricData";
        let plain = vec![b' '; crate::cloudwatch::limits::BYTES_PER_PUT + 1];
        let head = Head {
            target,
            content_encoding: "gzip",
            ..JSON
        };
        assert_eq!(read(head, gzip(&plain)).body.len(), plain.len());
        assert_eq!(
            refusal(Head { target, ..JSON }, plain).status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
}
