//! What happens to leases and to the lease table.

use super::{Hold, Kind, Severity};
use crate::error::TableError;
use crate::lease::lost::LeaseLost;
use crate::lease::model::{LeaseKey, WorkerId};
use crate::lease::ownership::End;
use crate::stream::ShardId;

/// Why leases of which nothing says the stream are not taken, and what to do.
const UNMARKED: &str = "the stream was created again after this worker began, and the rows of these leases do not say of which \
                        of the two streams they are; restart this worker to read the present stream";

/// Why the time of the lease table's service is unknown.
const NO_DATE: &str = "replies of the lease table carry no Date header";

/// Something that has happened to a lease or to the lease table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LeaseEvent {
    /// A lease was created for a shard.
    Created {
        /// The lease.
        lease: LeaseKey,
        /// Why.
        reason: String,
    },
    /// This worker took a lease.
    Taken {
        /// The lease.
        lease: LeaseKey,
        /// Why.
        reason: String,
    },
    /// This worker lost a lease.
    Lost {
        /// The lease.
        lease: LeaseKey,
        /// Why.
        reason: LeaseLost,
    },
    /// This worker gave a lease up.
    Released {
        /// The lease.
        lease: LeaseKey,
        /// The worker that it was handed over to; `None` if any worker may take it.
        to: Option<WorkerId>,
    },
    /// A lease row could not be written; the write is tried again while the lease lasts.
    WriteFailed {
        /// The lease table.
        table: String,
        /// The lease.
        lease: LeaseKey,
        /// Why.
        error: TableError,
        /// Others that were not told since the last one, of any lease.
        repeated: u64,
    },
    /// A row of the lease table should hold a lease and cannot be read: its shard has no reader.
    RowUnreadable {
        /// The lease table.
        table: String,
        /// The key of the row; empty if it has none.
        lease: LeaseKey,
        /// The stream in the row, in a table for several streams.
        stream: Option<String>,
        /// The shard in the row, if it tells.
        shard: Option<ShardId>,
        /// What is wrong with the row.
        problem: String,
        /// Others that were not told since the last one, of this row.
        repeated: u64,
    },
    /// A row by which the fleet coordinates itself cannot be read. It counts as absent; the leases are read all the same.
    FleetRowUnreadable {
        /// The lease table.
        table: String,
        /// The key of the row; empty if it has none.
        row: String,
        /// What is wrong with the row.
        problem: String,
        /// Others that were not told since the last one, of this row.
        repeated: u64,
    },
    /// The lease table could not be read.
    TableUnavailable {
        /// The lease table.
        table: String,
        /// Why.
        error: TableError,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// Rows belong to another stream, or to an earlier one of the same name: they are not read. Somebody has to delete them.
    OfAnotherStream {
        /// The lease table.
        table: String,
        /// The number of these rows.
        leases: usize,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// Rows are of a former stream of the same name: they are replaced or deleted, because the application has chosen so.
    OfFormerStream {
        /// The lease table.
        table: String,
        /// The number of these rows.
        leases: usize,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The lease of a former stream was made one of the present stream.
    Replaced {
        /// The lease.
        lease: LeaseKey,
    },
    /// The lease of a former stream was deleted.
    Discarded {
        /// The lease.
        lease: LeaseKey,
    },
    /// The stream was created again after this worker began, and rows do not say of which stream they are: they are not taken.
    /// Somebody has to restart the worker.
    Unmarked {
        /// The lease table.
        table: String,
        /// The number of these rows.
        leases: usize,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// An open shard is not read: no lease leads to it, or its lease says that it has ended. Two looks, five seconds apart, have
    /// found that. Where no lease leads to a shard, one is created.
    NotCovered {
        /// The shard.
        shard: ShardId,
        /// Why, and what to do.
        problem: String,
        /// Others that were not told since the last one, of this shard.
        repeated: u64,
    },
    /// The lease table was deleted, and this worker or another one has made it again. Leases that no worker holds begin at the
    /// configured start.
    TableMadeAgain {
        /// The lease table.
        table: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The row of a lease was deleted while this worker held the lease. The worker has made the row again, where it stood.
    MadeAgain {
        /// The lease table.
        table: String,
        /// The lease.
        lease: LeaseKey,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The replies of the lease table carry no date, so fencing tokens of new rows begin with this host's clock.
    ServiceTimeUnknown {
        /// The lease table.
        table: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
}

impl LeaseEvent {
    /// That this worker no longer holds a lease.
    pub(crate) fn end_of(lease: LeaseKey, end: End) -> Self {
        match end {
            End::Released => Self::Released { lease, to: None },
            End::HandedOver { to } => Self::Released { lease, to },
            End::Lapsed | End::Taken { .. } | End::Gone | End::StreamCreatedAgain | End::WorkerIdInUse => Self::Lost {
                lease,
                reason: end.into(),
            },
        }
    }

    /// That a lease row could not be written.
    pub(crate) fn write_failed(table: &str, lease: &LeaseKey, error: TableError) -> Self {
        Self::WriteFailed {
            table: table.to_owned(),
            lease: lease.clone(),
            error,
            repeated: 0,
        }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Created { .. } => Severity::Debug,
            Self::Lost {
                reason: LeaseLost::WorkerIdInUse,
                ..
            }
            | Self::OfAnotherStream { .. }
            | Self::NotCovered { .. }
            | Self::TableMadeAgain { .. }
            | Self::Unmarked { .. } => Severity::Error,
            Self::Taken { .. }
            | Self::Lost { .. }
            | Self::Released { .. }
            | Self::Replaced { .. }
            | Self::Discarded { .. } => Severity::Info,
            Self::OfFormerStream { .. }
            | Self::MadeAgain { .. }
            | Self::WriteFailed { .. }
            | Self::RowUnreadable { .. }
            | Self::FleetRowUnreadable { .. }
            | Self::TableUnavailable { .. }
            | Self::ServiceTimeUnknown { .. } => Severity::Warn,
        }
    }

    pub(super) fn repeats(&mut self) -> Option<(Kind, &mut u64)> {
        let (kind, subject, repeated) = match self {
            // What fails for one lease mostly fails for the others.
            Self::WriteFailed { table, repeated, .. } => ("write failed", table.clone(), repeated),
            Self::MadeAgain { table, repeated, .. } => ("made again", table.clone(), repeated),
            Self::RowUnreadable { lease, repeated, .. } => ("row unreadable", lease.to_string(), repeated),
            Self::FleetRowUnreadable { row, repeated, .. } => ("fleet row unreadable", row.clone(), repeated),
            Self::TableUnavailable { table, repeated, .. } => ("table unavailable", table.clone(), repeated),
            Self::OfAnotherStream { table, repeated, .. } => ("of another stream", table.clone(), repeated),
            Self::OfFormerStream { table, repeated, .. } => ("of a former stream", table.clone(), repeated),
            Self::Unmarked { table, repeated, .. } => ("unmarked", table.clone(), repeated),
            Self::TableMadeAgain { table, repeated } => ("table made again", table.clone(), repeated),
            Self::NotCovered { shard, repeated, .. } => ("not covered", shard.to_string(), repeated),
            Self::ServiceTimeUnknown { table, repeated } => ("service time unknown", table.clone(), repeated),
            Self::Created { .. }
            | Self::Taken { .. }
            | Self::Lost { .. }
            | Self::Released { .. }
            | Self::Replaced { .. }
            | Self::Discarded { .. } => return None,
        };
        Some(((kind, subject), repeated))
    }

    pub(super) fn log(&self, worker: &WorkerId) {
        let worker = worker.as_str();
        match self {
            Self::Created { lease, reason } => created(worker, lease.as_str(), reason),
            Self::Taken { lease, reason } => tracing::info!({ worker, lease = lease.as_str(), reason }, "lease taken"),
            Self::Lost { lease, reason } => lost(worker, lease.as_str(), reason),
            Self::Released { lease, to } => released(worker, lease.as_str(), to.as_ref()),
            Self::WriteFailed {
                table,
                lease,
                error,
                repeated,
            } => tracing::warn!(
                { worker, table, lease = lease.as_str(), error = error.to_string(), repeated },
                "lease write failed"
            ),
            Self::RowUnreadable {
                table,
                lease,
                stream,
                shard,
                problem: error,
                repeated,
            } => tracing::warn!(
                { worker, table, lease = lease.as_str(), stream, shard = shard.as_ref().map(ShardId::as_str), error, repeated },
                "lease row unreadable: nobody reads its shard"
            ),
            Self::FleetRowUnreadable {
                table,
                row,
                problem: error,
                repeated,
            } => tracing::warn!({ worker, table, row, error, repeated }, "row of the fleet unreadable"),
            Self::TableUnavailable { table, error, repeated } => unavailable(worker, table, error, *repeated),
            Self::OfAnotherStream {
                table,
                leases,
                repeated,
            } => of_another_stream(worker, table, *leases, *repeated),
            Self::OfFormerStream {
                table,
                leases,
                repeated,
            } => tracing::warn!({ worker, table, leases, repeated }, "leases of a former stream are replaced"),
            Self::Replaced { lease } => replaced(worker, lease.as_str()),
            Self::Discarded { lease } => discarded(worker, lease.as_str()),
            Self::MadeAgain { table, lease, repeated } => made_row_again(worker, (table, lease.as_str()), *repeated),
            Self::Unmarked {
                table,
                leases,
                repeated,
            } => tracing::error!({ worker, table, leases, reason = UNMARKED, repeated }, "leases not taken"),
            Self::NotCovered {
                shard,
                problem: reason,
                repeated,
            } => not_covered(worker, shard.as_str(), reason, *repeated),
            Self::TableMadeAgain { table, repeated } => made_again(worker, table, *repeated),
            Self::ServiceTimeUnknown { table, repeated } => time_unknown(worker, table, *repeated),
        }
    }
}

fn of_another_stream(worker: &str, table: &str, leases: usize, repeated: u64) {
    let reason = Hold::StreamCreatedAgain.to_string();
    tracing::error!({ worker, table, leases, reason, repeated }, "stream created again, or the table is another stream's");
}

fn not_covered(worker: &str, shard: &str, reason: &str, repeated: u64) {
    tracing::error!({ worker, shard, reason, repeated }, "open shard has no reader");
}

fn made_row_again(worker: &str, (table, lease): (&str, &str), repeated: u64) {
    tracing::warn!({ worker, table, lease, repeated }, "lease row was gone and was made again");
}

fn made_again(worker: &str, table: &str, repeated: u64) {
    let hint = "find out who deleted it; leases that no worker holds begin at the configured start";
    tracing::error!({ worker, table, hint, repeated }, "lease table was gone and was made again");
}

fn replaced(worker: &str, lease: &str) {
    tracing::info!({ worker, lease }, "lease of a former stream replaced");
}

fn discarded(worker: &str, lease: &str) {
    tracing::info!({ worker, lease }, "lease of a former stream deleted");
}

fn created(worker: &str, lease: &str, reason: &str) {
    tracing::debug!({ worker, lease, reason }, "lease created");
}

fn unavailable(worker: &str, table: &str, error: &TableError, repeated: u64) {
    tracing::warn!({ worker, table, error = error.to_string(), repeated }, "lease table unavailable");
}

fn time_unknown(worker: &str, table: &str, repeated: u64) {
    tracing::warn!(
        { worker, table, reason = NO_DATE, repeated },
        "fencing tokens of new rows begin with this host's clock"
    );
}

fn lost(worker: &str, lease: &str, reason: &LeaseLost) {
    if *reason == LeaseLost::WorkerIdInUse {
        tracing::error!({ worker, lease, reason = reason.to_string() }, "lease lost");
    } else {
        tracing::info!({ worker, lease, reason = reason.to_string() }, "lease lost");
    }
}

fn released(worker: &str, lease: &str, to: Option<&WorkerId>) {
    match to.map(WorkerId::as_str) {
        None => tracing::info!({ worker, lease }, "lease released"),
        Some(to) => tracing::info!({ worker, lease, to }, "lease handed over"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CallErrorKind;
    use crate::event::Event;
    use crate::event::logged::{lease, line};

    fn owned() -> Vec<(LeaseEvent, &'static str)> {
        let reason = || "it has no owner".to_owned();
        let to = Some(WorkerId::new("w2"));
        let lost = |reason| LeaseEvent::Lost { lease: lease(), reason };
        vec![
            (
                LeaseEvent::Created {
                    lease: lease(),
                    reason: reason(),
                },
                r#"DEBUG "lease created" worker="w1" lease="shardId-7" reason="it has no owner""#,
            ),
            (
                LeaseEvent::Taken {
                    lease: lease(),
                    reason: reason(),
                },
                r#"INFO "lease taken" worker="w1" lease="shardId-7" reason="it has no owner""#,
            ),
            (
                lost(LeaseLost::Expired),
                r#"INFO "lease lost" worker="w1" lease="shardId-7" reason="the lease was not renewed within the failover time""#,
            ),
            (
                lost(LeaseLost::WorkerIdInUse),
                r#"ERROR "lease lost" worker="w1" lease="shardId-7" reason="another process"#,
            ),
            (
                LeaseEvent::Released {
                    lease: lease(),
                    to: None,
                },
                r#"INFO "lease released" worker="w1" lease="shardId-7""#,
            ),
            (
                LeaseEvent::Released { lease: lease(), to },
                r#"INFO "lease handed over" worker="w1" lease="shardId-7" to="w2""#,
            ),
        ]
    }

    fn stored() -> Vec<(LeaseEvent, &'static str)> {
        let table = || "billing".to_owned();
        let error = || TableError {
            operation: "UpdateItem",
            kind: CallErrorKind::NotFound,
        };
        vec![
            (
                LeaseEvent::NotCovered {
                    shard: ShardId::new("shardId-7"),
                    problem: "no lease".to_owned(),
                    repeated: 1,
                },
                r#"ERROR "open shard has no reader" worker="w1" shard="shardId-7" reason="no lease" repeated=1"#,
            ),
            (
                LeaseEvent::TableMadeAgain {
                    table: table(),
                    repeated: 0,
                },
                r#"ERROR "lease table was gone and was made again" worker="w1" table="billing" hint"#,
            ),
            (
                LeaseEvent::WriteFailed {
                    table: table(),
                    lease: lease(),
                    error: error(),
                    repeated: 3,
                },
                r#"WARN "lease write failed" worker="w1" table="billing" lease="shardId-7" error="UpdateItem failed: it does not exist (ResourceNotFoundException)" repeated=3"#,
            ),
            (
                LeaseEvent::RowUnreadable {
                    table: table(),
                    lease: lease(),
                    stream: None,
                    shard: Some(ShardId::new("shardId-7")),
                    problem: "no counter".into(),
                    repeated: 0,
                },
                r#"WARN "lease row unreadable: nobody reads its shard" worker="w1" table="billing" lease="shardId-7" shard="shardId-7" error="no counter" repeated=0"#,
            ),
            (
                LeaseEvent::FleetRowUnreadable {
                    table: table(),
                    row: "w2".into(),
                    problem: "no time".into(),
                    repeated: 0,
                },
                r#"WARN "row of the fleet unreadable" worker="w1" table="billing" row="w2" error="no time" repeated=0"#,
            ),
            (
                LeaseEvent::TableUnavailable {
                    table: table(),
                    error: error(),
                    repeated: 1,
                },
                r#"WARN "lease table unavailable" worker="w1" table="billing" error="UpdateItem failed"#,
            ),
        ]
    }

    fn of_streams() -> Vec<(LeaseEvent, &'static str)> {
        let table = || "billing".to_owned();
        vec![
            (
                LeaseEvent::OfAnotherStream {
                    table: table(),
                    leases: 4,
                    repeated: 0,
                },
                r#"ERROR "stream created again, or the table is another stream's" worker="w1" table="billing" leases=4 reason="the stream was deleted"#,
            ),
            (
                LeaseEvent::OfFormerStream {
                    table: table(),
                    leases: 4,
                    repeated: 1,
                },
                r#"WARN "leases of a former stream are replaced" worker="w1" table="billing" leases=4 repeated=1"#,
            ),
            (
                LeaseEvent::Replaced { lease: lease() },
                r#"INFO "lease of a former stream replaced" worker="w1" lease="shardId-7""#,
            ),
            (
                LeaseEvent::Discarded { lease: lease() },
                r#"INFO "lease of a former stream deleted" worker="w1" lease="shardId-7""#,
            ),
            (
                LeaseEvent::MadeAgain {
                    table: table(),
                    lease: lease(),
                    repeated: 3,
                },
                r#"WARN "lease row was gone and was made again" worker="w1" table="billing" lease="shardId-7" repeated=3"#,
            ),
            (
                LeaseEvent::Unmarked {
                    table: table(),
                    leases: 4,
                    repeated: 1,
                },
                r#"ERROR "leases not taken" worker="w1" table="billing" leases=4 reason="the stream was created again after this worker began"#,
            ),
            (
                LeaseEvent::ServiceTimeUnknown {
                    table: table(),
                    repeated: 2,
                },
                r#"WARN "fencing tokens of new rows begin with this host's clock" worker="w1" table="billing" reason="replies of the lease table carry no Date header" repeated=2"#,
            ),
        ]
    }

    #[test]
    fn each_event_of_a_lease_has_its_level_and_its_fields_in_one_line() {
        for (event, fields) in [owned(), stored(), of_streams()].concat() {
            let line = line(&Event::from(event));
            assert!(line.starts_with(fields), "{line}\nnot\n{fields}");
        }
    }
}
