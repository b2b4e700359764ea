//! The state behind a simulation, and the life of one call in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use super::call_log::{Call, CallLog, Outcome};
use super::faults::{CallInfo, Fault, FaultPlan};
use super::latency::{Latency, RoundTrip};
use crate::clock::VirtualClock;
use crate::dispatch::{Received, Reply, Service, Services};

/// Everything that the clients of one simulation have in common.
#[derive(Debug)]
pub(super) struct World {
    pub(super) services: Services,
    pub(super) clock: VirtualClock,
    pub(super) kinesis_latency: Latency,
    pub(super) dynamodb_latency: Latency,
    pub(super) cloudwatch_latency: Latency,
    pub(super) state: Mutex<State>,
}

/// What calls change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) plan: FaultPlan,
    pub(super) log: CallLog,
    pub(super) sent: u64,
}

/// A call as its client hands it over.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) client: String,
    pub(super) received: Received,
}

/// A call that has been sent; what it meets on its way is decided.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) trip: RoundTrip,
    pub(super) fault: Fault,
    ordinal: u64,
    call: Outgoing,
}

impl World {
    /// Locks the state, for a moment and never across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a call: draws its latency and decides its fault.
    pub(super) fn send(&self, call: Outgoing) -> InFlight {
        let latency = match call.received.service {
            Service::Kinesis => self.kinesis_latency,
            Service::DynamoDb => self.dynamodb_latency,
            Service::CloudWatch => self.cloudwatch_latency,
        };
        let mut state = self.state();
        let trip = latency.draw(&mut state.rng);
        let ordinal = state.sent;
        state.sent += 1;
        // The plan decides outside the lock, for it may use the simulation itself.
        let plan = state.plan.clone();
        drop(state);

        let fault = plan.decide(&CallInfo {
            client: &call.client,
            service: call.received.service,
            operation: &call.received.operation,
            body: &call.received.body,
            ordinal,
            now: self.clock.now(),
        });
        InFlight {
            trip,
            fault,
            ordinal,
            call,
        }
    }

    /// Lets a call arrive and notes it: applied and answered, or, by its fault, `None`.
    pub(super) fn arrive(&self, flight: &InFlight) -> Option<Reply> {
        let InFlight { fault, call, .. } = flight;
        let reply = self.services.call_under(fault, &call.received, self.clock.now());
        self.note(flight, reply.as_ref());
        reply
    }

    fn note(&self, flight: &InFlight, reply: Option<&Reply>) {
        let InFlight {
            fault, ordinal, call, ..
        } = flight;
        let outcome = match reply.map(|reply| &reply.error) {
            Some(None) => Outcome::Ok,
            Some(Some(code)) => Outcome::Refused(code.clone()),
            None => Outcome::Lost,
        };
        self.state().log.push(Call {
            ordinal: *ordinal,
            at: self.clock.elapsed(),
            client: call.client.clone(),
            service: call.received.service,
            operation: call.received.operation.clone(),
            outcome,
            fault: fault.name(),
        });
    }
}
