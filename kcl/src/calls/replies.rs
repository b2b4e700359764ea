//! The replies of Kinesis, read into the types of this crate.

use std::time::{Duration, SystemTime};

use aggregation::HashKeyRange;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryOutput;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::types::{
    ChildShard as SdkChildShard, HashKeyRange as SdkRange, Record as SdkRecord, Shard as SdkShard,
};
use bytes::Bytes;
use service::{RangeFault, read_range};

use crate::error::{CallErrorKind, StreamError};
use crate::retrieval::deaggregate::RawRecord;
use crate::shard_sync::graph::ChildShard;
use crate::stream::{Description, Incarnation, Shard, ShardId, ShardState};

/// One reply of `GetRecords`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<RawRecord>,
    pub(crate) millis_behind_latest: Option<u64>,
    pub(crate) next: NextRead,
}

/// How a shard goes on after a page.
#[derive(Debug)]
pub(crate) enum NextRead {
    Iterator(String),
    /// The shard has ended; these took over.
    End(Vec<ChildShard>),
    /// Neither a next iterator nor children: the shard has ended, or the reply is malformed.
    Unknown,
}

impl Page {
    /// Reads a reply. A range that cannot be read goes to `faults`.
    pub(super) fn of(output: GetRecordsOutput, faults: &mut Vec<RangeFault>) -> Result<Self, StreamError> {
        let records = output.records.into_iter().map(raw_record).collect::<Result<_, _>>()?;
        let next = match output.next_shard_iterator {
            Some(iterator) => NextRead::Iterator(iterator),
            None => {
                let children = output.child_shards.unwrap_or_default();
                match children.is_empty() {
                    true => NextRead::Unknown,
                    false => NextRead::End(children.iter().map(|child| child_shard(child, faults)).collect()),
                }
            }
        };
        let millis_behind_latest = output
            .millis_behind_latest
            .and_then(|millis| u64::try_from(millis).ok());
        Ok(Self {
            records,
            millis_behind_latest,
            next,
        })
    }
}

fn raw_record(record: SdkRecord) -> Result<RawRecord, StreamError> {
    Ok(RawRecord {
        sequence_number: record
            .sequence_number
            .parse()
            .map_err(|error| misread("GetRecords", &error))?,
        // A stream that distributes records itself need not give them a key.
        partition_key: record.partition_key.unwrap_or_default(),
        data: Bytes::from(record.data.into_inner()),
        approximate_arrival: record
            .approximate_arrival_timestamp
            .and_then(|time| SystemTime::try_from(time).ok()),
    })
}

fn child_shard(child: &SdkChildShard, faults: &mut Vec<RangeFault>) -> ChildShard {
    let id = ShardId::new(child.shard_id());
    let parents = child.parent_shards().iter();
    ChildShard {
        parents: parents.map(|parent| ShardId::new(parent)).collect(),
        range: hash_range(&id, child.hash_key_range(), faults),
        id,
    }
}

pub(super) fn described_shard(shard: &SdkShard, faults: &mut Vec<RangeFault>) -> Shard {
    let numbers = shard.sequence_number_range();
    let closed = numbers.is_some_and(|range| range.ending_sequence_number().is_some());
    let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
    let id = ShardId::new(shard.shard_id());
    Shard {
        parents: parents.into_iter().flatten().map(ShardId::new).collect(),
        range: hash_range(&id, shard.hash_key_range(), faults),
        state: if closed { ShardState::Closed } else { ShardState::Open },
        starting_sequence_number: numbers
            .map(|range| range.starting_sequence_number().to_owned())
            .unwrap_or_default(),
        id,
    }
}

fn hash_range(shard: &ShardId, range: Option<&SdkRange>, faults: &mut Vec<RangeFault>) -> Option<HashKeyRange> {
    let range = range.map(|range| (range.starting_hash_key(), range.ending_hash_key()));
    read_range(shard, range, faults)
}

pub(super) fn description(output: &DescribeStreamSummaryOutput) -> Result<Description, StreamError> {
    let misread = |error: &dyn std::error::Error| misread("DescribeStreamSummary", error);
    let summary = output
        .stream_description_summary()
        .ok_or_else(|| not_understood("DescribeStreamSummary", "the reply holds no description"))?;
    let created = SystemTime::try_from(*summary.stream_creation_timestamp());
    let created = created.map_err(|error| misread(&error))?;
    let hours = u64::try_from(summary.retention_period_hours()).ok();
    Ok(Description {
        incarnation: Incarnation::new(summary.stream_arn(), created),
        retention: hours.map(|hours| Duration::from_secs(hours * 60 * 60)),
    })
}

pub(super) fn misread(operation: &'static str, error: &dyn std::error::Error) -> StreamError {
    StreamError {
        operation,
        kind: CallErrorKind::unreadable(error),
    }
}

pub(super) fn not_understood(operation: &'static str, message: &str) -> StreamError {
    StreamError {
        operation,
        kind: CallErrorKind::Unreadable {
            message: message.to_owned(),
        },
    }
}
