//! What happens to a worker as a whole.

use std::time::Duration;

use service::RangeFault;

use super::{Kind, Severity};
use crate::checkpoint::position::Position;
use crate::error::TableError;
use crate::lease::model::WorkerId;
use crate::stream::{ShardRef, StreamRef};

/// Something that has happened to a worker as a whole.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// The worker began.
    Started {
        /// The stream that it reads.
        stream: StreamRef,
        /// The lease table.
        table: String,
    },
    /// The worker ended.
    Ended {
        /// Shards whose leases were given back.
        released: usize,
        /// Shards that were not done in time: their leases expire.
        abandoned: usize,
    },
    /// The worker could not start, and tries again.
    StartFailed {
        /// Why, with all causes.
        error: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// `start_at` was set, and shards have leases already: those go on from their checkpoints.
    StartOverruled {
        /// What was set.
        start_at: Position,
        /// The lease table.
        table: String,
        /// Leases that begin elsewhere.
        leases: usize,
    },
    /// The stream was deleted, and another one created under its name: the worker begins anew with that one.
    StreamCreatedAgain {
        /// The stream.
        stream: StreamRef,
    },
    /// The worker begins anew, and handlers of the former stream did not return in time: they block their threads, or have a longer
    /// `handler_grace`. Each is dropped where it waits for something; one that blocks its thread runs on until then.
    HandlersLeftBehind {
        /// Their shards, of the former stream.
        shards: Vec<ShardRef>,
    },
    /// Leases of a former stream could not be replaced or deleted. That is tried again.
    LeasesNotReplaced {
        /// Why, with all causes.
        error: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// Whether each open shard is read could not be found out, or a lease that is missing could not be created. That is tried again
    /// in this worker's next turn.
    AuditFailed {
        /// Why, with all causes.
        error: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// Access to the stream's description is denied, so a stream that is deleted and created again is not noticed.
    StreamDescriptionDenied {
        /// The stream.
        stream: StreamRef,
    },
    /// The table by which workers of KCL 3.0 to 3.4 lead an application cannot be read, so it is not known whether there are any.
    /// Told once if access to it is denied.
    CoordinatorTableUnknown {
        /// Why.
        error: TableError,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The credentials for the lease table could not be refreshed. The old ones are still valid.
    CredentialsNotRefreshed {
        /// Why, with all causes.
        error: String,
        /// For how long the old ones are valid, if they expire.
        valid_for: Option<Duration>,
    },
    /// The `.properties` file has settings that the worker does not take over. Told when it is built.
    SettingsLeft {
        /// Settings that belong in the SDK's configuration: keys, lines, and what to set there.
        sdk: Vec<String>,
        /// Those that have no meaning here: keys, lines, and why.
        ignored: Vec<String>,
    },
    /// The hash-key range of a shard is not as it should be. Told once for each fault.
    ShardRangeFault {
        /// The stream.
        stream: StreamRef,
        /// The shard, and what is wrong.
        fault: RangeFault,
    },
}

impl WorkerEvent {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Started { .. } | Self::Ended { abandoned: 0, .. } | Self::StartOverruled { .. } => Severity::Info,
            Self::Ended { .. }
            | Self::StartFailed { .. }
            | Self::StreamCreatedAgain { .. }
            | Self::HandlersLeftBehind { .. }
            | Self::LeasesNotReplaced { .. }
            | Self::AuditFailed { .. }
            | Self::StreamDescriptionDenied { .. }
            | Self::CoordinatorTableUnknown { .. }
            | Self::CredentialsNotRefreshed { .. }
            | Self::SettingsLeft { .. }
            | Self::ShardRangeFault { .. } => Severity::Warn,
        }
    }

    pub(super) fn repeats(&mut self) -> Option<(Kind, &mut u64)> {
        match self {
            Self::StartFailed { repeated, .. } => Some((("start failed", String::new()), repeated)),
            Self::CoordinatorTableUnknown { repeated, .. } => {
                Some((("coordinator table unknown", String::new()), repeated))
            }
            Self::AuditFailed { repeated, .. } => Some((("audit failed", String::new()), repeated)),
            Self::LeasesNotReplaced { repeated, .. } => Some((("leases not replaced", String::new()), repeated)),
            Self::Started { .. }
            | Self::Ended { .. }
            | Self::StartOverruled { .. }
            | Self::StreamCreatedAgain { .. }
            | Self::HandlersLeftBehind { .. }
            | Self::StreamDescriptionDenied { .. }
            | Self::CredentialsNotRefreshed { .. }
            | Self::SettingsLeft { .. }
            | Self::ShardRangeFault { .. } => None,
        }
    }

    pub(super) fn log(&self, worker: &WorkerId) {
        let worker = worker.as_str();
        match self {
            Self::Started { stream, table } => {
                tracing::info!({ worker, stream = stream.as_str(), table }, "worker started")
            }
            Self::Ended { released, abandoned } => ended(worker, *released, *abandoned),
            Self::StartFailed { error, repeated } => {
                tracing::warn!({ worker, error, repeated }, "start failed, trying again");
            }
            Self::StartOverruled {
                start_at,
                table,
                leases,
            } => tracing::info!(
                { worker, start_at = start_at.to_string(), table, leases, hint = "delete the rows to begin anew" },
                "leases go on from their checkpoints, not from start_at"
            ),
            Self::StreamCreatedAgain { stream } => {
                tracing::warn!(
                    { worker, stream = stream.as_str() },
                    "stream was created again: this worker begins anew with it"
                );
            }
            Self::HandlersLeftBehind { shards } => {
                let shards: Vec<_> = shards.iter().map(|shard| shard.shard.as_str()).collect();
                let shards = shards.join(", ");
                tracing::warn!({ worker, shards }, "handlers of the former stream did not return in time");
            }
            Self::LeasesNotReplaced { error, repeated } => {
                tracing::warn!({ worker, error, repeated }, "leases of a former stream not replaced, trying again");
            }
            Self::AuditFailed { error, repeated } => {
                tracing::warn!({ worker, error, repeated }, "audit of the shards failed, trying again");
            }
            Self::StreamDescriptionDenied { stream } => tracing::warn!(
                { worker, stream = stream.as_str() },
                "access to kinesis:DescribeStreamSummary is denied: a stream that is deleted and created again is not noticed"
            ),
            Self::CoordinatorTableUnknown { error, repeated } => {
                tracing::warn!(
                    { worker, error = error.to_string(), repeated },
                    "cannot tell whether workers of KCL 3.0 to 3.4 lead this application"
                );
            }
            Self::CredentialsNotRefreshed { error, valid_for } => {
                let valid_for = valid_for.map(tracing::field::debug);
                tracing::warn!({ worker, error, valid_for }, "credentials not refreshed, trying again");
            }
            Self::SettingsLeft { sdk, ignored } => {
                let (sdk, ignored) = (sdk.join(", "), ignored.join(", "));
                tracing::warn!({ worker, sdk, ignored }, "settings of the properties file are not taken over");
            }
            Self::ShardRangeFault { stream, fault } => {
                let (stream, shard, fault) = (stream.as_str(), fault.shard.as_str(), fault.kind.to_string());
                tracing::warn!({ worker, stream, shard, fault }, "bad hash-key range");
            }
        }
    }
}

fn ended(worker: &str, released: usize, abandoned: usize) {
    if abandoned == 0 {
        tracing::info!({ worker, released, abandoned }, "worker ended");
    } else {
        let hint = "their leases expire; give the shutdown a longer grace";
        tracing::warn!({ worker, released, abandoned, hint }, "worker ended with abandoned shards");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CallErrorKind;
    use crate::event::Event;
    use crate::event::logged::line;

    fn stream() -> StreamRef {
        StreamRef::parse("orders")
    }

    fn life() -> Vec<(WorkerEvent, &'static str)> {
        let (table, error) = ("billing".to_owned(), "no: way".to_owned());
        vec![
            (
                WorkerEvent::Started {
                    stream: stream(),
                    table: table.clone(),
                },
                r#"INFO "worker started" worker="w1" stream="orders" table="billing""#,
            ),
            (
                WorkerEvent::Ended {
                    released: 2,
                    abandoned: 0,
                },
                r#"INFO "worker ended" worker="w1" released=2 abandoned=0"#,
            ),
            (
                WorkerEvent::Ended {
                    released: 1,
                    abandoned: 3,
                },
                r#"WARN "worker ended with abandoned shards" worker="w1" released=1 abandoned=3 hint"#,
            ),
            (
                WorkerEvent::AuditFailed {
                    error: error.clone(),
                    repeated: 2,
                },
                r#"WARN "audit of the shards failed, trying again" worker="w1" error="no: way" repeated=2"#,
            ),
            (
                WorkerEvent::StartFailed { error, repeated: 4 },
                r#"WARN "start failed, trying again" worker="w1" error="no: way" repeated=4"#,
            ),
            (
                WorkerEvent::StartOverruled {
                    start_at: Position::Latest,
                    table,
                    leases: 5,
                },
                r#"INFO "leases go on from their checkpoints, not from start_at" worker="w1" start_at="LATEST" table="billing" leases=5"#,
            ),
        ]
    }

    fn denied() -> TableError {
        let kind = CallErrorKind::Denied {
            code: "AccessDenied".into(),
            message: "no".into(),
        };
        TableError {
            operation: "GetItem",
            kind,
        }
    }

    fn surroundings() -> Vec<(WorkerEvent, &'static str)> {
        let fault = RangeFault {
            shard: crate::stream::ShardId::new("shardId-7"),
            kind: service::RangeFaultKind::Clamped,
        };
        vec![
            (
                WorkerEvent::StreamCreatedAgain { stream: stream() },
                r#"WARN "stream was created again: this worker begins anew with it" worker="w1" stream="orders""#,
            ),
            (
                WorkerEvent::HandlersLeftBehind {
                    shards: vec![ShardRef::new(stream(), fault.shard.clone())],
                },
                r#"WARN "handlers of the former stream did not return in time" worker="w1" shards="shardId-7""#,
            ),
            (
                WorkerEvent::LeasesNotReplaced {
                    error: "no".to_owned(),
                    repeated: 4,
                },
                r#"WARN "leases of a former stream not replaced, trying again" worker="w1" error="no" repeated=4"#,
            ),
            (
                WorkerEvent::StreamDescriptionDenied { stream: stream() },
                r#"WARN "access to kinesis:DescribeStreamSummary is denied: a stream that is deleted and created again is not noticed" worker="w1" stream="orders""#,
            ),
            (
                WorkerEvent::CoordinatorTableUnknown {
                    error: denied(),
                    repeated: 1,
                },
                r#"WARN "cannot tell whether workers of KCL 3.0 to 3.4 lead this application" worker="w1" error="GetItem failed"#,
            ),
            (
                WorkerEvent::CredentialsNotRefreshed {
                    error: "no role".into(),
                    valid_for: Some(Duration::from_secs(60)),
                },
                r#"WARN "credentials not refreshed, trying again" worker="w1" error="no role" valid_for=60s"#,
            ),
            (
                WorkerEvent::SettingsLeft {
                    sdk: vec!["a".into(), "b".into()],
                    ignored: vec!["c".into()],
                },
                r#"WARN "settings of the properties file are not taken over" worker="w1" sdk="a, b" ignored="c""#,
            ),
            (
                WorkerEvent::ShardRangeFault {
                    stream: stream(),
                    fault,
                },
                r#"WARN "bad hash-key range" worker="w1" stream="orders" shard="shardId-7" fault=""#,
            ),
        ]
    }

    #[test]
    fn each_event_of_a_worker_has_its_level_and_its_fields_in_one_line() {
        for (event, fields) in [life(), surroundings()].concat() {
            let line = line(&Event::from(event));
            assert!(line.starts_with(fields), "{line}\nnot\n{fields}");
        }
    }
}
