//! The settings of a sandbox: its ports, and how its services behave.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::body::BODY_TIMEOUT;
use super::host::Host;
use super::{Sandbox, SandboxError};
use crate::dispatch::{Models, Service, Services};
use crate::dynamodb::{self, DynamoDb};
use crate::kinesis::{Kinesis, Settings};

/// The settings of a [`Sandbox`].
#[derive(Debug, Clone)]
pub struct SandboxBuilder {
    kinesis: Settings,
    dynamodb: dynamodb::Settings,
    ports: BTreeMap<Service, u16>,
    body_timeout: Duration,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            kinesis: Settings::default(),
            dynamodb: dynamodb::Settings::default(),
            ports: BTreeMap::new(),
            body_timeout: BODY_TIMEOUT,
        }
    }
}

impl SandboxBuilder {
    /// How the Kinesis service behaves. Default: [`Settings::default`].
    pub fn kinesis(mut self, settings: Settings) -> Self {
        self.kinesis = settings;
        self
    }

    /// How the DynamoDB service behaves. Default: [`dynamodb::Settings::default`], everything at once and without limits.
    pub fn dynamodb(mut self, settings: dynamodb::Settings) -> Self {
        self.dynamodb = settings;
        self
    }

    /// Gives a service a port of its own on 127.0.0.1; 0 stands for a random one. Default: the services without a port
    /// of their own share a random one.
    ///
    /// It is for clients that are told a port for each service. Every port answers for every service.
    pub fn port(mut self, service: Service, port: u16) -> Self {
        self.ports.insert(service, port);
        self
    }

    /// How long a request's body may take to arrive, before it is refused with `RequestTimeoutException`. Default: 30 s.
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.body_timeout = limit;
        self
    }

    /// Binds the ports and starts the services, in tasks of the current tokio runtime of whatever flavour.
    ///
    /// # Errors
    ///
    /// If a port is taken, or no random one is free.
    ///
    /// # Cancellation
    ///
    /// Dropping the future releases the ports; nothing was started.
    pub async fn start(self) -> Result<Sandbox, SandboxError> {
        let mut listeners = Listeners::new(self.ports);
        let addresses = Addresses {
            kinesis: listeners.address_of(Service::Kinesis).await?,
            dynamodb: listeners.address_of(Service::DynamoDb).await?,
            cloudwatch: listeners.address_of(Service::CloudWatch).await?,
        };
        let services = Services::new(Models {
            kinesis: Kinesis::new(self.kinesis),
            dynamodb: DynamoDb::new(self.dynamodb, 0),
        });
        Ok(Sandbox::serve(
            Host::new(services, self.body_timeout),
            listeners.bound,
            addresses,
        ))
    }
}

/// Where each service is to be found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) kinesis: SocketAddr,
    pub(super) dynamodb: SocketAddr,
    pub(super) cloudwatch: SocketAddr,
}

/// The ports, bound one by one.
#[derive(Debug)]
struct Listeners {
    wanted: BTreeMap<Service, u16>,
    shared: Option<SocketAddr>,
    bound: Vec<TcpListener>,
}

impl Listeners {
    const fn new(wanted: BTreeMap<Service, u16>) -> Self {
        Self {
            wanted,
            shared: None,
            bound: Vec::new(),
        }
    }

    async fn address_of(&mut self, service: Service) -> Result<SocketAddr, SandboxError> {
        if let Some(&port) = self.wanted.get(&service) {
            return self.bind(Some(service), port).await;
        }
        let shared = match self.shared {
            Some(shared) => shared,
            None => self.bind(None, 0).await?,
        };
        self.shared = Some(shared);
        Ok(shared)
    }

    async fn bind(&mut self, service: Option<Service>, port: u16) -> Result<SocketAddr, SandboxError> {
        let failed = |source| SandboxError::Listen { service, port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.bound.push(listener);
        Ok(address)
    }
}
