//! What a client sees: JSON in, JSON out, and time that passes only when it is told to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aggregation::HashKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Kinesis, Limits, OnDemand, Request, ServiceError, Settings, ShardId, Timestamp, Traffic};

mod accounts;
mod capacity;
mod control;
mod distribution;
mod encryption;
mod listing;
mod lossless;
mod reading;
mod recreation;
mod resharding;
mod streams;
mod tags;
mod writing;

const ACCOUNT: &str = "000000000000";
const MIB: usize = 1024 * 1024;

/// A service, the present, and one stream called `orders`.
struct World {
    kinesis: Kinesis,
    now: SystemTime,
}

impl World {
    /// No stream yet.
    fn empty(settings: Settings) -> Self {
        Self {
            kinesis: Kinesis::new(settings),
            now: UNIX_EPOCH + Duration::from_secs(1_760_000_000),
        }
    }

    /// The stream is ACTIVE and has this many shards.
    fn with_shards(count: u32) -> Self {
        Self::with_settings(count, Settings::default())
    }

    /// Nothing is throttled.
    fn unlimited(count: u32) -> Self {
        Self::with_settings(
            count,
            Settings {
                limits: Limits::Off,
                ..Settings::default()
            },
        )
    }

    fn with_settings(count: u32, settings: Settings) -> Self {
        let mut world = Self::empty(settings);
        world.ok("CreateStream", json!({"StreamName": "orders", "ShardCount": count}));
        world.wait(1_000);
        world
    }

    /// The stream is on demand and ACTIVE, created with these members besides.
    fn on_demand(members: Value) -> Self {
        Self::on_demand_with(members, Settings::default())
    }

    fn on_demand_with(mut members: Value, settings: Settings) -> Self {
        let mut world = Self::empty(settings);
        members["StreamName"] = json!("orders");
        members["StreamModeDetails"] = json!({"StreamMode": "ON_DEMAND"});
        world.ok("CreateStream", members);
        world.wait(1_000);
        world
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.kinesis.settle(self.now);
    }

    fn timestamp(&self) -> Timestamp {
        self.now.into()
    }

    fn call(&mut self, operation: &str, body: &Value) -> Result<Value, ServiceError> {
        let request = Request::decode(operation, body.to_string().as_bytes())?;
        let reply = self.kinesis.handle(request, self.now)?.encode();
        Ok(serde_json::from_slice(&reply).unwrap())
    }

    fn call_from(&mut self, account: &str, operation: &str, body: &Value) -> Result<Value, ServiceError> {
        let request = Request::decode(operation, body.to_string().as_bytes())?;
        let reply = self.kinesis.handle_from(account, request, self.now)?.encode();
        Ok(serde_json::from_slice(&reply).unwrap())
    }

    #[track_caller]
    fn ok(&mut self, operation: &str, body: Value) -> Value {
        self.call(operation, &body).unwrap()
    }

    #[track_caller]
    fn error(&mut self, operation: &str, body: Value) -> ServiceError {
        self.call(operation, &body).unwrap_err()
    }

    /// Puts a record of this size into the shard of this hash key.
    fn put(&mut self, hash_key: HashKey, size: usize) -> Result<Value, ServiceError> {
        let data = STANDARD.encode(vec![b'x'; size]);
        let key = hash_key.to_string();
        self.call(
            "PutRecord",
            &json!({"StreamName": "orders", "PartitionKey": "k", "ExplicitHashKey": key, "Data": data}),
        )
    }

    /// Puts a record of one byte into the first shard, and returns its sequence number.
    #[track_caller]
    fn put_one(&mut self) -> String {
        text(&self.put(HashKey::MIN, 1).unwrap(), "SequenceNumber")
    }

    #[track_caller]
    fn iterator(&mut self, shard: u32, kind: &str) -> String {
        let reply = self.ok(
            "GetShardIterator",
            json!({"StreamName": "orders", "ShardId": shard_id(shard), "ShardIteratorType": kind}),
        );
        text(&reply, "ShardIterator")
    }

    #[track_caller]
    fn read(&mut self, iterator: &str) -> Value {
        self.ok("GetRecords", json!({"ShardIterator": iterator}))
    }

    #[track_caller]
    fn list(&mut self, filter: Value) -> Vec<String> {
        let reply = self.ok("ListShards", json!({"StreamName": "orders", "ShardFilter": filter}));
        shard_ids(&reply)
    }

    fn summary(&mut self) -> Value {
        let reply = self.ok("DescribeStreamSummary", json!({"StreamName": "orders"}));
        reply["StreamDescriptionSummary"].clone()
    }

    fn status(&mut self) -> String {
        text(&self.summary(), "StreamStatus")
    }

    /// Splits a shard in the middle, and waits until it is done.
    #[track_caller]
    fn split(&mut self, shard: u32) {
        self.ok("SplitShard", self.middle_of(shard));
        self.wait(1_000);
    }

    /// The request that splits a shard in the middle.
    fn middle_of(&self, shard: u32) -> Value {
        let shards = self.kinesis.shards("orders");
        let range = &shards
            .iter()
            .find(|it| it.shard_id.number() == shard)
            .unwrap()
            .hash_key_range;
        let (start, end) = (range.starting_hash_key.value(), range.ending_hash_key.value());
        let middle = (start + (end - start) / 2 + 1).to_string();
        json!({"StreamName": "orders", "ShardToSplit": shard_id(shard), "NewStartingHashKey": middle})
    }

    /// Merges two shards, and waits until it is done.
    #[track_caller]
    fn merge(&mut self, one: u32, other: u32) {
        let (one, other) = (shard_id(one), shard_id(other));
        self.ok(
            "MergeShards",
            json!({"StreamName": "orders", "ShardToMerge": one, "AdjacentShardToMerge": other}),
        );
        self.wait(1_000);
    }
}

fn arn(account: &str, name: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:{account}:stream/{name}")
}

fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

#[track_caller]
fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn shard_ids(reply: &Value) -> Vec<String> {
    reply["Shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| text(shard, "ShardId"))
        .collect()
}

fn sequence_numbers(reply: &Value) -> Vec<String> {
    reply["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| text(record, "SequenceNumber"))
        .collect()
}

fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(shard_id).collect()
}
