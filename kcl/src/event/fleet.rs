//! What happens in the fleet of a worker, as this worker sees it.

use std::fmt;
use std::time::Duration;

use super::{Kind, Severity};
use crate::lease::model::{LeaseKey, WorkerId};

const VERSION_ROW_MADE_AGAIN: &str = "the row that says which rule the fleet follows was gone from the lease table, and was \
                                      made again: find out who deletes rows";

const ENDED_LEASE_DELETED: &str = "was deleted: its shard was read to the end, and its children are read";

/// Something that has happened in the fleet, as this worker sees it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FleetEvent {
    /// The worker follows the rule of KCL 2.x.
    FollowsKcl2 {
        /// Why, and how the fleet moves up.
        why: String,
    },
    /// This worker leads the fleet: it levels the leases.
    Elected,
    /// Another process has taken the leader's lock from this worker, or deleted it.
    Deposed {
        /// The worker that has it now; `None` if nobody has it, or this is not known.
        by: Option<WorkerId>,
    },
    /// Another process holds the leader's lock under the id of this worker.
    IdInUse,
    /// The row of the leader's lock cannot be read. It is taken once it has stood still for long enough.
    LockUnreadable {
        /// What is wrong with the row.
        problem: String,
    },
    /// The leader's lock, or the metrics row of this worker, could not be written. That is tried again.
    RowNotWritten {
        /// What was to be written.
        row: &'static str,
        /// Why, with all causes.
        error: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The index of owners cannot be asked. The worker finds its leases by scans, which are slower and cost more. Told once until the
    /// index can be used.
    IndexUnusable {
        /// The lease table.
        table: String,
        /// Why.
        problem: String,
    },
    /// A worker has joined the fleet.
    Joined {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker has left the fleet in an orderly way.
    Retired {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker gave no sign of life for a minute.
    Left {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker did not renew leases in time: it is dead, or cut off from the table.
    LeasesExpired {
        /// The worker.
        worker: WorkerId,
        /// The leases that were seen to expire.
        leases: usize,
    },
    /// The clock of a worker differs from the service's by more than five seconds. Leases are timed without it; a Java leader may
    /// take the worker for dead. Told once until the clock is right again.
    ClockWrong {
        /// The worker.
        worker: WorkerId,
        /// How far its clock is ahead; zero if it is behind.
        ahead: Duration,
        /// How far its clock is behind; zero if it is ahead.
        behind: Duration,
    },
    /// A worker renews its leases too seldom for the failover time of this worker: its failover time is longer, or it cannot
    /// renew in time. Told once.
    RenewsSlowly {
        /// The worker.
        worker: WorkerId,
        /// The mean time between two of its renewals.
        every: Duration,
        /// The failover time of this worker.
        failover: Duration,
    },
    /// This worker has given a lease that nobody reads to a worker, itself or another.
    Assigned {
        /// The lease.
        lease: LeaseKey,
        /// The owner before, dead or alive.
        from: Option<WorkerId>,
        /// The owner now.
        to: WorkerId,
        /// Why.
        reason: String,
    },
    /// This worker, as the leader, has asked the owner of a lease to hand it over.
    HandOffOffered {
        /// The lease.
        lease: LeaseKey,
        /// The owner.
        from: Option<WorkerId>,
        /// The next owner.
        to: WorkerId,
        /// Why.
        reason: String,
    },
    /// This worker, as the leader, has deleted the lease of a shard that was read to its end and whose children are read.
    EndedLeaseDeleted {
        /// The lease.
        lease: LeaseKey,
    },
    /// The row that says which rule the fleet follows was gone, and this worker has made it again. Somebody deletes rows of the
    /// lease table.
    VersionRowMadeAgain,
    /// The workers together may not have all leases: some shards are not read.
    TooSmall {
        /// The leases to read.
        leases: usize,
        /// The most leases that the workers may have together.
        room: usize,
        /// The workers that can be given leases.
        workers: usize,
        /// Others that were not told since the last one.
        repeated: u64,
    },
}

impl FleetEvent {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Assigned { .. } | Self::EndedLeaseDeleted { .. } => Severity::Debug,
            Self::FollowsKcl2 { .. }
            | Self::Elected
            | Self::Joined { .. }
            | Self::Retired { .. }
            | Self::HandOffOffered { .. } => Severity::Info,
            Self::Deposed { .. }
            | Self::LockUnreadable { .. }
            | Self::RowNotWritten { .. }
            | Self::VersionRowMadeAgain
            | Self::IndexUnusable { .. }
            | Self::Left { .. }
            | Self::LeasesExpired { .. }
            | Self::ClockWrong { .. }
            | Self::RenewsSlowly { .. } => Severity::Warn,
            Self::IdInUse | Self::TooSmall { .. } => Severity::Error,
        }
    }

    pub(super) fn repeats(&mut self) -> Option<(Kind, &mut u64)> {
        match self {
            Self::RowNotWritten { row, repeated, .. } => Some((("fleet row not written", (*row).to_owned()), repeated)),
            Self::TooSmall { repeated, .. } => Some((("fleet too small", String::new()), repeated)),
            Self::FollowsKcl2 { .. }
            | Self::Elected
            | Self::Deposed { .. }
            | Self::IdInUse
            | Self::LockUnreadable { .. }
            | Self::IndexUnusable { .. }
            | Self::Joined { .. }
            | Self::Retired { .. }
            | Self::Left { .. }
            | Self::LeasesExpired { .. }
            | Self::ClockWrong { .. }
            | Self::RenewsSlowly { .. }
            | Self::Assigned { .. }
            | Self::HandOffOffered { .. }
            | Self::EndedLeaseDeleted { .. }
            | Self::VersionRowMadeAgain => None,
        }
    }

    /// The line says all: the fields name this worker alone.
    pub(super) fn log(&self, worker: &WorkerId) {
        let worker = worker.as_str();
        match self.severity() {
            Severity::Debug => tracing::debug!({ worker }, "{self}"),
            Severity::Info => tracing::info!({ worker }, "{self}"),
            Severity::Warn => tracing::warn!({ worker }, "{self}"),
            Severity::Error => tracing::error!({ worker }, "{self}"),
        }
    }
}

impl fmt::Display for FleetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FollowsKcl2 { why } => write!(f, "the worker follows the rule of KCL 2.x: {why}"),
            Self::Elected => f.write_str("this worker leads the fleet"),
            Self::Deposed { by: Some(by) } => write!(f, "worker {by} leads the fleet, and this worker no longer"),
            Self::Deposed { by: None } => f.write_str("this worker no longer leads the fleet"),
            Self::IdInUse => f.write_str("another process holds the leader's lock under the id of this worker"),
            Self::LockUnreadable { problem } => write!(f, "the leader's lock cannot be read: {problem}"),
            Self::RowNotWritten { row, error, .. } => write!(f, "{row} could not be written: {error}"),
            Self::VersionRowMadeAgain => f.write_str(VERSION_ROW_MADE_AGAIN),
            Self::IndexUnusable { table, problem } => write!(
                f,
                "the index of owners of lease table {table} cannot be asked, so leases are found by scans: {problem}"
            ),
            Self::Joined { worker } => write!(f, "worker {worker} has joined the fleet"),
            Self::Retired { worker } => write!(f, "worker {worker} has left the fleet"),
            Self::Left { worker } => write!(f, "worker {worker} gave no sign of life for a minute"),
            Self::LeasesExpired { worker, leases } => {
                write!(f, "worker {worker} did not renew {leases} leases in time")
            }
            Self::ClockWrong { worker, ahead, behind } => clock_wrong(f, worker, *ahead, *behind),
            Self::RenewsSlowly {
                worker,
                every,
                failover,
            } => write!(
                f,
                "worker {worker} renews its leases each {every:?}, too seldom for the failover time of this worker, {failover:?}: \
                 all workers of a fleet need one failover time"
            ),
            Self::Assigned {
                lease,
                from,
                to,
                reason,
            } => write!(f, "lease {lease} goes {}: {reason}", Way(from.as_ref(), to)),
            Self::HandOffOffered {
                lease,
                from,
                to,
                reason,
            } => write!(
                f,
                "lease {lease} is to be handed over {}: {reason}",
                Way(from.as_ref(), to)
            ),
            Self::EndedLeaseDeleted { lease } => write!(f, "lease {lease} {ENDED_LEASE_DELETED}"),
            Self::TooSmall {
                leases, room, workers, ..
            } => write!(
                f,
                "some shards are not read: there are {leases} leases to read, and {workers} workers may have {room} together; add \
                 workers or raise max_leases"
            ),
        }
    }
}

fn clock_wrong(f: &mut fmt::Formatter<'_>, worker: &WorkerId, ahead: Duration, behind: Duration) -> fmt::Result {
    let (by, way) = match ahead > behind {
        true => (ahead, "ahead of"),
        false => (behind, "behind"),
    };
    write!(f, "the clock of worker {worker} is {by:?} {way} the lease table's")
}

/// From one owner, if there was one, to the next.
struct Way<'a>(Option<&'a WorkerId>, &'a WorkerId);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.0 {
            write!(f, "from worker {from} ")?;
        }
        write!(f, "to worker {}", self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::position::Position;
    use crate::event::Event;
    use crate::event::logged::line;
    use crate::lease::model::Lease;

    #[test]
    fn each_event_of_a_fleet_is_a_line_with_its_level_and_its_workers() {
        let (a, b) = (WorkerId::new("a"), WorkerId::new("b"));
        let lease = Lease::of_orders("shardId-1", Position::Latest).key;
        for (event, expected) in [
            (FleetEvent::Elected, r#"INFO "this worker leads the fleet" worker="w1""#),
            (
                FleetEvent::Assigned {
                    lease: lease.clone(),
                    from: Some(a.clone()),
                    to: b.clone(),
                    reason: "why".into(),
                },
                r#"DEBUG "lease shardId-1 goes from worker a to worker b: why" worker="w1""#,
            ),
            (
                FleetEvent::HandOffOffered {
                    lease,
                    from: None,
                    to: b.clone(),
                    reason: "why".into(),
                },
                r#"INFO "lease shardId-1 is to be handed over to worker b: why" worker="w1""#,
            ),
            (
                FleetEvent::ClockWrong {
                    worker: a.clone(),
                    ahead: Duration::ZERO,
                    behind: Duration::from_secs(7),
                },
                r#"WARN "the clock of worker a is 7s behind the lease table's" worker="w1""#,
            ),
            (
                FleetEvent::LeasesExpired { worker: a, leases: 2 },
                r#"WARN "worker a did not renew 2 leases in time" worker="w1""#,
            ),
            (
                FleetEvent::Deposed { by: Some(b) },
                r#"WARN "worker b leads the fleet, and this worker no longer" worker="w1""#,
            ),
            (
                FleetEvent::IndexUnusable {
                    table: "billing".into(),
                    problem: "no".into(),
                },
                r#"WARN "the index of owners of lease table billing cannot be asked, so leases are found by scans: no" worker="w1""#,
            ),
            (FleetEvent::IdInUse, r#"ERROR "another process holds the leader's lock"#),
        ] {
            let line = line(&Event::from(event));
            assert!(line.starts_with(expected), "{line}\nnot\n{expected}");
        }
    }
}
