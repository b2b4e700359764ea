//! What happens to a worker, as it happens.
//!
//! Each event goes to `tracing`, to the series of [`metrics`](crate::metrics) that count it, and to the listener of
//! [`WorkerBuilder::on_event`](crate::WorkerBuilder::on_event). All three see the same value.
//!
//! [`Event::severity`] is the level of its line in the log. A healthy worker is quiet at `info` once it has its leases.
//!
//! Events that repeat are folded: the first one of a kind and a subject (a shard, a row, a table) is told at once, and those
//! of the next ten seconds are only counted. The next one that is told has their number in its field `repeated`.
//!
//! | events | `debug` | `info` | `warn` | `error` |
//! |---|---|---|---|---|
//! | [`WorkerEvent`] | | started, ended, starting position overruled | ended with abandoned shards, start failed, stream created again, handlers left behind, access denied, credentials, settings not taken over, hash-key ranges | |
//! | [`FleetEvent`] | assigned, ended lease deleted | follows KCL 2.x, elected, joined, left in order, hand-off offered | deposed, left without a word, leases expired, clock wrong, renews slowly, the index of owners unusable, rows not written or unreadable | the worker's id is in use, the fleet is too small |
//! | [`LeaseEvent`] | created | taken, lost, given up, replaced, deleted | write failed, of a former stream, row unreadable, table unavailable, its time unknown | lost because the worker's id is in use, leases of another stream |
//! | [`ShardEvent`] | waits for parents, reading begins | ended, moved by a seek, paused, resumed | still waits, read failed or throttled, on hold, damaged records, possible loss, end not checkpointed | on hold until somebody acts, a panic of this library |
//! | [`HandlerEvent`] | | | failed, slow, records skipped or dead-lettered, sink failed | dropped, halted |
//!
//! # Inside
//!
//! The events are in `worker`, `fleet`, `lease`, `shard` and `handler`, each with its severity, its folding and its line in the log;
//! `text` has the line that `Display` writes.

mod fleet;
mod handler;
mod lease;
#[cfg(test)]
pub(crate) mod logged;
mod shard;
pub(crate) mod text;
mod worker;

pub use fleet::FleetEvent;
pub use handler::{HandlerEvent, WhyDropped};
pub use lease::LeaseEvent;
pub use service::{RangeFault, RangeFaultKind};
pub use shard::ShardEvent;
pub use worker::WorkerEvent;

use crate::lease::model::WorkerId;
pub use crate::shard_sync::end_evidence::Hold;
use crate::stream::ShardRef;

/// Something that has happened. Its text is one line, which names the shard or the lease.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// To the worker as a whole.
    Worker(WorkerEvent),
    /// In the fleet of the worker.
    Fleet(FleetEvent),
    /// To a lease or to the lease table.
    Lease(LeaseEvent),
    /// To a shard whose lease the worker holds.
    Shard {
        /// The shard.
        shard: ShardRef,
        /// What happened.
        event: ShardEvent,
    },
    /// In a call to the application's code, for one shard.
    Handler {
        /// The shard.
        shard: ShardRef,
        /// What happened.
        event: HandlerEvent,
    },
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A step of the normal course.
    Debug,
    /// A change that an operator may want to see.
    Info,
    /// Something is wrong, and the worker goes on by itself.
    Warn,
    /// Something is wrong, and somebody has to act.
    Error,
}

impl Event {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Worker(event) => event.severity(),
            Self::Fleet(event) => event.severity(),
            Self::Lease(event) => event.severity(),
            Self::Shard { event, .. } => event.severity(),
            Self::Handler { event, .. } => event.severity(),
        }
    }

    /// The shard to which it happened, for the events of shards and handlers.
    pub fn shard(&self) -> Option<&ShardRef> {
        match self {
            Self::Worker(_) | Self::Fleet(_) | Self::Lease(_) => None,
            Self::Shard { shard, .. } | Self::Handler { shard, .. } => Some(shard),
        }
    }

    /// Writes it to the log. The lines about a shard are written in the span of their worker, which names it.
    pub(crate) fn log(&self, worker: &WorkerId) {
        match self {
            Self::Worker(event) => event.log(worker),
            Self::Fleet(event) => event.log(worker),
            Self::Lease(event) => event.log(worker),
            Self::Shard { shard, event } => event.log(shard),
            Self::Handler { shard, event } => event.log(shard),
        }
    }

    /// By what its repeats are recognised, and where their number goes. `None` if each one is told.
    pub(crate) fn repeats(&mut self) -> Option<(Kind, &mut u64)> {
        let (shard, repeats) = match self {
            Self::Worker(event) => return event.repeats(),
            Self::Fleet(event) => return event.repeats(),
            Self::Lease(event) => return event.repeats(),
            Self::Shard { shard, event } => (shard, event.repeats()),
            Self::Handler { shard, event } => (shard, event.repeats()),
        };
        let (kind, repeated) = repeats?;
        Some(((kind, shard.to_string()), repeated))
    }
}

/// A kind of event, and its subject.
pub(crate) type Kind = (&'static str, String);

/// An event of one shard.
pub(crate) trait OfShard {
    /// The event, as one of this shard.
    fn of(self, shard: ShardRef) -> Event;
}

impl OfShard for ShardEvent {
    fn of(self, shard: ShardRef) -> Event {
        Event::Shard { shard, event: self }
    }
}

impl OfShard for HandlerEvent {
    fn of(self, shard: ShardRef) -> Event {
        Event::Handler { shard, event: self }
    }
}

impl From<WorkerEvent> for Event {
    fn from(event: WorkerEvent) -> Self {
        Self::Worker(event)
    }
}

impl From<FleetEvent> for Event {
    fn from(event: FleetEvent) -> Self {
        Self::Fleet(event)
    }
}

impl From<LeaseEvent> for Event {
    fn from(event: LeaseEvent) -> Self {
        Self::Lease(event)
    }
}
