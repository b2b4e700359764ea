//! What the pipeline wants done: each call a task of its own, and what these bring back.

use std::panic::resume_unwind;
use std::time::Duration;

use aggregation::KinesisRecord;
use futures::FutureExt as _;
use service::{CallClass, CallError, Effect, Lost};
use tokio::task::JoinError;

use super::Driver;
use crate::budget::{Cargo, Copies};
use crate::observe::event::Event;
use crate::pipeline::{Answer, Input, Output, RequestId};
use crate::routing::shard_map::Listing;
use crate::routing::summary::StreamSummary;

/// What a task brought.
#[derive(Debug)]
pub(super) enum Finished {
    Put {
        request: RequestId,
        answer: Answer,
        /// Kinesis records in it.
        entries: usize,
        took: Duration,
    },
    Shards(Result<Listing, CallError>),
    Description(Result<StreamSummary, CallError>),
    Room(Copies),
}

impl Driver {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Send { request, entries } => self.send(request, entries),
            Output::FetchShards => {
                let calls = self.calls.clone();
                let call = async move { calls.list_shards().await };
                self.spawn("list-shards", call, |shards| Finished::Shards(or_failed(shards)));
            }
            Output::Describe => {
                let calls = self.calls.clone();
                let call = async move { calls.describe_stream_summary().await };
                self.spawn("describe-stream-summary", call, |described| {
                    Finished::Description(or_failed(described))
                });
            }
            Output::AwaitRoom(request) => self.await_room(request),
            Output::NewRouting(routing) => {
                self.shared.replace_lanes(routing);
                self.armed.clear();
                self.take_retired(self.now());
            }
            Output::RecordLimit(bytes) => self.shared.record_limit.described(bytes),
            Output::ShardsChanged(shards) => self.emit(&Event::ShardMapChanged { shards }),
            Output::Distribution(distribution, source) => {
                self.emit(&Event::DistributionChanged { distribution, source });
            }
            Output::Lost(reason, records) => {
                let reason = &reason;
                self.emit(&Event::RecordsLost { reason, records });
            }
            Output::Throttled(hot, rate_percent) => {
                let hot = &hot;
                self.emit(&Event::ShardThrottled { hot, rate_percent });
            }
        }
    }

    pub(super) fn on_finished(&mut self, finished: Result<Finished, JoinError>) {
        let now = self.now();
        match finished {
            Ok(Finished::Put {
                request,
                answer,
                entries,
                took,
            }) => {
                self.report_answer(&answer, entries, took, now);
                self.pipeline.handle(Input::Answer { request, answer }, now);
            }
            Ok(Finished::Shards(result)) => {
                match &result {
                    Ok(listing) => self.report_faults(&listing.faults),
                    Err(failure) => self.report_failure("list-shards", failure, now, Event::ShardMapUnavailable),
                }
                self.pipeline.handle(Input::Shards(result), now);
            }
            Ok(Finished::Description(result)) => {
                if let Err(failure) = &result {
                    self.report_failure("describe-stream-summary", failure, now, Event::DescriptionUnavailable);
                }
                self.pipeline.handle(Input::Description(result), now);
            }
            Ok(Finished::Room(copies)) => self.pipeline.handle(Input::Room(copies), now),
            Err(error) => {
                // What panics in a call is an answer already, and nobody aborts these tasks before the driver ends. Should
                // one end otherwise all the same, so does the driver: somebody waits for what it was to bring.
                resume_unwind(
                    error
                        .try_into_panic()
                        .unwrap_or_else(|error| Box::new(error.to_string())),
                );
            }
        }
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        event.emit(&self.shared.template.stream, &self.hooks.listener);
    }

    fn send(&mut self, request: RequestId, entries: Vec<KinesisRecord>) {
        let (calls, count, started) = (self.calls.clone(), entries.len(), self.now());
        let clock = self.hooks.clock.clone();
        let call = async move { calls.put_records(entries).await };
        self.spawn("put-records", call, move |answer| Finished::Put {
            request,
            answer: answer.unwrap_or_else(|lost| Answer::Failed(call_lost(lost))),
            entries: count,
            took: clock.monotonic().saturating_duration_since(started),
        });
    }

    /// Waits for room, without the wrapper if that loses the task: as long as the pipeline waits, it sends nothing.
    fn await_room(&mut self, request: Cargo) {
        let budget = self.shared.template.budget.clone();
        let wait = self
            .hooks
            .tasks
            .named("wait-for-room", budget.clone().acquire_copies(request));
        self.running.spawn(async move {
            let room = match wait.await {
                Ok(room) => room,
                Err(Lost) => budget.acquire_copies(request).await,
            };
            Finished::Room(room)
        });
    }

    /// Makes a call in a task of its own. That ends in any case with what `finished` makes of the call's end.
    fn spawn<T: Send + 'static>(
        &mut self,
        name: &'static str,
        call: impl Future<Output = T> + Send + 'static,
        finished: impl FnOnce(Result<T, Lost>) -> Finished + Send + 'static,
    ) {
        self.running.spawn(self.hooks.tasks.named(name, call).map(finished));
    }
}

fn or_failed<T>(ended: Result<Result<T, CallError>, Lost>) -> Result<T, CallError> {
    ended.unwrap_or_else(|lost| Err(call_lost(lost)))
}

/// A call without an answer has failed, and may have reached the service.
fn call_lost(_: Lost) -> CallError {
    CallError {
        code: "CallLost".into(),
        message: "the task of the call panicked, or was dropped before its end".into(),
        request_id: None,
        class: CallClass::Unanswered,
        effect: Effect::Possible,
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
