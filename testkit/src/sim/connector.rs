//! The SDK's HTTP client without HTTP: a request becomes a call in the simulated world.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::uri::InvalidUri;
use http::{Response, Uri};
use service::ClockSource;
use tokio::sync::oneshot;

use super::machine_clock::MachineClock;
use super::network::{self, Arrival, Outgoing};
use super::world::World;
use crate::dispatch::{Head, Received, Reply};

/// The HTTP client of one simulated process.
#[derive(Debug, Clone)]
pub(super) struct SimClient {
    process: Arc<str>,
    clock: MachineClock,
    world: Arc<World>,
}

impl SimClient {
    /// The client of a process, whose time-outs are measured by its clock.
    pub(super) fn new(process: Arc<str>, clock: MachineClock, world: Arc<World>) -> Self {
        Self { process, clock, world }
    }
}

impl HttpClient for SimClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(SimConnector {
            client: self.clone(),
            read_timeout: settings.read_timeout(),
        })
    }
}

#[derive(Debug)]
struct SimConnector {
    client: SimClient,
    read_timeout: Option<Duration>,
}

impl HttpConnector for SimConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let SimClient { process, clock, world } = self.client.clone();
        let read_timeout = self.read_timeout;
        HttpConnectorFuture::new(async move {
            let reply = exchange(world, outgoing(process, &request)?);
            match read_timeout {
                None => reply.await,
                // As every HTTP client for the SDK must: the SDK itself only limits attempts and operations.
                Some(limit) => tokio::select! {
                    biased;
                    reply = reply => reply,
                    () = ClockSource::sleep(&clock, limit) => Err(ConnectorError::timeout("no reply in time".into())),
                },
            }
        })
    }
}

/// Hands a call to the network and waits for what comes back.
///
/// # Cancellation
///
/// A call that was sent arrives, whether or not anybody waits for its reply.
async fn exchange(world: Arc<World>, call: Outgoing) -> Result<HttpResponse, ConnectorError> {
    let (arrived, arrival) = oneshot::channel();
    let process = Arc::clone(&call.process);
    network::send(&world, call, arrived);
    match arrival.await {
        Ok(Arrival::Reply(reply, lesson)) => {
            let now = world.clock.elapsed();
            let learnt = lesson.map(|lesson| (now, process, lesson));
            world.state().learnt.extend(learnt);
            to_sdk(reply)
        }
        Ok(Arrival::Broken) => Err(ConnectorError::io("injected: the connection broke".into())),
        Err(_nothing_comes) => pending().await,
    }
}

fn outgoing(process: Arc<str>, request: &HttpRequest) -> Result<Outgoing, ConnectorError> {
    let Some(body) = request.body().bytes() else {
        return Err(ConnectorError::user(
            "the simulation takes no streaming requests".into(),
        ));
    };
    let uri: Uri = request
        .uri()
        .parse()
        .map_err(|error: InvalidUri| ConnectorError::user(error.into()))?;
    let head = Head::new(uri.path(), |name| request.headers().get(name));
    let received = Received::read(&head, Bytes::copy_from_slice(body))
        .map_err(|refusal| ConnectorError::user(refusal.message.into()))?;
    Ok(Outgoing { process, received })
}

fn to_sdk(reply: Reply) -> Result<HttpResponse, ConnectorError> {
    let response: Response<Bytes> = reply.into();
    HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| ConnectorError::other(error.into(), None))
}
