//! The body of a request: within a size, within a time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::dispatch::Refusal;

/// The largest request body. Source: DynamoDB's limit of a request,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html> (16 MB); a PutRecords of
/// 10 MiB in base64 fits too.
const MAX_BODY: usize = 16 << 20;

/// How much of a body beyond [`MAX_BODY`] is read and thrown away, so that its sender sees the refusal rather than a
/// broken connection. Our choice.
const MAX_DISCARDED: usize = 64 << 20;

/// How long a body may take if nothing else is set. Our choice: a loopback peer that needs longer is stuck.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Collects a body of a permitted size within `limit`.
pub(super) async fn read(body: Incoming, limit: Duration) -> Result<Bytes, Refusal> {
    timeout(limit, collect(body)).await.unwrap_or_else(|_elapsed| {
        let message = "the request body did not arrive in time";
        Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeoutException",
            message,
        ))
    })
}

async fn collect(mut body: Incoming) -> Result<Bytes, Refusal> {
    let mut collected = BytesMut::new();
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let message = format!("the request body is incomplete: {error}");
            Refusal::malformed(&message)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if discarded == 0 && collected.len() + data.len() <= MAX_BODY {
            collected.extend_from_slice(&data);
            continue;
        }
        discarded += collected.len() + data.len();
        collected = BytesMut::new();
        if discarded > MAX_DISCARDED {
            break;
        }
    }
    if discarded > 0 {
        let message = format!("the request body exceeds {MAX_BODY} bytes");
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            &message,
        ));
    }
    Ok(collected.freeze())
}
