//! What the service answers in a world: to requests, to fetches of the shard map, and to questions for the description.

use aggregation::KinesisRecord;

use super::{Question, World};
use crate::config::ordering::RecordDistribution;
use crate::error::codes::Refusal;
use crate::pipeline::{Answer, EntryAnswer, Input, RequestId};
use crate::routing::shard_map::Shard;
use crate::routing::summary::StreamSummary;
use service::{CallClass, CallError, Effect};

/// What the service calls each request here.
pub(in crate::pipeline::tests) const REQUEST_ID: &str = "cc2a4ae9";
/// What the service answers if there is no such stream.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// An answer with one result for each entry.
pub(in crate::pipeline::tests) fn answered(entries: Vec<EntryAnswer>) -> Answer {
    Answer::Entries {
        entries,
        request_id: Some(REQUEST_ID.into()),
    }
}

pub(in crate::pipeline::tests) fn failure(code: &str) -> CallError {
    CallError {
        code: code.into(),
        message: "as the script says".into(),
        request_id: None,
        class: CallClass::of_code(code),
        effect: Effect::None,
    }
}

pub(in crate::pipeline::tests) fn refused(code: &str) -> EntryAnswer {
    EntryAnswer::Refused(Refusal::new(code.into(), "as the script says".into()))
}

impl World {
    /// The oldest request under way.
    pub(in crate::pipeline::tests) fn request(&self) -> RequestId {
        *self.requests.first_key_value().unwrap().0
    }

    pub(in crate::pipeline::tests) fn answer(&mut self, request: RequestId, answer: Answer) {
        self.requests.remove(&request);
        self.stored.remove(&request);
        if let Answer::Failed(failure) = &answer {
            self.note(failure);
        }
        self.pipeline.handle(Input::Answer { request, answer }, self.now);
        self.observe();
        self.work();
    }

    /// Stores the oldest request and answers it.
    pub(in crate::pipeline::tests) fn stored(&mut self) {
        let request = self.request();
        let refusal = self.refusal(request);
        let answer = refusal.unwrap_or_else(|| answered(self.store(request)));
        self.answer(request, answer);
    }

    /// Stores the entries of a request, without an answer yet, unless they are stored.
    pub(in crate::pipeline::tests) fn store(&mut self, request: RequestId) -> Vec<EntryAnswer> {
        if let Some(stored) = self.stored.get(&request) {
            return stored.clone();
        }
        let entries = self.requests[&request].clone();
        let stored: Vec<_> = entries.iter().map(|entry| self.store_entry(entry)).collect();
        self.stored.insert(request, stored.clone());
        stored
    }

    /// Whether the entries of a request are stored.
    pub(in crate::pipeline::tests) fn is_stored(&self, request: RequestId) -> bool {
        self.stored.contains_key(&request)
    }

    pub(in crate::pipeline::tests) fn store_entry(&mut self, entry: &KinesisRecord) -> EntryAnswer {
        let (shard, sequence_number) = self.stream.store(entry);
        EntryAnswer::Stored { shard, sequence_number }
    }

    /// What the service says to a request as a whole, if it does not store it.
    pub(in crate::pipeline::tests) fn refusal(&self, request: RequestId) -> Option<Answer> {
        if self.is_stored(request) {
            return None;
        }
        if self.stream.is_gone {
            return Some(Answer::Failed(failure(NOT_FOUND)));
        }
        let has_key = |entry: &KinesisRecord| !entry.partition_key.is_empty();
        let follows_keys = self.stream.distribution == RecordDistribution::UserPartitionKey;
        (follows_keys && !self.requests[&request].iter().all(has_key)).then(|| {
            Answer::Failed(CallError {
                message: "Value null at 'records.1.member.partitionKey' failed to satisfy constraint".into(),
                ..failure("ValidationException")
            })
        })
    }

    /// Answers the question for the stream's description, as was right when it was asked.
    pub(in crate::pipeline::tests) fn described(&mut self) {
        let Question(distribution) = self.description.take().unwrap();
        self.describe_as(Ok(StreamSummary {
            distribution,
            ..StreamSummary::default()
        }));
    }

    pub(in crate::pipeline::tests) fn describe_failed(&mut self, code: &str) {
        self.description.take().unwrap();
        self.describe_as(Err(failure(code)));
    }

    pub(in crate::pipeline::tests) fn describe_as(&mut self, described: Result<StreamSummary, CallError>) {
        if let Err(failure) = &described {
            self.note(failure);
        }
        self.pipeline.handle(Input::Description(described), self.now);
        self.observe();
        self.work();
    }

    /// Answers the fetch under way.
    pub(in crate::pipeline::tests) fn fetched(&mut self) {
        let listing = self.fetch.take().unwrap();
        match listing.shards {
            Some(shards) => {
                self.known.list(listing.generation, &shards);
                self.list(Ok(shards));
            }
            None => self.list(Err(failure(NOT_FOUND))),
        }
    }

    /// The fetch in flight lists the shards of now.
    pub(in crate::pipeline::tests) fn fetch_of_now(&mut self) {
        assert!(self.fetch.is_some());
        self.fetch = Some(self.stream.listing());
        self.fetched();
    }

    /// Something has contradicted the map: a list of the shards is asked for.
    pub(in crate::pipeline::tests) fn ask_for_shards(&mut self) {
        let refresher = &mut self.pipeline.stages.knowledge.refresher;
        refresher.on_contradiction(self.now, self.now);
        self.work();
        assert!(self.fetch.is_some(), "a list is on its way");
    }

    /// Something has contradicted the map, and it is fetched anew.
    pub(in crate::pipeline::tests) fn fetch_again(&mut self) {
        self.ask_for_shards();
        self.fetched();
    }

    pub(in crate::pipeline::tests) fn fetch_failed(&mut self, code: &str) {
        self.fetch.take().unwrap();
        self.list(Err(failure(code)));
    }

    fn list(&mut self, shards: Result<Vec<Shard>, CallError>) {
        if let Err(failure) = &shards {
            self.note(failure);
        }
        self.pipeline.handle(Input::Shards(shards.map(Into::into)), self.now);
        self.observe();
        self.work();
    }

    /// What the producer is told by a failure.
    fn note(&mut self, failure: &CallError) {
        if self.stream.is_gone && failure.code == NOT_FOUND {
            self.known.miss(self.stream.generation);
        }
    }
}
