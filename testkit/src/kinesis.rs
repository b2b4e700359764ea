//! Pure: the Kinesis Data Streams service as a model, told the time with every call.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use testkit::kinesis::{Kinesis, Request, Settings};
//!
//! let mut kinesis = Kinesis::new(Settings::default());
//! let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let create = Request::decode("CreateStream", br#"{"StreamName":"orders","ShardCount":1}"#)?;
//! kinesis.handle(create, start)?;
//!
//! let active = start + Duration::from_secs(1);
//! let put = br#"{"StreamName":"orders","PartitionKey":"customer-1","Data":"aGVsbG8="}"#;
//! let reply = kinesis.handle(Request::decode("PutRecord", put)?, active)?;
//! assert!(reply.encode().starts_with(br#"{"ShardId":"shardId-000000000000","SequenceNumber":"#));
//!
//! let (_, record) = kinesis.stored("orders").next().expect("one record");
//! assert_eq!(record.data, "hello");
//! # Ok::<(), testkit::kinesis::ServiceError>(())
//! ```
//!
//! # What is modelled
//!
//! | part | rules |
//! |---|---|
//! | streams | CREATING, UPDATING, DELETING for the times in [`Settings`]; tags; by name or by ARN |
//! | accounts | quotas of shards, on-demand streams and streams in creation; [`CallRates`]; streams shared by ARN |
//! | capacity | PROVISIONED and ON_DEMAND, switched twice a day; warm throughput; scaling by [`Control::scale`] |
//! | writes | sizes up to 10 MiB, hash keys, 1,000 records/s and 1 MiB/s a shard, failures entry by entry |
//! | distribution | by partition key, or AUTO: keys are optional and ignored, the records go round the shards |
//! | reads | iterators that expire, 10 MiB a reply, 5 calls/s and 2 MiB/s a shard with debt, lag, shard ends with children |
//! | listing | all filters, paging with tokens that expire, 1,000 calls/s a stream |
//! | resharding | splits, merges and uniform scaling with true lineage, while reads and writes go on |
//! | retention | records and closed shards disappear; the period can be changed |
//! | encryption | the type of each record and reply; the errors of KMS, when [`Control::fail_kms`] says so |
//! | `DryRun` | of writes and polling reads: only whether the account may |
//! | sequence numbers | the service's own layout: increasing in a shard, larger in children and in a stream created again |
//!
//! What no client can do, a test can: see [`Control`].
//!
//! # What is not
//!
//! Fan-out consumers, metrics, resource policies as documents, account settings as calls, queues and channels. An
//! operation that is not modelled answers `UnknownOperationException`.
//!
//! # Inside
//!
//! In the order of a call:
//!
//! * the call: `request` and `wire` decode it, `call` counts it, `validate` checks its members, `addressing` finds the
//!   stream in the `account`;
//! * the operations: `lifecycle`, `describe`, `list_shards`, `put`, `get`, `reshard` and `scaling`, `capacity`,
//!   `distribution`, `encryption` by `kms`, `monitoring`, `tags`;
//! * the state: a `stream` with its `identity`, its `configuration` and what the day allows (`daily`); its pending
//!   `change`, and the `transition` to another state that it makes; its `shard`s by `shard_id`, their `throughput` by
//!   `token_bucket`; numbers and tokens: `sequence`, `iterator`, `token`, `timestamp`;
//! * the answer: `response`, or an `error`, most of them a `refusal`;
//! * for tests: `settings`, `limits`, `control`.

use std::collections::BTreeMap;
use std::time::SystemTime;

mod account;
mod addressing;
mod call;
mod capacity;
mod change;
mod configuration;
mod control;
mod daily;
mod describe;
mod distribution;
mod encryption;
mod error;
mod get;
mod identity;
mod iterator;
mod kms;
mod lifecycle;
pub mod limits;
mod list_shards;
mod monitoring;
mod put;
mod refusal;
pub mod request;
mod reshard;
pub mod response;
mod scaling;
mod sequence;
mod settings;
mod shard;
mod shard_id;
mod stream;
mod tags;
mod throughput;
mod timestamp;
mod token;
mod token_bucket;
mod transition;
mod validate;
mod wire;

#[cfg(test)]
mod scenarios;

pub use call::{CallRate, CallRates, Scope};
pub use control::Control;
pub use error::ServiceError;
pub use kms::KmsFailure;
pub use request::Request;
pub use response::Response;
pub use sequence::{InvalidSequenceNumber, SequenceNumber};
pub use settings::{Limits, OnDemand, Settings};
pub use shard::StoredRecord;
pub use shard_id::{InvalidShardId, ShardId};
pub use throughput::Traffic;
pub use timestamp::Timestamp;

use account::Account;
use call::Call;
use shard::Shard;
use stream::Stream;

/// The whole service in one region: accounts, streams, shards, records.
#[derive(Debug)]
pub struct Kinesis {
    settings: Settings,
    /// By id, those that have called.
    accounts: BTreeMap<String, Account>,
    /// How often all iterators were made to expire.
    iterator_generation: u64,
    /// The latest moment that was ever told.
    clock: Timestamp,
}

impl Default for Kinesis {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Kinesis {
    /// A service without streams.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            accounts: BTreeMap::new(),
            iterator_generation: 0,
            clock: Timestamp::default(),
        }
    }

    /// Answers one call of the account in [`Settings`] at the time `now`.
    ///
    /// The service's clock has milliseconds and never goes back: a `now` before an earlier one counts as that one.
    ///
    /// # Errors
    ///
    /// As the service has them, with the messages of the service where they are known.
    pub fn handle(&mut self, request: Request, now: SystemTime) -> Result<Response, ServiceError> {
        let account = self.settings.account_id.clone();
        self.handle_from(&account, request, now)
    }

    /// Answers one call of any account at the time `now`, as [`handle`](Self::handle) does.
    ///
    /// A name means a stream of the caller. An ARN can mean a stream of another account, if that is among
    /// [`Settings::sharing_accounts`] and the call is one of [`limits::SHARED_OPERATIONS`].
    ///
    /// # Errors
    ///
    /// Those of [`handle`](Self::handle).
    pub fn handle_from(&mut self, account: &str, request: Request, now: SystemTime) -> Result<Response, ServiceError> {
        let call = Call {
            account,
            operation: request.operation(),
            now: self.advance(now),
        };
        match request {
            Request::AddTagsToStream(request) => self.add_tags_to_stream(request, call).map(Response::from),
            Request::CreateStream(request) => self.create_stream(request, call).map(Response::from),
            Request::DecreaseStreamRetentionPeriod(request) => {
                self.decrease_retention(&request, call).map(Response::from)
            }
            Request::DeleteStream(request) => self.delete_stream(&request, call).map(Response::from),
            Request::DescribeLimits(_) => self.describe_limits(call).map(Response::from),
            Request::DescribeStream(request) => self.describe_stream(&request, call).map(Response::from),
            Request::DescribeStreamSummary(request) => self.describe_stream_summary(&request, call).map(Response::from),
            Request::DisableEnhancedMonitoring(request) => self.disable_metrics(request, call).map(Response::from),
            Request::EnableEnhancedMonitoring(request) => self.enable_metrics(request, call).map(Response::from),
            Request::GetRecords(request) => self.get_records(&request, call).map(Response::from),
            Request::GetShardIterator(request) => self.get_shard_iterator(&request, call).map(Response::from),
            Request::IncreaseStreamRetentionPeriod(request) => {
                self.increase_retention(&request, call).map(Response::from)
            }
            Request::ListShards(request) => self.list_shards(&request, call).map(Response::from),
            Request::ListStreams(request) => self.list_streams(&request, call).map(Response::from),
            Request::ListTagsForResource(request) => self.list_tags_for_resource(&request, call).map(Response::from),
            Request::ListTagsForStream(request) => self.list_tags_for_stream(&request, call).map(Response::from),
            Request::MergeShards(request) => self.merge_shards(&request, call).map(Response::from),
            Request::PutRecord(request) => self.put_record(request, call).map(Response::from),
            Request::PutRecords(request) => self.put_records(request, call).map(Response::from),
            Request::RemoveTagsFromStream(request) => self.remove_tags_from_stream(&request, call).map(Response::from),
            Request::SplitShard(request) => self.split_shard(&request, call).map(Response::from),
            Request::StartStreamEncryption(request) => self.start_encryption(request, call).map(Response::from),
            Request::StopStreamEncryption(request) => self.stop_encryption(&request, call).map(Response::from),
            Request::TagResource(request) => self.tag_resource(request, call).map(Response::from),
            Request::UntagResource(request) => self.untag_resource(&request, call).map(Response::from),
            Request::UpdateMaxRecordSize(request) => self.update_max_record_size(&request, call).map(Response::from),
            Request::UpdateShardCount(request) => self.update_shard_count(&request, call).map(Response::from),
            Request::UpdateStreamMode(request) => self.update_stream_mode(&request, call).map(Response::from),
            Request::UpdateStreamRecordDistributionStrategy(request) => {
                self.update_distribution(&request, call).map(Response::from)
            }
            Request::UpdateStreamWarmThroughput(request) => {
                self.update_warm_throughput(&request, call).map(Response::from)
            }
        }
    }

    /// Lets time pass without a call: pending changes happen, expired records disappear.
    pub fn settle(&mut self, now: SystemTime) {
        self.advance(now);
    }

    /// Makes every shard iterator expire that was handed out so far.
    pub fn expire_iterators(&mut self) {
        self.iterator_generation += 1;
    }

    /// Hands over a stream, named as in [`stored`](Self::stored), to be done with what no client can do.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such stream.
    pub fn control(&mut self, stream: &str) -> Result<Control<'_>, ServiceError> {
        let (account, name) = self.settings.locate(stream);
        let found = self
            .accounts
            .get_mut(account)
            .and_then(|account| account.streams.get_mut(name));
        match found {
            Some(stream) => {
                stream.settle(self.clock);
                Ok(Control::new(stream, &self.settings, self.clock))
            }
            None => Err(refusal::no_stream(name, account)),
        }
    }

    /// The names of the account's streams, whatever their state, as of the last call.
    pub fn stream_names(&self) -> impl Iterator<Item = &str> {
        let account = self.accounts.get(&self.settings.account_id);
        account
            .into_iter()
            .flat_map(|account| account.streams.keys().map(String::as_str))
    }

    /// The shards of a stream by id, closed ones included, as of the last call; none if there is no such stream.
    pub fn shards(&self, stream: &str) -> Vec<response::Shard> {
        self.stream(stream)
            .into_iter()
            .flat_map(Stream::shards)
            .map(Shard::describe)
            .collect()
    }

    /// The records of a stream that are not trimmed away, by shard and in the order of their numbers.
    ///
    /// The stream is told by its name, or by its ARN if it is not the account's own.
    pub fn stored(&self, stream: &str) -> impl Iterator<Item = (ShardId, &StoredRecord)> {
        let shards = self.stream(stream).into_iter().flat_map(Stream::shards);
        shards.flat_map(|shard| shard.records().map(|record| (shard.id, record)))
    }

    /// The records of one shard that are not trimmed away and come after the number `after`, in their order.
    ///
    /// The stream is told as in [`stored`](Self::stored).
    pub fn stored_after(
        &self,
        stream: &str,
        shard: ShardId,
        after: Option<SequenceNumber>,
    ) -> impl Iterator<Item = &StoredRecord> {
        let shards = self.stream(stream).into_iter().flat_map(Stream::shards);
        let found = shards.filter(move |found| found.id == shard);
        found.flat_map(move |found| found.records_after(after))
    }

    /// How many records a stream has ever stored, those trimmed away included.
    pub fn stored_count(&self, stream: &str) -> u64 {
        self.stream(stream).map_or(0, |stream| stream.stored)
    }

    /// When a shard was opened, and when it was closed, if it was.
    pub fn life(&self, stream: &str, shard: ShardId) -> Option<(Timestamp, Option<Timestamp>)> {
        let mut shards = self.stream(stream)?.shards();
        let shard = shards.find(|found| found.id == shard)?;
        Some((shard.opened, shard.closed_at()))
    }

    /// A number that no other stream of this name has or had; `None` if there is none now.
    pub fn incarnation(&self, stream: &str) -> Option<u64> {
        self.stream(stream).map(|stream| stream.identity.incarnation)
    }

    /// When the stream of this name that there is now was created.
    pub fn created(&self, stream: &str) -> Option<Timestamp> {
        self.stream(stream).map(|stream| stream.identity.created)
    }

    fn advance(&mut self, now: SystemTime) -> Timestamp {
        let now = self.clock.max(now.into());
        self.clock = now;
        for account in self.accounts.values_mut() {
            account.settle(now);
        }
        now
    }

    fn stream(&self, stream: &str) -> Option<&Stream> {
        let (account, name) = self.settings.locate(stream);
        self.accounts.get(account)?.streams.get(name)
    }
}
