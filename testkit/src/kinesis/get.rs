//! Pure: GetShardIterator and GetRecords.

use super::call::Call;
use super::error::ServiceError;
use super::iterator::ShardIterator;
use super::request::ShardIteratorType;
use super::response::{self, ChildShard, Record};
use super::sequence::SequenceNumber;
use super::shard::{Reading, Shard, StoredRecord};
use super::shard_id::ShardId;
use super::timestamp::Timestamp;
use super::validate::Constraints;
use super::{Kinesis, limits, refusal, request};

impl Kinesis {
    pub(super) fn get_shard_iterator(
        &mut self,
        request: &request::GetShardIterator,
        call: Call<'_>,
    ) -> Result<response::GetShardIterator, ServiceError> {
        let (name, arn) = (request.stream_name.as_deref(), request.stream_arn.as_deref());
        if request.dry_run == Some(true) {
            return Err(self.rehearse(call, name, arn));
        }
        Constraints::default()
            .name("shardId", Some(&request.shard_id))
            .sequence_number("startingSequenceNumber", request.starting_sequence_number.as_deref())
            .check()?;
        let (enforced, generation, now) = (self.settings.limits, self.iterator_generation, call.now);
        let stream = self.stream_mut(call, name, arn)?;
        let (incarnation, label) = (stream.identity.incarnation, stream.identity.label());
        let (account, name) = (stream.identity.account_id.clone(), stream.identity.name.clone());

        let shard = stream.shard_named(&request.shard_id)?;
        let start = start(shard, request, now).map_err(|problem| problem.describe(shard.id, &label))?;
        if !shard.throughput.admit_iterator(enforced, now) {
            return Err(refusal::read_rate_exceeded(&request.shard_id, &stream.identity));
        }
        let iterator = ShardIterator {
            account,
            stream: name,
            incarnation,
            shard: shard.id,
            start,
            issued: now,
            generation,
        };
        Ok(response::GetShardIterator {
            shard_iterator: iterator.seal(),
        })
    }

    pub(super) fn get_records(
        &mut self,
        request: &request::GetRecords,
        call: Call<'_>,
    ) -> Result<response::GetRecords, ServiceError> {
        if request.dry_run == Some(true) {
            return Err(refusal::dry_run());
        }
        Constraints::default()
            .length(
                "shardIterator",
                &request.shard_iterator,
                limits::SHARD_ITERATOR_CHARACTERS,
            )
            .range("limit", request.limit, 1, limits::MAX_LISTING_LIMIT)
            .check()?;
        let iterator = ShardIterator::open(&request.shard_iterator)?;
        let (enforced, now) = (self.settings.limits, call.now);
        iterator.check_age(self.iterator_generation, now)?;
        let stream = self.stream_of(call, &iterator.account, &iterator.stream)?;
        if stream.identity.incarnation != iterator.incarnation {
            return Err(refusal::not_found(&stream.identity));
        }
        stream.check_kms()?;
        let shard = stream.shard_named(&iterator.shard.to_string())?;
        if !shard.throughput.admit_read(enforced, now) {
            return Err(refusal::read_rate_exceeded(iterator.shard, &stream.identity));
        }
        let limit = request
            .limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(limits::RECORDS_PER_GET);
        let reading = shard.read(iterator.start, limit);
        let (bytes, ended) = (reading.bytes, reading.drained && !shard.is_open());
        let millis_behind_latest = millis_behind_latest(&reading, now);
        let next = ShardIterator {
            start: reading.next,
            issued: now,
            ..iterator
        };
        let records = reading.records.into_iter().map(Record::from).collect();
        shard.throughput.charge_read(bytes, now);

        Ok(response::GetRecords {
            records,
            next_shard_iterator: (!ended).then(|| next.seal()),
            millis_behind_latest,
            child_shards: ended.then(|| stream.children(next.shard).map(ChildShard::from).collect()),
        })
    }
}

/// How long ago the last record that was read arrived, if there are newer ones.
///
/// Zero promises that there are none, so it is not told of a reading that stopped within its own millisecond.
fn millis_behind_latest(reading: &Reading<'_>, now: Timestamp) -> u64 {
    match reading.records.last() {
        Some(last) if !reading.drained => now.millis_since(last.arrival).max(1),
        _ => 0,
    }
}

/// The place that a request describes.
fn start(shard: &Shard, request: &request::GetShardIterator, now: Timestamp) -> Result<SequenceNumber, Misplaced> {
    use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, AtTimestamp, Latest, TrimHorizon};

    match (request.shard_iterator_type, &request.starting_sequence_number) {
        (TrimHorizon, None) => Ok(shard.beginning()),
        (Latest, None) => Ok(shard.end()),
        (AtTimestamp, None) => match request.timestamp {
            None => Err(Misplaced::NoTimestamp),
            Some(timestamp) if timestamp > now => Err(Misplaced::Future { timestamp, now }),
            Some(timestamp) => Ok(shard.position_at(timestamp)),
        },
        (AtSequenceNumber, Some(number)) => position(shard, number),
        (AfterSequenceNumber, Some(number)) => position(shard, number).map(SequenceNumber::successor),
        (kind @ (TrimHorizon | Latest | AtTimestamp), Some(_)) => Err(Misplaced::Mismatch(kind, "also a")),
        (kind @ (AtSequenceNumber | AfterSequenceNumber), None) => Err(Misplaced::Mismatch(kind, "no")),
    }
}

/// Reads a sequence number that must be one of the shard's.
fn position(shard: &Shard, text: &str) -> Result<SequenceNumber, Misplaced> {
    let number: SequenceNumber = text.parse().map_err(|_| Misplaced::Unreadable(text.to_owned()))?;
    match number.layout() {
        None => Err(Misplaced::Unreadable(text.to_owned())),
        Some(layout) if layout.shard != shard.id => Err(Misplaced::OtherShard(layout.shard)),
        Some(layout) if layout.opened != shard.era() => Err(Misplaced::OtherStream(text.to_owned())),
        Some(_) => Ok(number),
    }
}

/// Why a request describes no place in the shard.
#[derive(Debug)]
enum Misplaced {
    NoTimestamp,
    Future { timestamp: Timestamp, now: Timestamp },
    Mismatch(ShardIteratorType, &'static str),
    Unreadable(String),
    OtherShard(ShardId),
    OtherStream(String),
}

impl Misplaced {
    fn describe(&self, shard: ShardId, stream: &str) -> ServiceError {
        ServiceError::invalid_argument(match self {
            Self::NoTimestamp => "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current \
                                  request has no timestamp parameter."
                .to_owned(),
            Self::Future { timestamp, now } => format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                 timestampInMillis: {}, currentTimestampInMillis: {}",
                timestamp.as_millis(),
                now.as_millis()
            ),
            Self::Mismatch(kind, number) => format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                 TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {number} \
                 StartingSequenceNumber.",
                kind.name()
            ),
            Self::OtherShard(other) => format!(
                "Invalid StartingSequenceNumber. It encodes {other}, while it was used in a call to a shard with {shard}"
            ),
            Self::Unreadable(number) => format!(
                "StartingSequenceNumber {number} used in GetShardIterator on shard {shard} in {stream} is invalid."
            ),
            Self::OtherStream(number) => format!(
                "StartingSequenceNumber {number} used in GetShardIterator on shard {shard} in {stream} is invalid \
                 because it did not come from this stream."
            ),
        })
    }
}

impl From<&StoredRecord> for Record {
    fn from(record: &StoredRecord) -> Self {
        let StoredRecord {
            sequence_number,
            partition_key,
            data,
            arrival,
            encryption_type,
        } = record.clone();
        Self {
            sequence_number,
            approximate_arrival_timestamp: arrival,
            data,
            partition_key,
            encryption_type,
        }
    }
}

impl From<&Shard> for ChildShard {
    fn from(shard: &Shard) -> Self {
        Self {
            shard_id: shard.id,
            parent_shards: shard.parents.ids().collect(),
            hash_key_range: shard.range.into(),
        }
    }
}
