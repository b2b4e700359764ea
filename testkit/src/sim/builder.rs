//! The settings of a simulation, and its start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::Sim;
use super::latency::Latency;
use super::poll_order::PollOrder;
use super::world::{State, World};
use crate::clock::VirtualClock;
use crate::dispatch::{Models, Service, Services};
#[cfg(feature = "dynamodb")]
use crate::dynamodb::{self, DynamoDb};
use crate::kinesis::{Kinesis, Settings};

/// The settings of a [`Sim`].
#[derive(Debug, Clone)]
pub struct SimBuilder {
    seed: u64,
    /// By default that of the seed.
    poll_order: Option<PollOrder>,
    kinesis: Settings,
    #[cfg(feature = "dynamodb")]
    dynamodb: dynamodb::Settings,
    kinesis_latency: Latency,
    dynamodb_latency: Latency,
    cloudwatch_latency: Latency,
    event_log: usize,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            seed: 0,
            poll_order: None,
            kinesis: Settings {
                creation_time: Duration::ZERO,
                ..Settings::default()
            },
            #[cfg(feature = "dynamodb")]
            dynamodb: dynamodb::Settings::default(),
            kinesis_latency: Latency::KINESIS,
            dynamodb_latency: Latency::DYNAMODB,
            cloudwatch_latency: Latency::CLOUDWATCH,
            event_log: 10_000,
        }
    }
}

impl SimBuilder {
    /// The seed of all the simulation's randomness. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How the tasks of processes take turns. Default: [`PollOrder::drawn`] from the seed.
    pub fn poll_order(mut self, order: PollOrder) -> Self {
        self.poll_order = Some(order);
        self
    }

    /// How the Kinesis service behaves. Default: [`Settings::default`], but streams are ACTIVE as soon as created.
    pub fn kinesis(mut self, settings: Settings) -> Self {
        self.kinesis = settings;
        self
    }

    /// How the DynamoDB service behaves. Default: [`dynamodb::Settings::default`], everything at once and without limits.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb(mut self, settings: dynamodb::Settings) -> Self {
        self.dynamodb = settings;
        self
    }

    /// The latency of `service`. Default: [`Latency::KINESIS`], [`Latency::DYNAMODB`] and
    /// [`Latency::CLOUDWATCH`].
    pub fn latency(mut self, service: Service, latency: Latency) -> Self {
        match service {
            Service::Kinesis => self.kinesis_latency = latency,
            Service::DynamoDb => self.dynamodb_latency = latency,
            Service::CloudWatch => self.cloudwatch_latency = latency,
        }
        self
    }

    /// How many events [`Sim::events`] remembers; beyond that the oldest are forgotten. Default: 10,000.
    pub fn event_log(mut self, capacity: usize) -> Self {
        self.event_log = capacity;
        self
    }

    /// Starts the simulation, and its clock.
    pub fn build(self) -> Sim {
        let order = self.poll_order.unwrap_or_else(|| PollOrder::drawn(self.seed));
        let models = Models {
            kinesis: Kinesis::new(self.kinesis),
            // Not the very seed of the latencies, or lags and latencies would go together.
            #[cfg(feature = "dynamodb")]
            dynamodb: DynamoDb::new(self.dynamodb, !self.seed),
        };
        let world = World {
            services: Services::new(models),
            clock: VirtualClock::start(),
            kinesis_latency: self.kinesis_latency,
            dynamodb_latency: self.dynamodb_latency,
            cloudwatch_latency: self.cloudwatch_latency,
            tasks: TaskTracker::new(),
            state: Mutex::new(State::new(self.seed, order, self.event_log)),
        };
        Sim { world: Arc::new(world) }
    }
}
