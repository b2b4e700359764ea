//! Pure: what is known of the world that producers and consumers are judged in.

use std::time::Duration;

use super::fact::Target;
use super::faults::Faults;
use super::fleet::Fleet;
use super::leases::Leases;
use super::name::{FaultId, Ownership, Process};
use super::recovery_time::RecoveryTime;
use super::rules::Rules;
use super::stream::Stream;
use testkit::Service;

/// The service, the lease table, the processes and what hit them.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) stream: Stream,
    pub(crate) leases: Leases,
    pub(crate) fleet: Fleet,
    pub(crate) faults: Faults,
    pub(crate) recovery_time: RecoveryTime,
}

impl Evidence {
    /// Since when the worker lives and no fault is in its way; `None` if one is now.
    pub(crate) fn able_since(&self, worker: &Process) -> Option<Duration> {
        let started = self.fleet.started_at(worker)?;
        self.faults.clear_since(worker).map(|clear| clear.max(started))
    }

    /// Whether a fault, or a stream that was gone, was in the worker's way at some time of its present life.
    pub(crate) fn was_hit(&self, worker: &Process) -> bool {
        let started = self.fleet.started_at(worker).unwrap_or_default();
        let clear = self.faults.clear_since(worker);
        clear.is_none_or(|clear| clear > started) || self.stream.changed_since(started)
    }

    /// Whether the worker owns the lease by the table, and does not know that its last renewal was applied.
    pub(crate) fn lapsed_before_its_reply(&self, ownership: &Ownership) -> bool {
        let owner = self.leases.row(ownership.shard).and_then(|row| row.reader());
        let renewed_at = self.leases.renewed_at(ownership.shard);
        owner == Some(&ownership.worker)
            && renewed_at.is_some_and(|at| self.faults.was_unacknowledged(&ownership.worker, Service::DynamoDb, at))
    }

    pub(crate) fn fault_began(&mut self, fault: FaultId, name: String, target: Target) {
        self.faults.began(fault, name, target);
        self.recovery_time = RecoveryTime::NotDue;
    }

    pub(crate) fn fault_ended(&mut self, fault: FaultId, now: Duration) {
        self.faults.ended(fault, now);
        self.struck(now);
    }

    /// Something went wrong, and is over: a fault, or the life of a worker.
    pub(crate) fn struck(&mut self, now: Duration) {
        if !self.faults.any_lasts() {
            self.recovery_time = RecoveryTime::pending(&self.stream, now);
        }
    }

    /// Notes if the consumers have recovered from the last fault.
    pub(crate) fn observe(&mut self, now: Duration) {
        self.recovery_time.observe(&self.stream, &self.leases, &self.fleet, now);
    }

    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            stream: Stream::new(rules.start),
            leases: Leases::default(),
            fleet: Fleet::default(),
            faults: Faults::default(),
            recovery_time: RecoveryTime::default(),
        }
    }
}
