//! Pure: what was made to go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fact::Target;
use super::name::{FaultId, Process};
use testkit::Service;
use testkit::sim::observation::Missed;

/// The faults of a run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    faults: BTreeMap<FaultId, Fault>,
    /// Where processes live and since when, if they do not stand for themselves.
    hosts: BTreeMap<Process, (Process, Duration)>,
    /// When writes were applied without their callers' knowing, in milliseconds: that is how the service counts.
    unacknowledged: BTreeSet<(Process, Service, u128)>,
    /// Those of them that the network had doubled.
    doubled: BTreeSet<(Process, Service, u128)>,
}

#[derive(Debug)]
struct Fault {
    name: String,
    target: Target,
    ended: Option<Duration>,
}

impl Faults {
    pub(crate) fn began(&mut self, fault: FaultId, name: String, target: Target) {
        let began = Fault {
            name,
            target,
            ended: None,
        };
        self.faults.insert(fault, began);
    }

    pub(crate) fn lives_in(&mut self, process: Process, host: Process, now: Duration) {
        self.hosts.insert(process, (host, now));
    }

    /// Whether the process is this one, or a life of it.
    pub(crate) fn is_or_lives_in(&self, process: &Process, host: &Process) -> bool {
        process == host || self.host(process) == Some(host)
    }

    /// Since when the process lives, if it is a life of another.
    pub(crate) fn lives_since(&self, process: &Process) -> Duration {
        self.hosts.get(process).map_or(Duration::ZERO, |(_, since)| *since)
    }

    /// Whether the two are lives of one process.
    pub(crate) fn share_a_host(&self, one: &Process, other: &Process) -> bool {
        self.host(one).unwrap_or(one) == self.host(other).unwrap_or(other)
    }

    /// Where the process lives, if it does not stand for itself.
    pub(crate) fn host(&self, process: &Process) -> Option<&Process> {
        self.hosts.get(process).map(|(host, _)| host)
    }

    pub(crate) fn ended(&mut self, fault: FaultId, now: Duration) {
        if let Some(fault) = self.faults.get_mut(&fault) {
            fault.ended.get_or_insert(now);
        }
    }

    /// Whether a fault has not ended.
    pub(crate) fn any_lasts(&self) -> bool {
        self.faults.values().any(|fault| fault.ended.is_none())
    }

    /// How often there was a fault of each name.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let mut by_name = BTreeMap::new();
        for fault in self.faults.values() {
            *by_name.entry(fault.name.clone()).or_default() += 1;
        }
        by_name
    }

    /// A call that reads changes nothing that its caller could miss.
    pub(crate) fn unacknowledged(
        &mut self,
        caller: Process,
        (service, operation): (Service, &str),
        applied: Duration,
        because: Missed,
    ) {
        if !is_write(service, operation) {
            return;
        }
        let call = (caller, service, applied.as_millis());
        match because {
            Missed::NoReply => {}
            // Nothing but a lease runs out while a reply waits: who stored a record has no excuse.
            Missed::Late if service != Service::DynamoDb => return,
            Missed::Late => {}
            Missed::Doubled => drop(self.doubled.insert(call.clone())),
        }
        self.unacknowledged.insert(call);
    }

    /// Whether a doubled write of the process was applied at that time.
    pub(crate) fn was_doubled(&self, caller: &Process, service: Service, applied: Duration) -> bool {
        let called = |name: &Process| self.doubled.contains(&(name.clone(), service, applied.as_millis()));
        called(caller) || self.host(caller).is_some_and(called)
    }

    /// Since when no fault hits the process, or a service that consumers need; `None` if one does now.
    pub(crate) fn clear_since(&self, process: &Process) -> Option<Duration> {
        let hits = |fault: &&Fault| match &fault.target {
            Target::Process(target) => self.is_or_lives_in(process, target),
            Target::Service(Service::Kinesis | Service::DynamoDb) => true,
            Target::Service(Service::CloudWatch) => false,
        };
        let mut hitting = self.faults.values().filter(hits);
        hitting.try_fold(Duration::ZERO, |clear, fault| Some(clear.max(fault.ended?)))
    }

    /// Whether a write of the process was applied at that time without its knowing.
    pub(crate) fn was_unacknowledged(&self, caller: &Process, service: Service, applied: Duration) -> bool {
        self.was_unacknowledged_between(caller, service, applied..=applied)
    }

    /// The same, at some time between these two.
    pub(crate) fn was_unacknowledged_between(
        &self,
        caller: &Process,
        service: Service,
        applied: RangeInclusive<Duration>,
    ) -> bool {
        let (from, until) = (applied.start().as_millis(), applied.end().as_millis());
        let names = std::iter::once(caller).chain(self.host(caller));
        names.into_iter().any(|name| {
            let calls = (name.clone(), service, from)..=(name.clone(), service, until);
            self.unacknowledged.range(calls).next().is_some()
        })
    }
}

/// Whether the operation can renew a lease, or store a record. A lease is created by `PutItem`, but not kept by it.
fn is_write(service: Service, operation: &str) -> bool {
    match service {
        Service::DynamoDb => operation == "UpdateItem",
        Service::Kinesis => operation == "PutRecords",
        Service::CloudWatch => false,
    }
}
