//! One HTTP request and its reply.

use std::future::pending;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::sleep;

use super::host::Host;
use super::{admin, body};
use crate::clock::wall_clock;
use crate::dispatch::{Head, Protocol, Received, Refusal, Reply};
use crate::sim::Fault;

/// The connection is to be closed without a reply.
#[derive(Debug, thiserror::Error)]
#[error("injected: the connection broke")]
pub(super) struct HangUp;

/// Answers one request, with an AWS error at worst, unless a fault forbids it.
pub(super) async fn answer(host: &Host, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HangUp> {
    let (head, body) = request.into_parts();
    let response = if admin::is_meant(head.uri.path()) {
        match body::read(body, host.body_timeout).await {
            Ok(body) => admin::answer(host, &head.method, head.uri.path(), &body),
            Err(refusal) => refuse(host, Protocol::AwsJson11, refusal),
        }
    } else {
        match head.method {
            Method::GET => Response::new(Bytes::from_static(b"kinesis-testkit is up\n")),
            Method::POST => post(host, &head, body).await?,
            ref method => {
                let refusal = Refusal::unknown_operation(&format!("no operation has the method {method}"));
                refuse(host, Protocol::AwsJson11, refusal)
            }
        }
    };
    Ok(response.map(Full::new))
}

async fn post(host: &Host, head: &Parts, body: Incoming) -> Result<Response<Bytes>, HangUp> {
    let described = Head::new(head.uri.path(), |name| head.headers.get(name)?.to_str().ok());
    // Before the target is judged: a reply to half a request would break the connection under its sender.
    let body = body::read(body, host.body_timeout).await;
    match body.and_then(|body| Received::read(&described, body)) {
        Ok(call) => Ok(carry(host, &call).await?.into()),
        Err(refusal) => Ok(refuse(host, described.protocol(), refusal)),
    }
}

/// Lets a call meet its fault.
async fn carry(host: &Host, call: &Received) -> Result<Reply, HangUp> {
    let fault = host.faults(|faults| faults.meet(call.service, &call.operation));
    if let Fault::Delay(longer) = fault {
        sleep(longer).await;
    }
    let reply = host.services.call_under(&fault, call, wall_clock());
    if let Fault::Duplicated(later) = fault {
        // Here the first reply waits for the duplicate: a connection has one exchange at a time.
        sleep(later).await;
        drop(host.services.call_under(&Fault::None, call, wall_clock()));
    }
    match (fault, reply) {
        // Until the client gives up or the sandbox stops.
        (Fault::RequestHangs | Fault::ReplyHangs, _) => pending().await,
        (Fault::ReplyLost, _) | (_, None) => Err(HangUp),
        (_, Some(reply)) => Ok(reply),
    }
}

fn refuse(host: &Host, protocol: Protocol, refusal: Refusal) -> Response<Bytes> {
    host.services.refuse(protocol, refusal, wall_clock()).into()
}
