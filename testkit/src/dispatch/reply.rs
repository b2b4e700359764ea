//! Pure: a reply before it meets a transport.

use std::time::SystemTime;

use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};

use super::protocol::Protocol;
use super::refusal::fault_of;

/// An HTTP reply before it meets a transport.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) protocol: Protocol,
    /// Empty in the reply of a proxy.
    pub(crate) request_id: String,
    /// The service's time.
    pub(crate) date: SystemTime,
    pub(crate) body: Bytes,
    /// The error code of a refusal, without its namespace.
    pub(crate) error: Option<String>,
}

impl Reply {
    /// The page with which a proxy refuses a call.
    pub(crate) fn of_proxy(status: StatusCode, date: SystemTime) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
        Self {
            status,
            protocol: Protocol::AwsQuery,
            request_id: String::new(),
            date,
            body: page.into(),
            error: None,
        }
    }
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
        if !reply.request_id.is_empty()
            && let Ok(id) = HeaderValue::from_str(&reply.request_id)
        {
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
