//! What the pipeline wants done: each call a task of its own, and what these bring back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;

use super::Driver;
use super::report::report_answer;
use crate::budget::Copies;
use crate::clock;
use crate::event::Event;
use crate::ordering::RecordDistribution;
use crate::pipeline::{Answer, CallFailure, Input, Output, RequestId};
use crate::shard_map::Shard;

/// What a task brought.
#[derive(Debug)]
pub(super) enum Finished {
    Put { request: RequestId, answer: Answer },
    Shards(Result<Vec<Shard>, CallFailure>),
    Description(Result<RecordDistribution, CallFailure>),
    Room(Copies),
}

impl Driver {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Send { request, entries } => {
                let calls = self.calls.clone();
                let stream = Arc::clone(&self.shared.template.stream);
                self.spawn("put-records", async move {
                    let started = clock::now();
                    let count = entries.len();
                    let answer = or_panicked(calls.put_records(entries))
                        .await
                        .unwrap_or_else(Answer::Failed);
                    report_answer(&answer, count, clock::now() - started, &stream);
                    Finished::Put { request, answer }
                });
            }
            Output::FetchShards => {
                let calls = self.calls.clone();
                self.spawn("list-shards", async move {
                    Finished::Shards(or_panicked(calls.list_shards()).await.and_then(|shards| shards))
                });
            }
            Output::Describe => {
                let calls = self.calls.clone();
                self.spawn("describe-stream-summary", async move {
                    let described = or_panicked(calls.describe_stream_summary()).await;
                    Finished::Description(described.and_then(|described| described))
                });
            }
            Output::AwaitRoom(request) => {
                let budget = self.shared.template.budget.clone();
                self.spawn("wait-for-room", async move {
                    Finished::Room(budget.acquire_copies(request).await)
                });
            }
            Output::NewRouting(routing) => {
                self.shared.replace_lanes(routing);
                self.armed.clear();
                self.take_retired(clock::now());
            }
            Output::ShardsChanged(shards) => self.emit(&Event::ShardMapChanged { shards }),
            Output::Distribution(distribution, source) => {
                self.emit(&Event::DistributionChanged { distribution, source });
            }
            Output::Throttled(hot, rate_percent) => {
                let hot = &hot;
                self.emit(&Event::ShardThrottled { hot, rate_percent });
            }
        }
    }

    pub(super) fn on_finished(&mut self, finished: Result<Finished, tokio::task::JoinError>) {
        let now = clock::now();
        match finished {
            Ok(Finished::Put { request, answer }) => {
                self.pipeline.handle(
                    Input::Answer {
                        request,
                        answer,
                        ended: self.calls.wall_time(),
                    },
                    now,
                );
            }
            Ok(Finished::Shards(result)) => {
                if let Err(CallFailure { code, message, .. }) = &result {
                    self.emit(&Event::ShardMapUnavailable { code, message });
                }
                self.pipeline.handle(Input::Shards(result), now);
            }
            Ok(Finished::Description(result)) => {
                if let Err(CallFailure { code, message, .. }) = &result {
                    self.emit(&Event::DescriptionUnavailable { code, message });
                }
                self.pipeline.handle(Input::Description(result), now);
            }
            Ok(Finished::Room(copies)) => self.pipeline.handle(Input::Room(copies), now),
            // A panic inside is an answer already, and nobody aborts these tasks before the driver ends.
            Err(error) => debug_assert!(error.is_cancelled(), "{error}"),
        }
    }

    fn emit(&self, event: &Event<'_>) {
        event.emit(&self.shared.template.stream);
    }

    fn spawn(&mut self, name: &'static str, call: impl Future<Output = Finished> + Send + 'static) {
        self.running.spawn(self.tasks.named(name, call));
    }
}

/// The result of a call, or a panic inside it as a failure of the call.
async fn or_panicked<T>(call: impl Future<Output = T>) -> Result<T, CallFailure> {
    AssertUnwindSafe(call).catch_unwind().await.map_err(|_| CallFailure {
        code: "Panic".into(),
        message: "the call panicked".into(),
        request_id: None,
        may_have_been_applied: true,
    })
}
