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
use tokio::time::{sleep, timeout};

use super::faults::Fault;
use super::world::{Outgoing, World};
use crate::dispatch::{Head, Received, Reply};

/// The HTTP client of one simulated process.
#[derive(Debug, Clone)]
pub(super) struct SimClient {
    pub(super) name: String,
    pub(super) world: Arc<World>,
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
        let SimClient { name, world } = self.client.clone();
        let read_timeout = self.read_timeout;
        HttpConnectorFuture::new(async move {
            let reply = exchange(&world, outgoing(name, &request)?);
            match read_timeout {
                None => reply.await,
                // As every HTTP client for the SDK must: the SDK itself only limits attempts and operations.
                Some(limit) => timeout(limit, reply)
                    .await
                    .map_err(|late| ConnectorError::timeout(late.into()))?,
            }
        })
    }
}

/// # Cancellation
///
/// Before the call arrives, it is not applied; afterwards it stays applied.
async fn exchange(world: &World, call: Outgoing) -> Result<HttpResponse, ConnectorError> {
    let flight = world.send(call);
    pass(flight.trip.there).await;
    if let Fault::Delay(longer) = flight.fault {
        pass(longer).await;
    }
    let reply = world.arrive(&flight);
    pass(flight.trip.back).await;
    match (flight.fault, reply) {
        (Fault::RequestHangs | Fault::ReplyHangs, _) => pending().await,
        (Fault::ReplyLost, _) | (_, None) => Err(ConnectorError::io("injected: the connection broke".into())),
        (_, Some(reply)) => to_sdk(reply),
    }
}

fn outgoing(client: String, request: &HttpRequest) -> Result<Outgoing, ConnectorError> {
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
    Ok(Outgoing { client, received })
}

fn to_sdk(reply: Reply) -> Result<HttpResponse, ConnectorError> {
    let response: Response<Bytes> = reply.into();
    HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| ConnectorError::other(error.into(), None))
}

/// Lets virtual time pass, without a visit to the timer if there is none to pass.
async fn pass(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
