//! What happens in the calls to the application's code.

use std::time::Duration;

use crate::consumer::application::WhyDropped;
use crate::stream::ShardRef;

/// Something that has happened in a call to the application's code, for one shard.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum HandlerEvent<'a> {
    /// The application's handler failed.
    Failed {
        error: &'a str,
        failures: u32,
        /// The first of the records that it was given.
        position: Option<&'a str>,
    },
    /// A call to the application has not returned for a long time.
    LongCall { since: Duration },
    /// A call to the application was dropped before it returned.
    CallDropped { after: Duration, why: WhyDropped },
    /// The application's processor panicked in its `Drop`.
    DropPanicked,
    /// Records were passed over, because the application chose so.
    Skipped { last: &'a str, count: usize },
    /// The dead-letter sink took records.
    DeadLettered { last: &'a str, count: usize },
    /// The dead-letter sink failed.
    SinkFailed { error: &'a str },
    /// It is not read on, because its handler keeps failing.
    Halted {
        /// The first of the records on which the handler fails.
        position: Option<&'a str>,
        failures: u32,
        error: &'a str,
    },
}

impl HandlerEvent<'_> {
    /// Writes the event, which happened to the shard `of`, to the log.
    pub(crate) fn emit(&self, of: &ShardRef) {
        let ShardRef { stream, shard } = of;
        match self {
            Self::Failed {
                error,
                failures,
                position,
            } => tracing::warn!(%stream, %shard, position, error, failures, "handler failed"),
            Self::LongCall { since } => tracing::warn!(%stream, %shard, ?since, "handler has not returned"),
            Self::CallDropped { after, why } => tracing::error!(%stream, %shard, ?after, %why, "handler dropped"),
            Self::DropPanicked => tracing::error!(%stream, %shard, "the processor panicked when it was dropped"),
            Self::Skipped { last, count } => tracing::warn!(%stream, %shard, last, count, "records skipped"),
            Self::DeadLettered { last, count } => tracing::warn!(%stream, %shard, last, count, "records dead-lettered"),
            Self::SinkFailed { error } => tracing::warn!(%stream, %shard, error, "dead-letter sink failed"),
            Self::Halted {
                position,
                failures,
                error,
            } => tracing::error!(
                %stream, %shard,
                position,
                failures,
                error,
                "shard halted: its handler keeps failing, and no record is skipped; it is tried again each five minutes, at \
                 WorkerControl::retry, and by the next owner of its lease"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::logged::logged;
    use crate::stream::{ShardId, StreamRef};

    /// One event of each kind.
    fn each() -> Vec<HandlerEvent<'static>> {
        let (position, error) = (Some("49"), "no disk");
        vec![
            HandlerEvent::Failed {
                error,
                failures: 1,
                position,
            },
            HandlerEvent::LongCall { since: Duration::ZERO },
            HandlerEvent::CallDropped {
                after: Duration::ZERO,
                why: WhyDropped::TimedOut,
            },
            HandlerEvent::DropPanicked,
            HandlerEvent::Skipped { last: "49", count: 1 },
            HandlerEvent::DeadLettered { last: "49", count: 1 },
            HandlerEvent::SinkFailed { error },
            HandlerEvent::Halted {
                position,
                failures: 8,
                error,
            },
        ]
    }

    #[test]
    fn each_line_about_a_call_names_the_stream_and_the_shard_in_two_fields() {
        let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-7"));
        for event in each() {
            let lines = logged(|| event.emit(&shard));
            let [line] = lines.as_slice() else {
                panic!("{event:?}: {lines:?}")
            };
            assert!(line.contains(" stream=orders shard=shardId-7"), "{line}");
        }
    }
}
