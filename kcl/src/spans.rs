//! The spans of `tracing` in which a worker reads, and in which the application's handlers run.

use futures::future::BoxFuture;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::lease::model::WorkerId;
use crate::stream::ShardRef;

/// The span of a task that reads for `worker`: the events of a shard do not name it themselves.
///
/// Of the highest level, so that no filter that lets a warning pass removes it.
pub(crate) fn worker_span(worker: &WorkerId) -> Span {
    tracing::error_span!(target: "kcl", "consumer", worker = worker.as_str())
}

/// What the spans of batches say of the worker.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The application, as which the worker reads.
    pub(crate) application: std::sync::Arc<str>,
    pub(crate) worker: WorkerId,
}

/// The span of one call with records, by the conventions of OpenTelemetry for messaging (1.45).
///
/// The fields `otel.name` and `otel.kind` are for `tracing-opentelemetry`, which makes them name and kind of the span. The
/// conventions called the system `messaging.system` before.
pub(crate) fn batch_span(group: &Group, shard: &ShardRef, records: usize) -> Span {
    let (stream, shard) = (shard.stream.label(), shard.shard.as_str());
    tracing::info_span!(
        target: "kcl",
        "process",
        otel.name = format!("process {stream}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        messaging.system = "aws.kinesis",
        messaging.system.name = "aws.kinesis",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = stream,
        messaging.destination.partition.id = shard,
        messaging.consumer.group.name = &*group.application,
        messaging.client.id = group.worker.as_str(),
        messaging.batch.message_count = records,
        aws.kinesis.stream_name = stream,
        error.r#type = Empty,
    )
}

/// Notes in the span of a batch that its call failed.
pub(crate) fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", "handler");
}

/// Runs a call in a span, at no cost if nobody wants the span.
pub(crate) fn within<'a, T: 'a>(span: &Span, call: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    if span.is_disabled() {
        return call;
    }
    Box::pin(call.instrument(span.clone()))
}
