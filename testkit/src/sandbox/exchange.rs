//! One HTTP request and its reply.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::clock::wall_clock;
use crate::dispatch::{Head, Protocol, Received, Refusal, Services};

/// The largest request body. Source: DynamoDB's limit of a request,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html> (16 MB); a PutRecords of
/// 10 MiB in base64 fits too.
const MAX_BODY: usize = 16 << 20;

/// How much of a body beyond [`MAX_BODY`] is read and thrown away, so that its sender sees the refusal rather than a
/// broken connection. Our choice.
const MAX_DISCARDED: usize = 64 << 20;

/// How long a body may take. Our choice: a loopback peer that needs longer is stuck.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers one request, with an AWS error at worst.
pub(super) async fn answer(
    services: &Services,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = match *request.method() {
        Method::GET => Response::new(Bytes::from_static(b"kinesis-testkit is up\n")),
        Method::POST => match post(services, request).await {
            Ok(response) => response,
            // Not meant for a service yet; the JSON dialects of both read the same error.
            Err(refusal) => services.refuse(Protocol::AwsJson11, refusal).into(),
        },
        ref method => {
            let refusal = Refusal::unknown_operation(&format!("no operation has the method {method}"));
            services.refuse(Protocol::AwsJson11, refusal).into()
        }
    };
    Ok(reply.map(Full::new))
}

async fn post(services: &Services, request: Request<Incoming>) -> Result<Response<Bytes>, Refusal> {
    let (head, body) = request.into_parts();
    // Before the target is judged: a reply to half a request would break the connection under its sender.
    let body = match timeout(BODY_TIMEOUT, read(body)).await {
        Ok(body) => body?,
        Err(_elapsed) => {
            let message = "the request body did not arrive in time";
            return Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeoutException",
                message,
            ));
        }
    };
    let described = Head::new(head.uri.path(), |name| head.headers.get(name)?.to_str().ok());
    let reply = match Received::read(&described, body) {
        Ok(call) => services.call(call.target(), &call.body, wall_clock()),
        Err(refusal) => services.refuse(described.protocol(), refusal),
    };
    Ok(reply.into())
}

/// Collects a body of a permitted size.
async fn read(mut body: Incoming) -> Result<Bytes, Refusal> {
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
