//! In process, under tokio's paused time: an hour of a fleet passes in seconds.
//!
//! ```text
//! SDK client ──▶ HTTP client of the Sim ──▶ latency ──▶ fault? ──▶ Kinesis model, dynoxide
//!            ◀────────────────────────── latency ◀──── fault? ◀──┘        │
//!                                                                     call log
//! ```
//!
//! A [`Sim`] is a whole pretended AWS account. Each simulated process takes its SDK configuration from
//! [`Sim::client`] under its own name, so that faults can hit one process and spare the others.
//!
//! Two runs with the same seed make the same calls at the same virtual times, provided that the code under test keeps
//! its part: a current-thread runtime with paused time, no threads, `biased` selects, and, if the SDK retries,
//! `fastrand::seed` on the test's thread (the SDK draws its back-off from the thread's generator). Never use a socket
//! under paused time: while the peer works, the clock jumps to the next time-out. For sockets there is
//! [`Sandbox`](crate::sandbox::Sandbox).

mod call_log;
mod connector;
mod faults;
mod latency;
mod partial_failure;
mod world;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_async::rt::sleep::TokioSleep;
use fastrand::Rng;
use serde_json::json;

use self::call_log::CallLog;
pub use self::call_log::{Call, Outcome};
use self::connector::SimClient;
use self::faults::FaultPlan;
pub use self::faults::{CallInfo, Entries, Fault};
pub use self::latency::Latency;
use self::world::{State, World};
use crate::account;
use crate::clock::VirtualClock;
use crate::dispatch::{Service, Services};
use crate::dynamodb::{self, DynamoDb};
use crate::kinesis::{Kinesis, Request, ServiceError, Settings};

/// Amazon Kinesis and DynamoDB in virtual time. Clones are handles on the same simulation.
#[derive(Debug, Clone)]
pub struct Sim {
    world: Arc<World>,
}

impl Sim {
    /// A simulation with the default latencies and without faults.
    ///
    /// Make it inside the paused runtime: its clock starts at 2026-01-01T00:00:00Z with this call.
    pub fn new(seed: u64) -> Self {
        Self::builder().seed(seed).build()
    }

    /// A simulation with settings of its own.
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }

    /// The configuration of a process that needs no name.
    pub fn sdk_config(&self) -> SdkConfig {
        self.client("client")
    }

    /// The configuration of the simulated process `name`.
    ///
    /// SDK retries are the SDK's default and time-outs are unset; whoever builds a client from it may set both.
    pub fn client(&self, name: &str) -> SdkConfig {
        account::sdk_config()
            .into_builder()
            .http_client(SimClient {
                name: name.to_owned(),
                world: Arc::clone(&self.world),
            })
            .sleep_impl(TokioSleep::new())
            .time_source(self.world.clock)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// The virtual wall-clock time.
    pub fn now(&self) -> SystemTime {
        self.world.clock.now()
    }

    /// The virtual time since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.world.clock.elapsed()
    }

    /// Lets `decide` choose the fault of every call sent from now on, in place of any earlier closure.
    ///
    /// For reproducible runs, it decides from the call alone and from state of its own.
    pub fn faults(&self, decide: impl Fn(&CallInfo<'_>) -> Fault + Send + Sync + 'static) {
        self.world.state().plan = FaultPlan::new(decide);
    }

    /// No more faults for the calls sent from now on.
    pub fn heal(&self) {
        self.world.state().plan = FaultPlan::default();
    }

    /// The latest calls in the order they were applied, up to the capacity of [`SimBuilder::call_log`].
    pub fn calls(&self) -> Vec<Call> {
        self.world.state().log.to_vec()
    }

    /// Lends the Kinesis model, for set-up and inspection. Calls wait meanwhile, so `visit` must not make any.
    pub fn kinesis<R>(&self, visit: impl FnOnce(&mut Kinesis) -> R) -> R {
        self.world.services.kinesis(visit)
    }

    /// Lends DynamoDB, for set-up and inspection. Calls wait meanwhile, so `visit` must not make any.
    pub fn dynamodb<R>(&self, visit: impl FnOnce(&mut DynamoDb) -> R) -> R {
        self.world.services.dynamodb(visit)
    }

    /// Creates a stream without a call: no time passes, nothing is logged. It is ACTIVE after the
    /// [`creation_time`](Settings::creation_time) of the settings, by default at once.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a CreateStream, for instance that the stream exists.
    pub fn create_stream(&self, name: &str, shards: usize) -> Result<(), ServiceError> {
        let body = json!({ "StreamName": name, "ShardCount": shards }).to_string();
        let request = Request::decode("CreateStream", body.as_bytes())?;
        self.kinesis(|kinesis| kinesis.handle(request, self.now()))?;
        Ok(())
    }
}

/// The settings of a [`Sim`].
#[derive(Debug, Clone)]
pub struct SimBuilder {
    seed: u64,
    kinesis: Settings,
    dynamodb: dynamodb::Settings,
    kinesis_latency: Latency,
    dynamodb_latency: Latency,
    call_log: usize,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            seed: 0,
            kinesis: Settings {
                creation_time: Duration::ZERO,
                ..Settings::default()
            },
            dynamodb: dynamodb::Settings::default(),
            kinesis_latency: Latency::KINESIS,
            dynamodb_latency: Latency::DYNAMODB,
            call_log: 10_000,
        }
    }
}

impl SimBuilder {
    /// The seed of all the simulation's randomness. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How the Kinesis service behaves. Default: [`Settings::default`], but streams are ACTIVE as soon as created.
    pub fn kinesis(mut self, settings: Settings) -> Self {
        self.kinesis = settings;
        self
    }

    /// How the DynamoDB service behaves. Default: [`dynamodb::Settings::default`], everything at once and without limits.
    pub fn dynamodb(mut self, settings: dynamodb::Settings) -> Self {
        self.dynamodb = settings;
        self
    }

    /// The latency of `service`. Default: [`Latency::KINESIS`] and [`Latency::DYNAMODB`].
    pub fn latency(mut self, service: Service, latency: Latency) -> Self {
        match service {
            Service::Kinesis => self.kinesis_latency = latency,
            Service::DynamoDb => self.dynamodb_latency = latency,
        }
        self
    }

    /// How many calls [`Sim::calls`] remembers; beyond that the oldest are forgotten. Default: 10,000.
    pub fn call_log(mut self, capacity: usize) -> Self {
        self.call_log = capacity;
        self
    }

    /// Starts the simulation, and its clock.
    pub fn build(self) -> Sim {
        let world = World {
            // Not the very seed of the latencies, or lags and latencies would go together.
            services: Services::new(self.kinesis, self.dynamodb, !self.seed),
            clock: VirtualClock::start(),
            kinesis_latency: self.kinesis_latency,
            dynamodb_latency: self.dynamodb_latency,
            state: Mutex::new(State {
                rng: Rng::with_seed(self.seed),
                plan: FaultPlan::default(),
                log: CallLog::new(self.call_log),
                sent: 0,
            }),
        };
        Sim { world: Arc::new(world) }
    }
}
