//! Each event as one line of plain text, for those who print them. The log has its own lines, with fields; that of a fleet's
//! event is its text.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use service::{RangeFault, chain};

use super::{Event, HandlerEvent, LeaseEvent, ShardEvent, WorkerEvent};
use crate::stream::ShardId;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(event) => event.fmt(f),
            Self::Fleet(event) => event.fmt(f),
            Self::Lease(event) => event.fmt(f),
            Self::Shard { shard, event } => write!(f, "shard {shard}: {event}"),
            Self::Handler { shard, event } => write!(f, "shard {shard}: {event}"),
        }?;
        match self.clone().repeats().map_or(0, |(_, repeated)| *repeated) {
            0 => Ok(()),
            others => write!(f, " (and {others} others)"),
        }
    }
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { stream, table } => {
                write!(f, "the worker began with stream {stream} and lease table {table}")
            }
            Self::Ended { released, abandoned } => {
                write!(f, "the worker ended: {released} shards released, {abandoned} abandoned")
            }
            Self::StartFailed { error, .. } => {
                write!(f, "the worker could not start, and tries again: {error}")
            }
            Self::StartOverruled {
                start_at,
                table,
                leases,
            } => write!(
                f,
                "{leases} leases of table {table} go on from their checkpoints, and not from {start_at}"
            ),
            Self::StreamCreatedAgain { stream } => {
                write!(f, "stream {stream} was created again: the worker begins anew with it")
            }
            Self::HandlersLeftBehind { shards } => {
                let shards = join(shards.iter().map(|shard| &shard.shard));
                write!(f, "handlers of the former stream did not return in time: {shards}")
            }
            Self::LeasesNotReplaced { error, .. } => {
                write!(f, "leases of a former stream are not replaced yet: {error}")
            }
            Self::AuditFailed { error, .. } => {
                write!(f, "whether each open shard is read could not be found out: {error}")
            }
            Self::StreamDescriptionDenied { stream } => write!(
                f,
                "access to kinesis:DescribeStreamSummary is denied for stream {stream}: one that is created again is not noticed"
            ),
            Self::CoordinatorTableUnknown { error, .. } => {
                write!(f, "whether workers of KCL 3.0 to 3.4 lead it is not known: {error}")
            }
            Self::CredentialsNotRefreshed { error, valid_for } => {
                write!(f, "the credentials for the lease table could not be refreshed: {error}")?;
                valid_for.map_or(Ok(()), |time| {
                    write!(f, "; the old ones are valid for {}", seconds(time))
                })
            }
            Self::SettingsLeft { sdk, ignored } => {
                let (sdk, ignored) = (join(sdk), join(ignored));
                write!(f, "settings are left to the SDK: {sdk}; without effect: {ignored}")
            }
            Self::ShardRangeFault { stream, fault } => {
                let RangeFault { shard, kind } = fault;
                write!(f, "shard {stream}/{shard} has a bad hash-key range: {kind}")
            }
        }
    }
}

impl fmt::Display for LeaseEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { lease, reason } => write!(f, "lease {lease} was created: {reason}"),
            Self::Taken { lease, reason } => write!(f, "lease {lease} was taken: {reason}"),
            Self::Lost { lease, reason } => write!(f, "lease {lease} was lost: {reason}"),
            Self::Released { lease, to: None } => write!(f, "lease {lease} was released"),
            Self::Released { lease, to: Some(to) } => write!(f, "lease {lease} was handed over to worker {to}"),
            Self::WriteFailed {
                table, lease, error, ..
            } => {
                write!(f, "lease {lease} could not be written to table {table}: {error}")
            }
            Self::RowUnreadable {
                table, lease, problem, ..
            } => write!(
                f,
                "row {lease} of lease table {table} cannot be read, so its shard has no reader: {problem}"
            ),
            Self::FleetRowUnreadable {
                table, row, problem, ..
            } => {
                write!(f, "row {row} of lease table {table} cannot be read: {problem}")
            }
            Self::TableUnavailable { table, error, .. } => {
                write!(f, "lease table {table} could not be read: {error}")
            }
            Self::OfAnotherStream { table, leases, .. } => rows(
                f,
                (*leases, table),
                "are of another stream, or of an earlier one of this name, and are not read",
            ),
            Self::OfFormerStream { table, leases, .. } => {
                rows(f, (*leases, table), "are of a former stream, and are replaced")
            }
            Self::Replaced { lease } => write!(f, "lease {lease} of a former stream was replaced"),
            Self::Discarded { lease } => write!(f, "lease {lease} of a former stream was deleted"),
            Self::MadeAgain { table, lease, .. } => {
                write!(
                    f,
                    "the row of lease {lease} in table {table} was gone and was made again"
                )
            }
            Self::Unmarked { table, leases, .. } => rows(
                f,
                (*leases, table),
                "do not say of which stream they are, and are not taken: restart the worker",
            ),
            Self::NotCovered { shard, problem, .. } => write!(f, "nobody reads the open shard {shard}: {problem}"),
            Self::TableMadeAgain { table, .. } => write!(
                f,
                "lease table {table} was gone and was made again: leases that no worker holds begin at the configured start"
            ),
            Self::ServiceTimeUnknown { table, .. } => write!(
                f,
                "replies of lease table {table} carry no date: fencing tokens of new rows begin with this host's clock"
            ),
        }
    }
}

impl fmt::Display for ShardEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitsForParents { parents } => write!(f, "it waits for its parents {}", join(parents)),
            Self::StillWaitsForParents { parents, waited } => still_waits(f, "its parents", parents, *waited),
            Self::ParentUnreadable { parent, problem } => {
                write!(
                    f,
                    "it waits for its parent {parent}, whose lease row cannot be read: {problem}"
                )
            }
            Self::ReadingBegins { from } => write!(f, "reading begins behind {from}"),
            Self::Paused => f.write_str("WorkerControl::pause paused its reading"),
            Self::Resumed => f.write_str("WorkerControl::resume ended the pause of its reading"),
            Self::ReadFailed { error, .. } => write!(f, "a read failed: {error}"),
            Self::OnHold { reason, row, position } => {
                write!(f, "it is on hold at {position}, by the lease row {row}: {reason}")
            }
            Self::CheckpointCorrected { checkpoint } => {
                write!(
                    f,
                    "its refused checkpoint was corrected: it begins anew behind {checkpoint}"
                )
            }
            Self::Moved { from, to } => write!(f, "a seek moved its checkpoint from {from} to {to}"),
            Self::PossibleLoss { loss } => write!(f, "{loss}"),
            Self::DamagedAggregate {
                sequence_number,
                reason,
                ..
            } => write!(
                f,
                "aggregate {sequence_number} is damaged, and was delivered as a plain record: {reason}"
            ),
            Self::DamagedRecord { position, damage, .. } => write!(f, "record {position} is damaged: {damage}"),
            Self::SourcePanicked => f.write_str("the task that reads it panicked, and is started again"),
            Self::Panicked => f.write_str("its task panicked, and its lease is given up"),
            Self::EndNotCheckpointed { error, .. } => {
                write!(f, "its end could not be checkpointed yet: {}", chain(error))
            }
            Self::ChildrenWait { parents, waited } => {
                still_waits(f, "the leases of other parents of its children,", parents, *waited)
            }
            Self::ChildrenNotLeased { error, .. } => {
                write!(f, "the leases of its children could not be created yet: {error}")
            }
            Self::Ended { children } if children.is_empty() => f.write_str("it has ended"),
            Self::Ended { children } => write!(f, "it has ended, and {} took over", join(children)),
        }
    }
}

impl fmt::Display for HandlerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed {
                error,
                failures,
                position,
                ..
            } => {
                write!(f, "the handler failed")?;
                at(f, position.as_ref())?;
                why(f, error, *failures)
            }
            Self::Slow { running } => write!(f, "a call to the handler has been running for {}", seconds(*running)),
            Self::Dropped { after, why } => {
                write!(f, "a call to the handler was dropped after {}: {why}", seconds(*after))
            }
            Self::DropPanicked => f.write_str("the processor panicked when it was dropped"),
            Self::Skipped { last, count: 0 } => write!(f, "records up to {last} were skipped"),
            Self::Skipped { last, count } => write!(f, "{count} records up to {last} were skipped"),
            Self::DeadLettered { last, count } => {
                write!(f, "{count} records up to {last} went to the dead-letter sink")
            }
            Self::SinkFailed { error, .. } => {
                write!(f, "the dead-letter sink failed: {error}")
            }
            Self::Halted {
                position,
                failures,
                error,
            } => {
                write!(f, "it is halted")?;
                at(f, position.as_ref())?;
                why(f, error, *failures)
            }
        }
    }
}

/// What is the matter with rows of a lease table.
fn rows(f: &mut fmt::Formatter<'_>, (leases, table): (usize, &str), what: &str) -> fmt::Result {
    write!(f, "{leases} leases of table {table} {what}")
}

/// Why a call failed, and how many in a row have, if any of them counts.
fn why(f: &mut fmt::Formatter<'_>, error: &str, failures: u32) -> fmt::Result {
    match failures {
        0 => write!(f, ": {error}"),
        failures => write!(f, ": {error} (failures in a row: {failures})"),
    }
}

/// Where something happened, if that is known.
pub(crate) fn at(f: &mut fmt::Formatter<'_>, position: Option<&impl fmt::Display>) -> fmt::Result {
    position.map_or(Ok(()), |position| write!(f, " at {position}"))
}

/// A duration in seconds, with a tenth if it is short.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 if time.subsec_millis() >= 100 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{seconds} s"),
    }
}

fn still_waits(f: &mut fmt::Formatter<'_>, what: &str, parents: &BTreeSet<ShardId>, waited: Duration) -> fmt::Result {
    write!(f, "it waits for {what} {}", join(parents))?;
    match waited.is_zero() {
        true => Ok(()),
        false => write!(f, ", for {} by now", seconds(waited)),
    }
}

fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    match texts.is_empty() {
        true => "none".to_owned(),
        false => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::position::RecordPosition;
    use crate::error::{CallErrorKind, StreamError};
    use crate::event::OfShard;
    use crate::event::logged::lease;
    use crate::lease::lost::LeaseLost;
    use crate::stream::{ShardRef, StreamRef};

    fn of_shard(event: impl OfShard) -> String {
        let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-7"));
        event.of(shard).to_string()
    }

    fn position() -> RecordPosition {
        RecordPosition {
            sequence_number: "49".parse().unwrap(),
            sub_sequence_number: 2,
        }
    }

    #[test]
    fn an_event_is_written_as_one_line_that_names_its_subject() {
        let kind = CallErrorKind::Throttled { code: "Slow".into() };
        let (operation, children) = ("GetRecords", ["shardId-8", "shardId-9"].map(ShardId::new).into());
        let error = StreamError { operation, kind };
        let lost = LeaseEvent::Lost {
            lease: lease(),
            reason: LeaseLost::Expired,
        };
        for (text, expected) in [
            (
                of_shard(ShardEvent::ReadFailed { error, repeated: 3 }),
                "shard orders/shardId-7: a read failed: GetRecords failed: throttled (Slow) (and 3 others)",
            ),
            (
                of_shard(ShardEvent::Ended { children }),
                "shard orders/shardId-7: it has ended, and shardId-8, shardId-9 took over",
            ),
            (
                of_shard(HandlerEvent::Halted {
                    position: Some(position()),
                    failures: 8,
                    error: "no disk: full".into(),
                }),
                "shard orders/shardId-7: it is halted at 49:2: no disk: full (failures in a row: 8)",
            ),
            (
                of_shard(HandlerEvent::Failed {
                    error: "throttled".into(),
                    failures: 0,
                    position: None,
                    repeated: 0,
                }),
                "shard orders/shardId-7: the handler failed: throttled",
            ),
            (
                of_shard(HandlerEvent::Slow {
                    running: Duration::from_secs(60),
                }),
                "shard orders/shardId-7: a call to the handler has been running for 60 s",
            ),
            (
                Event::from(lost).to_string(),
                "lease shardId-7 was lost: the lease was not renewed within the failover time",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_duration_has_tenths_only_while_it_is_short() {
        let texts = [0, 40, 1_500, 9_000, 12_300].map(|millis| seconds(Duration::from_millis(millis)));
        assert_eq!(texts, ["0 s", "0 s", "1.5 s", "9 s", "12 s"]);
    }
}
