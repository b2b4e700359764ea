//! What an observer tells: events, the worker's health, metrics, and decisions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Observer;
use crate::coordination::decisions::{self, DecisionKind};
use crate::coordination::members::{MemberNews, Skew};
use crate::coordination::planner::Decision;
use crate::coordination::turns::TurnNews;
use crate::error::TableError;
use crate::event::{FleetEvent, LeaseEvent};
use crate::lease::model::{LeaseKey, WorkerId};
use crate::lease::scan::tell_of_damage;
use crate::lease::write::WriteOutcome;
use crate::metrics::Series;

impl Observer {
    /// Tells what a reply has shown, and passes on the leases that this worker has given to itself.
    pub(super) fn take_up(&mut self, news: Vec<TurnNews>) {
        let mut expired: BTreeMap<WorkerId, usize> = BTreeMap::new();
        for news in news {
            match news {
                TurnNews::Member(news) => {
                    let event = self.event_of(news);
                    self.parts.context.observers.tell(event);
                }
                TurnNews::Expired { owner, .. } => *expired.entry(owner).or_default() += 1,
                TurnNews::Mine(key) => self.pass_on(&key),
            }
        }
        let sum: usize = expired.values().sum();
        self.parts.context.observers.add(Series::ExpiredLeases, sum as f64);
        for (worker, leases) in expired {
            let event = FleetEvent::LeasesExpired { worker, leases };
            self.parts.context.observers.tell(event);
        }
    }

    /// A lease that finds no room in the queue is found by the next look of the discovery.
    fn pass_on(&self, key: &LeaseKey) {
        if let Some(watched) = self.turns.watch().get(key) {
            drop(self.parts.assigned.try_send(watched.lease.clone()));
        }
    }

    fn event_of(&self, news: MemberNews) -> FleetEvent {
        match news {
            MemberNews::Joined(worker) => FleetEvent::Joined { worker },
            MemberNews::Left(worker) => FleetEvent::Left { worker },
            MemberNews::Retired(worker) => FleetEvent::Retired { worker },
            MemberNews::ClockSkew { worker, by } => {
                let (ahead, behind) = match by {
                    Skew::Ahead(by) => (by, Duration::ZERO),
                    Skew::Behind(by) => (Duration::ZERO, by),
                };
                FleetEvent::ClockWrong { worker, ahead, behind }
            }
            MemberNews::SlowRenewals { worker, every } => FleetEvent::RenewsSlowly {
                worker,
                every,
                failover: self.parts.policy.failover,
            },
        }
    }

    /// Notes a decision that the table has taken.
    pub(super) fn decided(&self, decision: &Decision, kind: DecisionKind, outcome: &WriteOutcome) {
        let (table, lease) = (self.parts.context.table.name(), &decision.lease);
        match outcome {
            WriteOutcome::Applied(_) => {}
            WriteOutcome::Refused(_) => return,
            WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error) => {
                let event = LeaseEvent::write_failed(table, lease, error.clone());
                return self.parts.context.observers.tell(event);
            }
        }
        let (from, to) = (decision.from.clone(), decision.to.clone());
        let (lease, reason) = (lease.clone(), decision.reason.to_string());
        self.parts.decisions.add(decisions::Decision {
            lease: lease.clone(),
            from: from.clone(),
            to: to.clone(),
            kind,
            reason: reason.clone(),
            at: self.wall(),
        });
        self.parts.context.observers.tell(match kind {
            DecisionKind::Assigned => FleetEvent::Assigned {
                lease,
                from,
                to,
                reason,
            },
            DecisionKind::HandOffOffered => FleetEvent::HandOffOffered {
                lease,
                from,
                to,
                reason,
            },
        });
    }

    /// Tells that the table cannot be read.
    pub(super) fn tell_of_failure(&self, error: TableError) {
        let context = &self.parts.context;
        context.health.scans.met(error.clone(), context.clock.now());
        context.observers.tell(LeaseEvent::TableUnavailable {
            table: context.table.name().to_owned(),
            error,
            repeated: 0,
        });
    }

    /// Tells how a whole scan has found the table.
    pub(super) fn tell_of_scan(&self) {
        let context = &self.parts.context;
        let (observers, table) = (&context.observers, context.table.name());
        context.health.scans.over();
        context.health.rows_unreadable(self.holes.iter().cloned());
        context.other_streams.tell(&self.left_out, table, observers);
        if let Some(scan) = self.turns.last_scan() {
            tell_of_damage(&scan.rows, table, observers);
        }
        observers.add(Series::TotalLeases, self.turns.watch().len() as f64);
        observers.add(Series::NumWorkers, self.turns.members().count_alive() as f64);
        self.parts.gauges.sample(observers);
    }
}
