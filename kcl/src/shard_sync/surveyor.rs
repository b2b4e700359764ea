//! Looks at the stream as a whole for consumers that are in doubt about their shards.

use std::sync::Arc;
use std::time::Instant;

use service::Clock;
use tokio_util::sync::CancellationToken;

use crate::calls::{Calls, ShardsToList};
use crate::error::StreamError;
use crate::shard_sync::end_evidence::Survey;
use crate::shard_sync::single_flight::SingleFlight;
use crate::stream::{Description, Incarnation, StreamRef};

/// The surveys of one stream by one worker. One is made at a time, and its outcome shared by all who wait for it: thousands of
/// shards in doubt ask together, and the service allows an account 20 calls of DescribeStreamSummary a second.
#[derive(Debug)]
pub(crate) struct Surveyor {
    calls: Calls,
    stream: StreamRef,
    /// The incarnation that the worker began with; unknown if access to its description is denied.
    began_with: Incarnation,
    /// Cancelled once another incarnation was seen.
    replaced: CancellationToken,
    /// A survey may take as long as many pages of shards.
    surveys: SingleFlight<Arc<Survey>>,
    /// Apart from surveys: readers of healthy shards wait for these answers.
    descriptions: SingleFlight<Description>,
}

impl Surveyor {
    pub(crate) fn new(calls: Calls, stream: StreamRef, began_with: Incarnation, clock: &Clock) -> Self {
        Self {
            calls,
            stream,
            began_with,
            replaced: CancellationToken::new(),
            surveys: SingleFlight::new(clock.clone()),
            descriptions: SingleFlight::new(clock.clone()),
        }
    }

    /// The incarnation of the stream that the worker began with.
    pub(crate) fn began_with(&self) -> &Incarnation {
        &self.began_with
    }

    /// Is cancelled once another stream of the same name was seen.
    pub(crate) fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }

    /// The stream as it was at `since` or later.
    ///
    /// # Errors
    ///
    /// All who wait for one survey get its failure.
    ///
    /// # Cancellation
    ///
    /// The other consumers go on with the survey.
    pub(crate) async fn survey(&self, since: Instant) -> Result<Arc<Survey>, StreamError> {
        let (calls, stream) = (self.calls.clone(), self.stream.clone());
        let make = |taken_at| async move {
            let shards = calls.list_shards(&stream, ShardsToList::All).await?;
            let incarnation = calls.incarnation(&stream).await?;
            Ok(Arc::new(Survey {
                taken_at,
                shards,
                incarnation,
            }))
        };
        let survey = self.surveys.call(since, make).await?;
        self.compare(&survey.incarnation);
        Ok(survey)
    }

    /// What the service says of the stream at `since` or later. Nothing if access is denied.
    ///
    /// # Errors
    ///
    /// All who wait for one answer get its failure.
    ///
    /// # Cancellation
    ///
    /// The other consumers go on with the question.
    pub(crate) async fn describe(&self, since: Instant) -> Result<Description, StreamError> {
        let (calls, stream) = (self.calls.clone(), self.stream.clone());
        let make = |_| async move { calls.describe(&stream).await };
        let description = self.descriptions.call(since, make).await?;
        self.compare(&description.incarnation);
        Ok(description)
    }

    fn compare(&self, seen: &Incarnation) {
        if !self.began_with.may_be(seen) {
            self.replaced.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_kinesis::Client;
    use futures::future::join_all;
    use testkit::sim::{Fault, Sim};

    use super::*;

    /// The number of calls of an operation that arrived.
    fn calls_of(sim: &Sim, operation: &str) -> usize {
        sim.calls().iter().filter(|call| call.operation == operation).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_shards_in_doubt_make_one_call_also_if_it_fails() {
        for failing in ["ListShards", "DescribeStreamSummary"] {
            let sim = Sim::new(1);
            sim.create_stream("orders", 2).unwrap();
            sim.faults(move |call| match call.operation == failing {
                true => Fault::throttled(),
                false => Fault::None,
            });
            let clock = Clock::default();
            let client = Client::new(&sim.client("w1"));
            let calls = Calls::new(&client, Duration::from_secs(30));
            let surveyor = Surveyor::new(calls, StreamRef::parse("orders"), Incarnation::default(), &clock);
            let asked = clock.now();
            let surveys = join_all((0..1_000).map(|_| surveyor.survey(asked))).await;
            assert!(surveys.iter().all(|survey| survey.is_err()));
            assert_eq!(calls_of(&sim, failing), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_readers_ask_once_which_stream_it_is_also_if_that_fails() {
        let sim = Sim::new(1);
        let clock = Clock::default();
        let client = Client::new(&sim.client("w1"));
        let calls = Calls::new(&client, Duration::from_secs(30));
        let surveyor = Surveyor::new(calls, StreamRef::parse("orders"), Incarnation::default(), &clock);
        let asked = clock.now();
        let answers = join_all((0..1_000).map(|_| surveyor.describe(asked))).await;
        assert!(answers.iter().all(|answer| answer.is_err()));
        assert_eq!(calls_of(&sim, "DescribeStreamSummary"), 1);
    }
}
