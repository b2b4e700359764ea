//! The way of one call through the network, to the service and back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::call::{Call, Outcome, Request};
use super::events::Event;
use super::faults::{CallInfo, Fault};
use super::latency::RoundTrip;
use super::observation::{Lesson, Missed, Unacknowledged};
use super::process::Process;
use super::world::World;
use crate::dispatch::{Received, Reply, Service};
use crate::kinesis::{self, request::ShardIteratorType};

/// The error code for a stream that is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// A call as its process hands it over.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) process: Arc<str>,
    pub(super) received: Received,
}

/// What comes back to the process; if nothing ever does, the sender is dropped.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A reply, and what it tells of the stream.
    Reply(Reply, Option<Lesson>),
    /// The connection broke.
    Broken,
}

/// A call on its way; what it meets there is decided.
#[derive(Debug)]
struct InFlight {
    ordinal: u64,
    call: Outgoing,
    sent: Duration,
    trip: RoundTrip,
    fault: Fault,
}

/// Sends a call. From now on it is the network's: it goes its way whatever becomes of the process.
pub(super) fn send(world: &Arc<World>, call: Outgoing, arrived: oneshot::Sender<Arrival>) {
    let (process, service) = (Arc::clone(&call.process), call.received.service);
    let flight = depart(world, call);
    Process::named(world, &process).sent(service);
    let carried = carry(Arc::clone(world), flight, arrived);
    world.tasks.spawn(carried);
}

/// Draws the latency of a call and decides its fault.
fn depart(world: &World, call: Outgoing) -> InFlight {
    let latency = world.latency(call.received.service);
    let mut state = world.state();
    let trip = latency.draw(&mut state.rng);
    let ordinal = state.sent;
    state.sent += 1;
    let cut_off = state.is_cut_off(&call.process, call.received.service);
    // The test decides outside the lock, for it may use the simulation itself.
    let decide = state.faults.clone();
    drop(state);

    let info = CallInfo {
        client: &call.process,
        service: call.received.service,
        operation: &call.received.operation,
        body: &call.received.body,
        ordinal,
        now: world.clock.now(),
    };
    let mut fault = if cut_off {
        Fault::RequestHangs
    } else {
        decide.decide(&info)
    };
    if fault == Fault::None {
        fault = world.state().planned(&info, world.clock.elapsed());
    }
    InFlight {
        ordinal,
        call,
        sent: world.clock.elapsed(),
        trip,
        fault,
    }
}

async fn carry(world: Arc<World>, flight: InFlight, arrived: oneshot::Sender<Arrival>) {
    pass(flight.trip.there).await;
    if let Fault::Delay(longer) = flight.fault {
        pass(longer).await;
    }
    let reply = arrive(&world, &flight);
    let applied = applied_now(&world, reply.as_ref());
    if let Some((at, lesson)) = applied.zip(begins_at_latest(&flight)) {
        let learnt = (at, Arc::clone(&flight.call.process), lesson);
        world.state().learnt.push(learnt);
    }
    // One that gave up before may have sent the call again already.
    if arrived.is_closed() {
        unacknowledged(&world, &flight, applied, Missed::NoReply);
    }
    pass(flight.trip.back).await;
    let arrival = match (&flight.fault, reply) {
        (Fault::RequestHangs | Fault::ReplyHangs, _) => None,
        _ if world
            .state()
            .is_cut_off(&flight.call.process, flight.call.received.service) =>
        {
            None
        }
        (Fault::ReplyLost, _) | (_, None) => Some(Arrival::Broken),
        (_, Some(reply)) => {
            let lesson = lesson(&flight, &reply, applied, world.clock.elapsed());
            Some(Arrival::Reply(reply, lesson))
        }
    };
    let is_reply = matches!(arrival, Some(Arrival::Reply(..)));
    // The process may have given up, or died.
    let is_heard = arrival.is_some_and(|arrival| arrived.send(arrival).is_ok());
    if !(is_reply && is_heard) {
        unacknowledged(&world, &flight, applied, Missed::NoReply);
    } else if world.state().is_stopped(&flight.call.process) {
        unacknowledged(&world, &flight, applied, Missed::Late);
    }
    if let Fault::Duplicated(later) = flight.fault {
        pass(later).await;
        let again = apply(&world, &flight, &Fault::None);
        note(&world, &flight, again.as_ref(), Some("sent again"));
        let applied = applied_now(&world, again.as_ref());
        unacknowledged(&world, &flight, applied, Missed::Doubled);
    }
}

/// What an answer that comes now tells of the stream.
fn lesson(flight: &InFlight, reply: &Reply, applied: Option<Duration>, now: Duration) -> Option<Lesson> {
    let Received { service, operation, .. } = &flight.call.received;
    let (asked, answered) = (flight.sent, now);
    match (service, reply.error.as_deref(), operation.as_str()) {
        (Service::Kinesis, Some(NOT_FOUND), _) => Some(Lesson::Missing { answered }),
        (Service::Kinesis, None, "ListShards") => applied.map(|as_of| Lesson::Shards { asked, as_of }),
        _ => None,
    }
}

/// The shard that the call has read from its latest record on, if it does.
fn begins_at_latest(flight: &InFlight) -> Option<Lesson> {
    let Received { operation, body, .. } = &flight.call.received;
    if operation != "GetShardIterator" {
        return None;
    }
    match kinesis::Request::decode(operation, body) {
        Ok(kinesis::Request::GetShardIterator(request)) if request.shard_iterator_type == ShardIteratorType::Latest => {
            request.shard_id.parse().ok().map(Lesson::BeginsAtLatest)
        }
        Ok(_) | Err(_) => None,
    }
}

/// The time, if the call that was just answered like this was applied.
fn applied_now(world: &World, reply: Option<&Reply>) -> Option<Duration> {
    let is_applied = reply.is_some_and(|reply| reply.error.is_none());
    is_applied.then(|| world.clock.elapsed())
}

/// Notes that the caller does not know that its call was applied.
fn unacknowledged(world: &World, flight: &InFlight, applied: Option<Duration>, because: Missed) {
    let Some(applied) = applied else { return };
    world.state().unacknowledged.push(Unacknowledged {
        caller: Arc::clone(&flight.call.process),
        service: flight.call.received.service,
        operation: flight.call.received.operation.clone(),
        applied,
        because,
    });
}

/// Lets a call arrive and notes it: applied and answered, or, by its fault, `None`.
fn arrive(world: &World, flight: &InFlight) -> Option<Reply> {
    let reply = apply(world, flight, &flight.fault);
    note(world, flight, reply.as_ref(), flight.fault.name());
    reply
}

fn apply(world: &World, flight: &InFlight, fault: &Fault) -> Option<Reply> {
    let mut state = world.state();
    state.caller = Arc::clone(&flight.call.process);
    state.called_at = flight.sent;
    drop(state);
    world
        .services
        .call_under(fault, &flight.call.received, world.clock.now())
}

fn note(world: &World, flight: &InFlight, reply: Option<&Reply>, fault: Option<&'static str>) {
    let InFlight { ordinal, call, .. } = flight;
    let outcome = match reply.map(|reply| &reply.error) {
        Some(None) => Outcome::Ok,
        Some(Some(code)) => Outcome::Refused(code.clone()),
        None => Outcome::Lost,
    };
    let call = Call {
        ordinal: *ordinal,
        at: world.clock.elapsed(),
        client: call.process.to_string(),
        service: call.received.service,
        operation: call.received.operation.clone(),
        request: Request::new(&call.received.body),
        outcome,
        fault,
    };
    world.state().log.push(Event::Call(call));
}

/// Lets virtual time pass, without a visit to the timer if there is none to pass.
async fn pass(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
