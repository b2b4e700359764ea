//! What happens in the calls to the application's code.

use std::fmt;
use std::time::Duration;

use super::Severity;
use crate::checkpoint::position::RecordPosition;
use crate::stream::ShardRef;

/// Something that has happened in a call to the application's code, for one shard.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HandlerEvent {
    /// A call failed.
    Failed {
        /// Why, with all causes.
        error: String,
        /// The failures in a row, with this one if it counts. An error of the lease table does not, and is told with 0 if there are
        /// no others.
        failures: u32,
        /// The record that the error names, or else the first of those that are not checkpointed, if the call was given records.
        position: Option<RecordPosition>,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// A call has not returned for a minute. Told each minute.
    Slow {
        /// For how long it has been running.
        running: Duration,
    },
    /// A call was dropped before it returned. Its processor is called for nothing more.
    Dropped {
        /// How long it was running.
        after: Duration,
        /// Why.
        why: WhyDropped,
    },
    /// The application's processor panicked in its `Drop`.
    DropPanicked,
    /// Records were passed over, because the application chose so: by its policy, its error, or `WorkerControl::skip`.
    Skipped {
        /// The last of them.
        last: RecordPosition,
        /// Their number.
        count: usize,
    },
    /// The dead-letter sink took records.
    DeadLettered {
        /// The last of them.
        last: RecordPosition,
        /// Their number.
        count: usize,
    },
    /// The dead-letter sink failed. The records are tried again.
    SinkFailed {
        /// Why, with all causes.
        error: String,
        /// Others that were not told since the last one.
        repeated: u64,
    },
    /// The shard is not read on, because its handler keeps failing. Told at once and after each later try, which is each
    /// five minutes.
    Halted {
        /// As in [`ShardStatus::failing_at`](crate::ShardStatus::failing_at).
        position: Option<RecordPosition>,
        /// The failures in a row.
        failures: u32,
        /// The last error, with all causes.
        error: String,
    },
}

/// Why a call to the application was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyDropped {
    /// The lease was lost, and the call did not return within `handler_grace`.
    LeaseLost,
    /// The call did not return within `handler_timeout`.
    TimedOut,
}

impl fmt::Display for WhyDropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaseLost => "the lease was lost, and the handler did not return within handler_grace",
            Self::TimedOut => "the handler did not return within handler_timeout",
        })
    }
}

impl HandlerEvent {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Failed { .. }
            | Self::Slow { .. }
            | Self::Skipped { .. }
            | Self::DeadLettered { .. }
            | Self::SinkFailed { .. } => Severity::Warn,
            Self::Dropped { .. } | Self::DropPanicked | Self::Halted { .. } => Severity::Error,
        }
    }

    pub(super) fn repeats(&mut self) -> Option<(&'static str, &mut u64)> {
        match self {
            Self::Failed { repeated, .. } => Some(("handler failed", repeated)),
            Self::SinkFailed { repeated, .. } => Some(("sink failed", repeated)),
            Self::Slow { .. }
            | Self::Dropped { .. }
            | Self::DropPanicked
            | Self::Skipped { .. }
            | Self::DeadLettered { .. }
            | Self::Halted { .. } => None,
        }
    }

    pub(super) fn log(&self, of: &ShardRef) {
        let (stream, shard) = (of.stream.as_str(), of.shard.as_str());
        match self {
            Self::Failed {
                error,
                failures,
                position,
                repeated,
            } => {
                let position = position.as_ref().map(ToString::to_string);
                tracing::warn!({ stream, shard, position, error, failures, repeated }, "handler failed");
            }
            Self::Slow { running } => tracing::warn!({ stream, shard, ?running }, "handler has not returned"),
            Self::Dropped { after, why } => {
                tracing::error!({ stream, shard, ?after, why = why.to_string() }, "handler dropped")
            }
            Self::DropPanicked => tracing::error!({ stream, shard }, "the processor panicked when it was dropped"),
            Self::Skipped { last, count } => {
                tracing::warn!({ stream, shard, last = last.to_string(), count }, "records skipped")
            }
            Self::DeadLettered { last, count } => {
                tracing::warn!({ stream, shard, last = last.to_string(), count }, "records dead-lettered");
            }
            Self::SinkFailed { error, repeated } => {
                tracing::warn!({ stream, shard, error, repeated }, "dead-letter sink failed");
            }
            Self::Halted {
                position,
                failures,
                error,
            } => {
                let position = position.as_ref().map(ToString::to_string);
                let hint = "no record is skipped; it is tried again each five minutes, at WorkerControl::retry, and by the \
                            next owner of its lease";
                tracing::error!(
                    { stream, shard, position, failures, error, hint },
                    "shard halted: its handler keeps failing"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::OfShard as _;
    use crate::event::logged::line;
    use crate::stream::{ShardId, StreamRef};

    /// An event, with its level, its text, and its fields behind those of the shard.
    type Case = (HandlerEvent, &'static str, &'static str);

    fn last() -> RecordPosition {
        RecordPosition {
            sequence_number: "49".parse().unwrap(),
            sub_sequence_number: 2,
        }
    }

    fn error() -> String {
        "no disk: full".to_owned()
    }

    fn failures() -> Vec<Case> {
        vec![
            (
                HandlerEvent::Failed {
                    error: error(),
                    failures: 4,
                    position: Some(last()),
                    repeated: 3,
                },
                r#"WARN "handler failed""#,
                r#"position="49:2" error="no disk: full" failures=4 repeated=3"#,
            ),
            (
                HandlerEvent::Failed {
                    error: error(),
                    failures: 1,
                    position: None,
                    repeated: 0,
                },
                r#"WARN "handler failed""#,
                r#"error="no disk: full" failures=1 repeated=0"#,
            ),
            (
                HandlerEvent::SinkFailed {
                    error: error(),
                    repeated: 1,
                },
                r#"WARN "dead-letter sink failed""#,
                r#"error="no disk: full" repeated=1"#,
            ),
        ]
    }

    fn calls() -> Vec<Case> {
        let second = Duration::from_secs(1);
        vec![
            (
                HandlerEvent::Slow { running: second },
                r#"WARN "handler has not returned""#,
                "running=1s",
            ),
            (
                HandlerEvent::Dropped {
                    after: second,
                    why: WhyDropped::TimedOut,
                },
                r#"ERROR "handler dropped""#,
                r#"after=1s why="the handler did not return within handler_timeout""#,
            ),
            (
                HandlerEvent::DropPanicked,
                r#"ERROR "the processor panicked when it was dropped""#,
                "",
            ),
        ]
    }

    fn records() -> Vec<Case> {
        vec![
            (
                HandlerEvent::Skipped { last: last(), count: 5 },
                r#"WARN "records skipped""#,
                r#"last="49:2" count=5"#,
            ),
            (
                HandlerEvent::DeadLettered { last: last(), count: 5 },
                r#"WARN "records dead-lettered""#,
                r#"last="49:2" count=5"#,
            ),
            (
                HandlerEvent::Halted {
                    position: Some(last()),
                    failures: 8,
                    error: error(),
                },
                r#"ERROR "shard halted: its handler keeps failing""#,
                r#"position="49:2" failures=8 error="no disk: full" hint="no record is skipped; it is tried again"#,
            ),
        ]
    }

    #[test]
    fn each_event_of_a_handler_has_its_level_and_its_fields_in_one_line() {
        let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-7"));
        for (event, head, fields) in [failures(), calls(), records()].concat() {
            let line = line(&event.of(shard.clone()));
            let expected = format!("{head} stream=\"orders\" shard=\"shardId-7\" {fields}");
            assert!(line.starts_with(expected.trim_end()), "{line}\nnot\n{expected}");
        }
    }
}
