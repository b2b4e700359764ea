//! Over loopback HTTP, in real time: for real processes, other languages and everything that needs a socket.
//!
//! One listener on a random port of 127.0.0.1 serves all services; as in AWS, the `X-Amz-Target` header of a request
//! says which one it is for. So one endpoint URL fits every client. The protocol is HTTP/1.1 with AWS JSON bodies;
//! signatures are not checked.
//!
//! For tests of time-outs, faults and long stretches of time there is [`Sim`](crate::sim::Sim).

mod exchange;
mod server;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::server::Server;
use crate::account;
use crate::dispatch::Services;
use crate::dynamodb;
use crate::kinesis::{Kinesis, Settings};

/// Amazon Kinesis and DynamoDB behind a loopback port.
///
/// Dropping it closes the port and lets its tasks end in the background; [`stop`](Self::stop) also waits for them.
#[derive(Debug)]
pub struct Sandbox {
    services: Arc<Services>,
    address: SocketAddr,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// No loopback port could be had.
    #[error("no loopback port to listen on")]
    Listen(#[source] io::Error),
}

impl Sandbox {
    /// Starts the services on a random loopback port, in tasks of the current tokio runtime of whatever flavour.
    ///
    /// # Errors
    ///
    /// If there is no free loopback port.
    pub async fn start() -> Result<Self, SandboxError> {
        Self::start_with(Settings::default()).await
    }

    /// As [`start`](Self::start), with a Kinesis service that behaves as `settings` say.
    ///
    /// # Errors
    ///
    /// If there is no free loopback port.
    pub async fn start_with(settings: Settings) -> Result<Self, SandboxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(SandboxError::Listen)?;
        let address = listener.local_addr().map_err(SandboxError::Listen)?;
        let services = Arc::new(Services::new(settings, dynamodb::Settings::default(), 0));
        let stopping = CancellationToken::new();
        let tasks = TaskTracker::new();
        let server = Server {
            services: Arc::clone(&services),
            stopping: stopping.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(server.accept(listener));
        Ok(Self {
            services,
            address,
            stopping,
            tasks,
        })
    }

    /// An SDK configuration for all the services: endpoint, region and credentials; the rest is the SDK's default.
    pub fn sdk_config(&self) -> SdkConfig {
        account::sdk_config()
            .into_builder()
            .endpoint_url(self.endpoint_url())
            .build()
    }

    /// The URL of every service here, for instance `http://127.0.0.1:40123`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL for settings that name Kinesis, such as `AWS_ENDPOINT_URL_KINESIS`.
    pub fn kinesis_endpoint(&self) -> String {
        self.endpoint_url()
    }

    /// The URL for settings that name DynamoDB, such as `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn dynamodb_endpoint(&self) -> String {
        self.endpoint_url()
    }

    /// Lends the Kinesis model, for set-up and inspection. Calls wait meanwhile, so `visit` must be short and make none.
    pub fn kinesis<R>(&self, visit: impl FnOnce(&mut Kinesis) -> R) -> R {
        self.services.kinesis(visit)
    }

    /// Closes the port, lets the requests that are being answered finish, and waits until every task has ended.
    ///
    /// # Cancellation
    ///
    /// The sandbox stops all the same, in the background.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.tasks.close();
    }
}
