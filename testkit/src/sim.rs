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
//! Woken tasks of a process are polled in an order by the seed ([`PollOrder`]), so that a test meets more than the one order
//! in which they were woken. Each process has its own clocks ([`Process::clock`]).
//!
//! Two runs with the same seed make the same calls at the same virtual times, provided that the code under test keeps
//! its part: a current-thread runtime with paused time, no threads, `biased` selects, and, if the SDK retries,
//! `fastrand::seed` on the test's thread (the SDK draws its back-off from the thread's generator). Never use a socket
//! under paused time: while the peer works, the clock jumps to the next time-out. For sockets there is
//! [`Sandbox`](crate::sandbox::Sandbox).
//!
//! # Inside
//!
//! A `builder` sets a simulation up. In the order of a call: a `process` has a `machine_clock` and `clients` with a
//! `connector` for HTTP; its tasks pass a `gate` in their `poll_order`; the `network` carries a call after its `latency`,
//! unless one of the `faults` meets it, to the `world`, which keeps each `process_state` and each `observation` of the
//! network. A `plan` of troubles is carried out by the `conductor`. What happened is in `events`, of which a `call` is one.
//! Tests hold a `stream`, and ask what was `consumed` of it.

mod builder;
mod call;
mod clients;
mod conductor;
mod connector;
#[cfg(feature = "dynamodb")]
mod consumed;
mod events;
mod faults;
mod gate;
mod latency;
mod machine_clock;
mod network;
pub mod observation;
mod plan;
mod poll_order;
mod process;
mod process_state;
mod stream;
mod world;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use serde_json::json;
use tokio::time::sleep;

pub use self::builder::SimBuilder;
pub use self::call::{Call, Outcome, Request as CallRequest};
pub use self::events::{Event, ProcessChange};
use self::faults::Decide;
pub use self::faults::{CallInfo, Entries, Fault};
pub use self::latency::Latency;
pub use self::plan::{Plan, Severity, Trouble, TroubleKind};
pub use self::poll_order::PollOrder;
pub use self::process::Process;
pub use self::stream::{SimStream, UserRecord};
use self::world::World;
use crate::cloudwatch::CloudWatch;
#[cfg(feature = "dynamodb")]
use crate::dynamodb::DynamoDb;
use crate::kinesis::request::RecordDistributionStrategy;
use crate::kinesis::{Kinesis, Request, ServiceError};

/// Amazon Kinesis, DynamoDB and CloudWatch in virtual time. Clones are handles on the same simulation.
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

    /// The configuration of the process `name`: short for [`Process::sdk_config`].
    pub fn client(&self, name: &str) -> SdkConfig {
        self.process(name).sdk_config()
    }

    /// The process `name` in its present life. A name that was never asked for is a new process.
    pub fn process(&self, name: &str) -> Process {
        Process::named(&self.world, name)
    }

    /// The stream `name` in the hands of the test, whether or not it exists yet.
    pub fn stream<'a>(&'a self, name: &'a str) -> SimStream<'a> {
        SimStream::new(self, name)
    }

    /// The virtual wall-clock time.
    pub fn now(&self) -> SystemTime {
        self.world.clock.now()
    }

    /// The virtual time since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.world.clock.elapsed()
    }

    /// Lets virtual time pass, and with it everything happen that is due.
    ///
    /// # Cancellation
    ///
    /// Time has then passed in part.
    ///
    /// # Panics
    ///
    /// With the panic of a program of a [`Process`], if one panicked.
    pub async fn advance(&self, time: Duration) {
        sleep(time).await;
        self.go_on_panicking();
    }

    /// Lets virtual time pass until `done`, looked at every 10 ms; `false` if that is not so within `limit`.
    ///
    /// # Panics
    ///
    /// As [`advance`](Self::advance).
    pub async fn until(&self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let end = self.elapsed() + limit;
        while !done() {
            if self.elapsed() >= end {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
            self.go_on_panicking();
        }
        true
    }

    /// Ends the test with the panic of a program, which would else be seen on stderr alone.
    fn go_on_panicking(&self) {
        let panic = self.world.state().take_panic();
        if let Some(panic) = panic {
            std::panic::resume_unwind(panic);
        }
    }

    /// Lets `decide` choose the fault of every call sent from now on, in place of any earlier closure. A call that it
    /// spares may still meet one by a [`Plan`].
    ///
    /// For reproducible runs, it decides from the call alone and from state of its own.
    pub fn faults(&self, decide: impl Fn(&CallInfo<'_>) -> Fault + Send + Sync + 'static) {
        self.world.state().faults = Decide::new(decide);
    }

    /// No more [`faults`](Self::faults) for the calls sent from now on.
    pub fn heal(&self) {
        self.world.state().faults = Decide::default();
    }

    /// Begins to carry out a plan, in addition to those under way.
    pub fn follow(&self, plan: Plan) {
        let world = Arc::clone(&self.world);
        self.world.tasks.spawn(conductor::carry_out(world, plan));
    }

    /// Ends the simulation: kills every process and forgets its program. Programs often hold the simulation that holds
    /// them; until this call, neither gives its memory back.
    pub fn end(&self) {
        let names = self.world.state().process_names();
        for name in names {
            self.process(&name).kill();
        }
        self.world.state().forget_programs();
    }

    /// How many tasks of the runtime are the simulation's own: calls on their way, programs of processes, plans.
    pub fn task_count(&self) -> usize {
        self.world.tasks.len()
    }

    /// What happened, in that order, up to the capacity of [`SimBuilder::event_log`].
    pub fn events(&self) -> Vec<Event> {
        self.world.state().log.iter().cloned().collect()
    }

    /// The calls among the [`events`](Self::events), in the order they were applied.
    pub fn calls(&self) -> Vec<Call> {
        let call = |event: &Event| {
            if let Event::Call(call) = event {
                Some(call.clone())
            } else {
                None
            }
        };
        self.world.state().log.iter().filter_map(call).collect()
    }

    /// Writes a line of the test's own among the [`events`](Self::events).
    pub fn note(&self, text: impl Into<String>) {
        let (at, text) = (self.elapsed(), text.into());
        self.world.state().log.push(Event::Note { at, text });
    }

    /// Lends the Kinesis model, for set-up and inspection. Calls wait meanwhile, so `visit` must not make any.
    pub fn kinesis<R>(&self, visit: impl FnOnce(&mut Kinesis) -> R) -> R {
        self.world.services.kinesis(visit)
    }

    /// Lends DynamoDB, for set-up and inspection. Calls wait meanwhile, so `visit` must not make any.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb<R>(&self, visit: impl FnOnce(&mut DynamoDb) -> R) -> R {
        self.world.services.dynamodb(visit)
    }

    /// Lends the recorded metrics. Calls wait meanwhile, so `visit` must not make any.
    pub fn cloudwatch<R>(&self, visit: impl FnOnce(&mut CloudWatch) -> R) -> R {
        self.world.services.cloudwatch(visit)
    }

    /// Creates a stream without a call: no time passes, nothing is logged. It is ACTIVE after the
    /// [`creation_time`](crate::kinesis::Settings::creation_time) of the settings, by default at once.
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

    /// Does the same with a stream on demand, whose records find their shards by this strategy. It has as many shards as
    /// such a stream begins with.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a CreateStream.
    pub fn create_stream_on_demand(
        &self,
        name: &str,
        strategy: RecordDistributionStrategy,
    ) -> Result<(), ServiceError> {
        let body = json!({ "StreamName": name, "StreamModeDetails": { "StreamMode": "ON_DEMAND" } }).to_string();
        let mut request = Request::decode("CreateStream", body.as_bytes())?;
        if let Request::CreateStream(request) = &mut request {
            request.record_distribution_strategy = Some(strategy);
        }
        self.kinesis(|kinesis| kinesis.handle(request, self.now()))?;
        Ok(())
    }
}
