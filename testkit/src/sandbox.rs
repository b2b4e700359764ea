//! Over loopback HTTP, in real time: for real processes, other languages and everything that needs a socket.
//!
//! It listens on random ports of 127.0.0.1, or on given ones; nothing outside the machine reaches it. Each port serves
//! all services, as each request says which one it is for, so one endpoint URL fits every client. Signatures are not
//! checked. The protocol is HTTP/1.1 with, by service:
//!
//! | service | protocols |
//! |---|---|
//! | Kinesis | AWS JSON 1.1; the same in CBOR (`application/x-amz-cbor-1.1`), which the SDKs for Java prefer |
//! | DynamoDB | AWS JSON 1.0 |
//! | CloudWatch | RPC v2 CBOR (the SDK for Rust), AWS JSON 1.0 (botocore), forms of the query protocol (older SDKs) |
//!
//! Bodies may be compressed with gzip.
//!
//! For tests of time-outs, faults and long stretches of time there is [`Sim`](crate::sim::Sim).
//!
//! Inside, in the order of a call: `builder` makes a `server`; each connection has an `exchange` of a request, with
//! its `body`, for a reply; all share the `host`. `faults` wait for their calls, told by the handle or, as a
//! `fault_form`, by the calls of `admin`.

mod admin;
mod body;
mod builder;
mod exchange;
mod fault_form;
mod faults;
mod host;
mod server;

use std::io;
use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::builder::Addresses;
pub use self::builder::SandboxBuilder;
pub use self::faults::{FaultRule, Faults, TooManyFaults};
use self::host::Host;
use self::server::Server;
use crate::account;
use crate::cloudwatch::CloudWatch;
use crate::dispatch::Service;
use crate::dynamodb::DynamoDb;
use crate::kinesis::{Kinesis, Settings};

/// Amazon Kinesis, DynamoDB and CloudWatch behind loopback ports.
///
/// Dropping it closes the ports and lets its tasks end in the background; [`stop`](Self::stop) also waits for them.
#[derive(Debug)]
pub struct Sandbox {
    host: Arc<Host>,
    addresses: Addresses,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A port of 127.0.0.1 could not be had.
    #[error("cannot listen on port {port} of 127.0.0.1")]
    #[non_exhaustive]
    Listen {
        /// The service that it was meant for; `None` if for several.
        service: Option<Service>,
        /// The port; 0 for a random one.
        port: u16,
        /// The reason.
        source: io::Error,
    },
}

impl Sandbox {
    /// Starts the services on a random port of 127.0.0.1, in tasks of the current tokio runtime of whatever flavour.
    ///
    /// # Errors
    ///
    /// If there is no free loopback port.
    ///
    /// # Cancellation
    ///
    /// Dropping the future releases the ports; nothing was started.
    pub async fn start() -> Result<Self, SandboxError> {
        Self::start_with(Settings::default()).await
    }

    /// As [`start`](Self::start), with a Kinesis service that behaves as `settings` say.
    ///
    /// # Errors
    ///
    /// If there is no free loopback port.
    ///
    /// # Cancellation
    ///
    /// As with [`start`](Self::start).
    pub async fn start_with(settings: Settings) -> Result<Self, SandboxError> {
        Self::builder().kinesis(settings).start().await
    }

    /// A sandbox with settings of its own.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// An SDK configuration for all the services: endpoint, region and credentials; the rest is the SDK's default.
    pub fn sdk_config(&self) -> SdkConfig {
        account::sdk_config()
            .into_builder()
            .endpoint_url(self.endpoint_url())
            .build()
    }

    /// A URL of every service here, for instance `http://127.0.0.1:40123`.
    pub fn endpoint_url(&self) -> String {
        self.kinesis_endpoint()
    }

    /// The URL for settings that name Kinesis, such as `AWS_ENDPOINT_URL_KINESIS`.
    pub fn kinesis_endpoint(&self) -> String {
        format!("http://{}", self.addresses.kinesis)
    }

    /// The URL for settings that name DynamoDB, such as `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn dynamodb_endpoint(&self) -> String {
        format!("http://{}", self.addresses.dynamodb)
    }

    /// The URL for settings that name CloudWatch, such as `AWS_ENDPOINT_URL_CLOUDWATCH`.
    pub fn cloudwatch_endpoint(&self) -> String {
        format!("http://{}", self.addresses.cloudwatch)
    }

    /// The environment in which the AWS SDKs and command lines find the services: endpoints, region and credentials.
    pub fn environment(&self) -> [(&'static str, String); 6] {
        [
            ("AWS_ENDPOINT_URL_KINESIS", self.kinesis_endpoint()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_endpoint()),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", self.cloudwatch_endpoint()),
            ("AWS_REGION", account::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", account::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", account::ACCESS_KEY.to_owned()),
        ]
    }

    /// Lends the Kinesis model, for set-up and inspection. Calls wait meanwhile, so `visit` must be short and make none.
    pub fn kinesis<R>(&self, visit: impl FnOnce(&mut Kinesis) -> R) -> R {
        self.host.services.kinesis(visit)
    }

    /// Lends the DynamoDB model, to throttle, deny and watch calls, and to see what is stored. Calls wait meanwhile, so
    /// `visit` must be short and make none.
    pub fn dynamodb<R>(&self, visit: impl FnOnce(&mut DynamoDb) -> R) -> R {
        self.host.services.dynamodb(visit)
    }

    /// Lends the recorded metrics. Calls wait meanwhile, so `visit` must be short and make none.
    pub fn cloudwatch<R>(&self, visit: impl FnOnce(&mut CloudWatch) -> R) -> R {
        self.host.services.cloudwatch(visit)
    }

    /// Lends the faults that wait for their calls. Calls wait meanwhile, so `visit` must be short and make none.
    ///
    /// A lost request or reply closes the connection. A call that hangs is held until the sandbox stops.
    pub fn faults<R>(&self, visit: impl FnOnce(&mut Faults) -> R) -> R {
        self.host.faults(visit)
    }

    /// Closes the ports, lets the requests that are being answered finish, and waits until every task has ended.
    ///
    /// # Cancellation
    ///
    /// The sandbox stops all the same, in the background.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Serves `host` on all of `listeners`.
    fn serve(host: Host, listeners: Vec<TcpListener>, addresses: Addresses) -> Self {
        let server = Server {
            host: Arc::new(host),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        for listener in listeners {
            server.tasks.spawn(server.clone().accept(listener));
        }
        Self {
            host: server.host,
            addresses,
            stopping: server.stopping,
            tasks: server.tasks,
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.tasks.close();
    }
}
