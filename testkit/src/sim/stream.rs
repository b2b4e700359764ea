//! A stream in the hands of a test: what its owner, its service and its readers do to it, without calls and latency.

use std::fmt;

use aggregation::{Decoded, decode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::Sim;
#[cfg(feature = "dynamodb")]
use super::consumed::Checkpoints;
use crate::kinesis::{Control, Request, Response, ServiceError, ShardId, Traffic, response};

/// A stream in the hands of a test, from [`Sim::stream`].
///
/// What it does is no call of any process: it takes no time, meets no fault and stands in no log.
#[derive(Clone, Copy)]
pub struct SimStream<'a> {
    sim: &'a Sim,
    name: &'a str,
}

impl fmt::Debug for SimStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStream")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A user record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserRecord {
    /// The shard that stores it.
    pub shard: ShardId,
    /// The number of the Kinesis record that it is in.
    pub sequence_number: String,
    /// Its place in that record, from 0.
    pub sub_sequence_number: u64,
    /// Its partition key, unless the stream distributes records by itself.
    pub partition_key: Option<String>,
    /// Its payload.
    pub data: Bytes,
}

impl<'a> SimStream<'a> {
    pub(super) fn new(sim: &'a Sim, name: &'a str) -> Self {
        Self { sim, name }
    }

    /// Puts a record.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a PutRecord.
    pub fn put(&self, partition_key: &str, data: impl AsRef<[u8]>) -> Result<(), ServiceError> {
        let data = STANDARD.encode(data);
        self.request("PutRecord", json!({ "PartitionKey": partition_key, "Data": data }))
            .map(drop)
    }

    /// Begins to delete it. From now on nothing can be written to it; it is gone after the
    /// [`deletion_time`](crate::kinesis::Settings::deletion_time) of the settings.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a DeleteStream, for instance that the stream is being updated.
    pub fn delete(&self) -> Result<(), ServiceError> {
        self.request("DeleteStream", json!({})).map(drop)
    }

    /// Begins to split an open shard in the middle of its hash keys. It is done after the
    /// [`resharding_time`](crate::kinesis::Settings::resharding_time) of the settings.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a SplitShard, for instance that the stream is being updated.
    pub fn split(&self, shard: ShardId) -> Result<(), ServiceError> {
        let middle = self
            .shards()
            .iter()
            .find(|found| found.shard_id == shard)
            .map_or(0, |found| {
                let range = &found.hash_key_range;
                let (start, end) = (range.starting_hash_key.value(), range.ending_hash_key.value());
                start + (end - start) / 2 + 1
            });
        let body = json!({ "ShardToSplit": shard.to_string(), "NewStartingHashKey": middle.to_string() });
        self.request("SplitShard", body).map(drop)
    }

    /// Begins to merge two open shards that are neighbours. It is done after the
    /// [`resharding_time`](crate::kinesis::Settings::resharding_time) of the settings.
    ///
    /// # Errors
    ///
    /// What Kinesis answers to such a MergeShards, for instance that they are no neighbours.
    pub fn merge(&self, shard: ShardId, neighbour: ShardId) -> Result<(), ServiceError> {
        let body = json!({ "ShardToMerge": shard.to_string(), "AdjacentShardToMerge": neighbour.to_string() });
        self.request("MergeShards", body).map(drop)
    }

    /// Throttles the writes to a shard, or its reads, until [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such shard.
    pub fn throttle(&self, shard: ShardId, traffic: Traffic) -> Result<(), ServiceError> {
        self.control(|stream| stream.throttle(shard, traffic))
    }

    /// Takes [`throttle`](Self::throttle) back.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such shard.
    pub fn release(&self, shard: ShardId, traffic: Traffic) -> Result<(), ServiceError> {
        self.control(|stream| stream.release(shard, traffic))
    }

    /// Does what no client can: see [`Control`].
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such stream, else those of `act`.
    pub fn control<R>(&self, act: impl FnOnce(&mut Control<'_>) -> Result<R, ServiceError>) -> Result<R, ServiceError> {
        self.sim.kinesis(|kinesis| {
            kinesis.settle(self.sim.now());
            act(&mut kinesis.control(self.name)?)
        })
    }

    /// Its shards by id, closed ones included.
    pub fn shards(&self) -> Vec<response::Shard> {
        self.sim.kinesis(|kinesis| {
            kinesis.settle(self.sim.now());
            kinesis.shards(self.name)
        })
    }

    /// Its open shards by id.
    pub fn open_shards(&self) -> Vec<ShardId> {
        let is_open = |shard: &response::Shard| shard.sequence_number_range.ending_sequence_number.is_none();
        let shards = self.shards();
        shards
            .iter()
            .filter(|shard| is_open(shard))
            .map(|shard| shard.shard_id)
            .collect()
    }

    /// Those of its [user records](Self::user_records) that a consumer is done with, by the checkpoints in its lease table:
    /// in each shard the ones up to the checkpoint, that one included, and all of a shard at `SHARD_END`.
    ///
    /// The rows are those of the KCL, with a lease for each shard.
    #[cfg(feature = "dynamodb")]
    pub fn consumed(&self, lease_table: &str) -> Vec<UserRecord> {
        let rows = self.sim.dynamodb(|dynamodb| dynamodb.items(lease_table));
        let checkpoints = Checkpoints::of(&rows);
        let mut records = self.user_records();
        records.retain(|record| checkpoints.cover(record));
        records
    }

    /// Its user records, aggregates taken apart, by shard and in the order of the shard.
    pub fn user_records(&self) -> Vec<UserRecord> {
        self.sim.kinesis(|kinesis| {
            let mut records = Vec::new();
            for (shard, stored) in kinesis.stored(self.name) {
                let sequence_number = stored.sequence_number.to_string();
                let alone = UserRecord {
                    shard,
                    sequence_number: sequence_number.clone(),
                    sub_sequence_number: 0,
                    partition_key: stored.partition_key.clone(),
                    data: stored.data.clone(),
                };
                records.extend(members(alone));
            }
            records
        })
    }

    fn request(&self, operation: &str, mut body: Value) -> Result<Response, ServiceError> {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("StreamName".to_owned(), self.name.into());
        }
        let request = Request::decode(operation, body.to_string().as_bytes())?;
        self.sim.kinesis(|kinesis| kinesis.handle(request, self.sim.now()))
    }
}

/// The user records in a Kinesis record, which is given as if it were one itself.
fn members(kinesis_record: UserRecord) -> Vec<UserRecord> {
    let aggregate = match decode(&kinesis_record.data) {
        Decoded::Plain | Decoded::Damaged(_) => return vec![kinesis_record],
        Decoded::Aggregate(aggregate) => aggregate,
    };
    let member = |(place, member): (u64, aggregation::UserRecord)| UserRecord {
        sub_sequence_number: place,
        partition_key: Some(member.partition_key.to_string()),
        data: member.data,
        ..kinesis_record.clone()
    };
    (0..).zip(aggregate.records()).map(member).collect()
}
