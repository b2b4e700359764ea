//! What happens to one shard.

use std::collections::BTreeSet;
use std::time::Duration;

use aggregation::RecordDamage;
use service::chain;

use super::{Hold, Severity};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::Position;
use crate::error::{CallErrorKind, StreamError};
use crate::lease::model::LeaseKey;
use crate::retrieval::loss::PossibleLoss;
use crate::stream::{ShardId, ShardRef};

/// Something that has happened to a shard whose lease the worker holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ShardEvent {
    /// It began to wait for parents that were not read to their ends yet.
    WaitsForParents {
        /// These parents.
        parents: BTreeSet<ShardId>,
    },
    /// It still waits for parents. Told each five minutes.
    StillWaitsForParents {
        /// These parents.
        parents: BTreeSet<ShardId>,
        /// For how long.
        waited: Duration,
    },
    /// It waits for a parent whose lease row cannot be read.
    ParentUnreadable {
        /// The parent.
        parent: ShardId,
        /// What is wrong with the row.
        problem: String,
    },
    /// Its processor is ready, and reading begins: at first, and again after a halt, a pause or a fault.
    ReadingBegins {
        /// Everything up to here is processed.
        from: Position,
    },
    /// The application has paused its reading by `WorkerControl::pause`. Told at once, or when the lease comes during a pause.
    Paused,
    /// The application has ended the pause of its reading by `WorkerControl::resume`.
    Resumed,
    /// It could not be read, and the read is tried again.
    ReadFailed {
        /// Why. A throttled read is [`CallErrorKind::Throttled`].
        error: StreamError,
        /// Others that were not told since the last one, throttled ones or the rest.
        repeated: u64,
    },
    /// It is neither read nor ended. Told at once, and again each five minutes.
    OnHold {
        /// Why, and what to do.
        reason: Hold,
        /// The lease row.
        row: LeaseKey,
        /// The position from which it would be read.
        position: String,
    },
    /// The checkpoint that the service refuses was changed in its row: the shard begins anew there.
    CheckpointCorrected {
        /// The checkpoint that was found.
        checkpoint: Position,
    },
    /// The application has moved its checkpoint, by a seek: the shard begins anew there.
    Moved {
        /// The last checkpoint before.
        from: Position,
        /// The checkpoint now.
        to: Position,
    },
    /// The service may have trimmed records of it before they were read.
    PossibleLoss {
        /// Between which records.
        loss: PossibleLoss,
    },
    /// Data that start like an aggregate cannot be read as one. They were delivered as a plain record.
    DamagedAggregate {
        /// The Kinesis record.
        sequence_number: String,
        /// What is wrong.
        reason: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// A record of an aggregate was damaged: the first one, if there are several in its aggregate. It was delivered, marked.
    DamagedRecord {
        /// The record.
        position: String,
        /// What is wrong.
        damage: RecordDamage,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The task that reads it panicked, and is started again. A fault of this library.
    SourcePanicked,
    /// Its task panicked: its lease is given up. A fault of this library.
    Panicked,
    /// Its end could not be checkpointed yet.
    EndNotCheckpointed {
        /// Why.
        error: CheckpointError,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// It was read to its end, and its children get no leases before their other parents have one. Told at once, and again
    /// each five minutes.
    ChildrenWait {
        /// These other parents.
        parents: BTreeSet<ShardId>,
        /// For how long.
        waited: Duration,
    },
    /// It was read to its end, and the leases of its children could not be created yet.
    ChildrenNotLeased {
        /// Why, with all causes.
        error: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// It was read to its end, and the end is checkpointed.
    Ended {
        /// The shards that took over.
        children: BTreeSet<ShardId>,
    },
}

impl ShardEvent {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::WaitsForParents { .. } | Self::ReadingBegins { .. } => Severity::Debug,
            Self::DamagedRecord { damage, .. } if !loses_a_key(damage) => Severity::Debug,
            Self::ChildrenWait { waited, .. } if waited.is_zero() => Severity::Debug,
            Self::OnHold { reason, .. } if reason.needs_action() => Severity::Error,
            Self::PossibleLoss { .. } | Self::SourcePanicked | Self::Panicked => Severity::Error,
            Self::Ended { .. } | Self::Moved { .. } | Self::Paused | Self::Resumed => Severity::Info,
            Self::StillWaitsForParents { .. }
            | Self::ParentUnreadable { .. }
            | Self::ReadFailed { .. }
            | Self::OnHold { .. }
            | Self::CheckpointCorrected { .. }
            | Self::DamagedAggregate { .. }
            | Self::DamagedRecord { .. }
            | Self::ChildrenWait { .. }
            | Self::EndNotCheckpointed { .. }
            | Self::ChildrenNotLeased { .. } => Severity::Warn,
        }
    }

    pub(super) fn repeats(&mut self) -> Option<(&'static str, &mut u64)> {
        match self {
            Self::ReadFailed { error, repeated } => {
                let kind = if is_throttled(error) {
                    "read throttled"
                } else {
                    "read failed"
                };
                Some((kind, repeated))
            }
            Self::DamagedAggregate { repeated, .. } => Some(("damaged aggregate", repeated)),
            Self::DamagedRecord { damage, repeated, .. } => {
                let kind = if loses_a_key(damage) {
                    "lost key"
                } else {
                    "damaged record"
                };
                Some((kind, repeated))
            }
            Self::EndNotCheckpointed { repeated, .. } => Some(("end not checkpointed", repeated)),
            Self::ChildrenNotLeased { repeated, .. } => Some(("children not leased", repeated)),
            Self::WaitsForParents { .. }
            | Self::StillWaitsForParents { .. }
            | Self::ParentUnreadable { .. }
            | Self::ReadingBegins { .. }
            | Self::Paused
            | Self::Resumed
            | Self::OnHold { .. }
            | Self::CheckpointCorrected { .. }
            | Self::Moved { .. }
            | Self::PossibleLoss { .. }
            | Self::ChildrenWait { .. }
            | Self::SourcePanicked
            | Self::Panicked
            | Self::Ended { .. } => None,
        }
    }

    pub(super) fn log(&self, of: &ShardRef) {
        let (stream, shard) = (of.stream.as_str(), of.shard.as_str());
        match self {
            Self::WaitsForParents { parents } => {
                tracing::debug!({ stream, shard, parents = list(parents) }, "shard waits for its parents");
            }
            Self::StillWaitsForParents { parents, waited } => {
                let parents = list(parents);
                tracing::warn!({ stream, shard, parents, ?waited }, "shard still waits for its parents");
            }
            Self::ParentUnreadable { parent, problem: error } => {
                tracing::warn!(
                    { stream, shard, parent = parent.as_str(), error },
                    "shard waits for a parent whose lease is unreadable"
                );
            }
            Self::ReadingBegins { from } => {
                tracing::debug!({ stream, shard, from = from.to_string() }, "reading begins");
            }
            Self::Paused => tracing::info!({ stream, shard, by = "WorkerControl::pause" }, "shard paused"),
            Self::Resumed => tracing::info!({ stream, shard, by = "WorkerControl::resume" }, "shard resumed"),
            Self::ReadFailed { error, repeated } => read_failed(of, error, *repeated),
            Self::OnHold { reason, row, position } => on_hold(of, *reason, row, position),
            Self::CheckpointCorrected { checkpoint } => {
                tracing::warn!(
                    { stream, shard, checkpoint = checkpoint.to_string() },
                    "refused checkpoint was corrected"
                );
            }
            Self::Moved { from, to } => tracing::info!(
                { stream, shard, from = from.to_string(), to = to.to_string() },
                "checkpoint moved by a seek"
            ),
            Self::PossibleLoss { loss } => {
                tracing::error!({ stream, shard, loss = loss.to_string() }, "possible loss by retention")
            }
            Self::DamagedAggregate {
                sequence_number,
                reason,
                repeated,
            } => tracing::warn!({ stream, shard, sequence_number, reason, repeated }, "damaged aggregate"),
            Self::DamagedRecord {
                position,
                damage,
                repeated,
            } => damaged_record(of, position, damage, *repeated),
            Self::SourcePanicked => {
                tracing::error!({ stream, shard }, "the task that reads a shard panicked, and is started again");
            }
            Self::Panicked => {
                tracing::error!({ stream, shard }, "the task of a shard panicked: its lease is given up");
            }
            Self::EndNotCheckpointed { error, repeated } => {
                tracing::warn!({ stream, shard, error = chain(error), repeated }, "end of shard not checkpointed yet");
            }
            Self::ChildrenWait { parents, waited } => children_wait(of, parents, *waited),
            Self::ChildrenNotLeased { error, repeated } => {
                tracing::warn!({ stream, shard, error, repeated }, "children not leased yet");
            }
            Self::Ended { children } => tracing::info!({ stream, shard, children = list(children) }, "shard ended"),
        }
    }
}

fn read_failed(of: &ShardRef, error: &StreamError, repeated: u64) {
    let (stream, shard) = (of.stream.as_str(), of.shard.as_str());
    if is_throttled(error) {
        tracing::warn!({ stream, shard, error = error.to_string(), repeated }, "read throttled");
    } else {
        tracing::warn!({ stream, shard, error = error.to_string(), repeated }, "read failed");
    }
}

fn is_throttled(error: &StreamError) -> bool {
    matches!(error.kind, CallErrorKind::Throttled { .. })
}

/// A lost key is warned of. Other damage is the habit of a writer, perhaps in each of its records.
fn loses_a_key(damage: &RecordDamage) -> bool {
    matches!(damage, RecordDamage::PartitionKeyIndexOutOfRange { .. })
}

fn on_hold(of: &ShardRef, reason: Hold, row: &LeaseKey, position: &str) {
    let (stream, shard) = (of.stream.as_str(), of.shard.as_str());
    match reason {
        Hold::StreamCreatedAgain => {
            tracing::error!(
                { stream, shard, row = row.as_str(), position, reason = reason.to_string() },
                "stream was created again"
            );
        }
        Hold::PositionRefused => tracing::error!(
            { stream, shard, row = row.as_str(), position, reason = reason.to_string() },
            "checkpoint refused"
        ),
        Hold::PossibleLoss => tracing::error!(
            { stream, shard, row = row.as_str(), position, reason = reason.to_string() },
            "shard on hold"
        ),
        Hold::StreamMissing
        | Hold::StreamUnknown
        | Hold::ShardNotListed
        | Hold::ChildrenNotListed
        | Hold::BeginsAnew
        | Hold::StartsLater => {
            tracing::warn!(
                { stream, shard, row = row.as_str(), position, reason = reason.to_string() },
                "shard on hold"
            );
        }
    }
}

fn damaged_record(of: &ShardRef, position: &str, damage: &RecordDamage, repeated: u64) {
    let (stream, shard) = (of.stream.as_str(), of.shard.as_str());
    if loses_a_key(damage) {
        tracing::warn!({ stream, shard, position, damage = damage.to_string(), repeated }, "damaged record");
    } else {
        tracing::debug!({ stream, shard, position, damage = damage.to_string(), repeated }, "damaged record");
    }
}

/// The beginning of the wait is ordinary. It is warned of while it lasts.
fn children_wait(of: &ShardRef, parents: &BTreeSet<ShardId>, waited: Duration) {
    let (stream, shard, parents) = (of.stream.as_str(), of.shard.as_str(), list(parents));
    if waited.is_zero() {
        tracing::debug!({ stream, shard, parents }, "children wait for another parent to be leased");
    } else {
        tracing::warn!({ stream, shard, parents, ?waited }, "children wait for another parent to be leased");
    }
}

fn list(shards: &BTreeSet<ShardId>) -> String {
    let ids: Vec<&str> = shards.iter().map(ShardId::as_str).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::OfShard as _;
    use crate::event::logged::{lease, line};
    use crate::stream::StreamRef;

    fn possible_loss() -> PossibleLoss {
        PossibleLoss {
            after: "49".parse().ok(),
            complete_until: None,
            oldest: None,
            oldest_arrived: None,
        }
    }

    fn read_failed(kind: CallErrorKind, repeated: u64) -> ShardEvent {
        let operation = "GetRecords";
        ShardEvent::ReadFailed {
            error: StreamError { operation, kind },
            repeated,
        }
    }

    fn on_hold(reason: Hold) -> ShardEvent {
        ShardEvent::OnHold {
            reason,
            row: lease(),
            position: "49".to_owned(),
        }
    }

    fn damaged_record(damage: RecordDamage) -> ShardEvent {
        ShardEvent::DamagedRecord {
            position: "49:2".to_owned(),
            damage,
            repeated: 0,
        }
    }

    /// An event, with its level, its text, and its fields behind those of the shard.
    type Case = (ShardEvent, &'static str, &'static str);

    fn two() -> BTreeSet<ShardId> {
        ["shardId-0", "shardId-1"].map(ShardId::new).into()
    }

    fn waiting() -> Vec<Case> {
        let parents = two();
        vec![
            (
                ShardEvent::WaitsForParents {
                    parents: parents.clone(),
                },
                r#"DEBUG "shard waits for its parents""#,
                r#"parents="shardId-0, shardId-1""#,
            ),
            (
                ShardEvent::StillWaitsForParents {
                    parents,
                    waited: Duration::from_secs(300),
                },
                r#"WARN "shard still waits for its parents""#,
                r#"parents="shardId-0, shardId-1" waited=300s"#,
            ),
            (
                ShardEvent::ParentUnreadable {
                    parent: ShardId::new("shardId-0"),
                    problem: "no counter".into(),
                },
                r#"WARN "shard waits for a parent whose lease is unreadable""#,
                r#"parent="shardId-0" error="no counter""#,
            ),
        ]
    }

    fn reading() -> Vec<Case> {
        let throttled = CallErrorKind::Throttled { code: "Slow".into() };
        vec![
            (
                ShardEvent::ReadingBegins {
                    from: Position::TrimHorizon,
                },
                r#"DEBUG "reading begins""#,
                r#"from="TRIM_HORIZON""#,
            ),
            (
                ShardEvent::Paused,
                r#"INFO "shard paused""#,
                r#"by="WorkerControl::pause""#,
            ),
            (
                ShardEvent::Resumed,
                r#"INFO "shard resumed""#,
                r#"by="WorkerControl::resume""#,
            ),
            (
                read_failed(throttled, 9),
                r#"WARN "read throttled""#,
                r#"error="GetRecords failed: throttled (Slow)" repeated=9"#,
            ),
            (
                read_failed(CallErrorKind::NotFound, 0),
                r#"WARN "read failed""#,
                r#"error="GetRecords failed: it does not exist (ResourceNotFoundException)" repeated=0"#,
            ),
            (
                on_hold(Hold::StreamCreatedAgain),
                r#"ERROR "stream was created again""#,
                "row=\"shardId-7\" position=\"49\" reason=\"the stream was deleted and created again; the lease table belongs to \
                 the earlier stream: delete the table",
            ),
            (
                on_hold(Hold::PositionRefused),
                r#"ERROR "checkpoint refused""#,
                "row=\"shardId-7\" position=\"49\" reason=\"the service refuses the checkpoint of the lease row: it belongs to \
                 another shard or stream, or was edited; correct the row's checkpoint",
            ),
            (
                on_hold(Hold::StreamMissing),
                r#"WARN "shard on hold""#,
                r#"row="shardId-7" position="49" reason="the stream does not exist"#,
            ),
        ]
    }

    fn damage() -> Vec<Case> {
        let (index, table_len) = (7, 1);
        let (reason, repeated) = ("cut off".to_owned(), 2);
        vec![
            (
                ShardEvent::CheckpointCorrected {
                    checkpoint: Position::TrimHorizon,
                },
                r#"WARN "refused checkpoint was corrected""#,
                r#"checkpoint="TRIM_HORIZON""#,
            ),
            (
                ShardEvent::Moved {
                    from: Position::from_row("49", 2).unwrap(),
                    to: Position::TrimHorizon,
                },
                r#"INFO "checkpoint moved by a seek""#,
                r#"from="49:2" to="TRIM_HORIZON""#,
            ),
            (
                ShardEvent::PossibleLoss { loss: possible_loss() },
                r#"ERROR "possible loss by retention""#,
                "loss=\"records behind 49 may have been trimmed before they were read; the oldest record of the shard is none\"",
            ),
            (
                ShardEvent::DamagedAggregate {
                    sequence_number: "49".into(),
                    reason,
                    repeated,
                },
                r#"WARN "damaged aggregate""#,
                r#"sequence_number="49" reason="cut off" repeated=2"#,
            ),
            (
                damaged_record(RecordDamage::PartitionKeyIndexOutOfRange { index, table_len }),
                r#"WARN "damaged record""#,
                r#"position="49:2" damage="partition key index 7"#,
            ),
            (
                damaged_record(RecordDamage::ExplicitHashKeyIndexOutOfRange { index, table_len }),
                r#"DEBUG "damaged record""#,
                r#"position="49:2" damage="explicit hash key index 7"#,
            ),
        ]
    }

    fn children_wait(waited: Duration) -> ShardEvent {
        let parents = two();
        ShardEvent::ChildrenWait { parents, waited }
    }

    fn ending() -> Vec<Case> {
        let (error, repeated) = ("cut off".to_owned(), 2);
        vec![
            (
                ShardEvent::SourcePanicked,
                r#"ERROR "the task that reads a shard panicked, and is started again""#,
                "",
            ),
            (
                ShardEvent::Panicked,
                r#"ERROR "the task of a shard panicked: its lease is given up""#,
                "",
            ),
            (
                ShardEvent::EndNotCheckpointed {
                    error: CheckpointError::LeaseLost,
                    repeated,
                },
                r#"WARN "end of shard not checkpointed yet""#,
                r#"error="the lease was lost, and"#,
            ),
            (
                children_wait(Duration::ZERO),
                r#"DEBUG "children wait for another parent to be leased""#,
                r#"parents="shardId-0, shardId-1""#,
            ),
            (
                children_wait(Duration::from_secs(300)),
                r#"WARN "children wait for another parent to be leased""#,
                r#"parents="shardId-0, shardId-1" waited=300s"#,
            ),
            (
                ShardEvent::ChildrenNotLeased { error, repeated },
                r#"WARN "children not leased yet""#,
                r#"error="cut off" repeated=2"#,
            ),
            (
                ShardEvent::Ended { children: two() },
                r#"INFO "shard ended""#,
                r#"children="shardId-0, shardId-1""#,
            ),
        ]
    }

    #[test]
    fn each_event_of_a_shard_has_its_level_and_its_fields_in_one_line() {
        let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-7"));
        for (event, head, fields) in [waiting(), reading(), damage(), ending()].concat() {
            let line = line(&event.of(shard.clone()));
            let expected = format!("{head} stream=\"orders\" shard=\"shardId-7\" {fields}");
            assert!(line.starts_with(expected.trim_end()), "{line}\nnot\n{expected}");
        }
    }
}
