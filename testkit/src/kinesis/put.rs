//! Pure: PutRecord and PutRecords.

use aggregation::HashKey;
use bytes::Bytes;

use super::error::ServiceError;
use super::response::{self, PutRecordsResult};
use super::sequence::SequenceNumber;
use super::settings::Limits;
use super::shard::record_bytes;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::timestamp::Timestamp;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

const THROTTLED: &str = "ProvisionedThroughputExceededException";

impl Kinesis {
    pub(super) fn put_record(
        &mut self,
        request: request::PutRecord,
        now: Timestamp,
    ) -> Result<response::PutRecord, ServiceError> {
        let request::PutRecord {
            data,
            partition_key,
            explicit_hash_key,
            sequence_number_for_ordering,
            ..
        } = request;
        Constraints::default()
            .length("partitionKey", &partition_key, limits::PARTITION_KEY_CHARACTERS)
            .hash_key("explicitHashKey", explicit_hash_key.as_deref())
            .sequence_number("sequenceNumberForOrdering", sequence_number_for_ordering.as_deref())
            .check()?;
        let enforced = self.settings.limits;
        let stream = self.stream_mut(request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_writable()?;
        stream.check_size("data", &data, &partition_key)?;
        let key = hash_key(&partition_key, explicit_hash_key.as_deref())?;
        if let Some(minimum) = sequence_number_for_ordering {
            stream.check_ordering(&minimum, now)?;
        }
        let (shard_id, sequence_number) = stream
            .put(
                Incoming {
                    key,
                    data,
                    partition_key,
                },
                enforced,
                now,
            )
            .map_err(|shard| ServiceError::throughput_exceeded(stream.write_rate_exceeded(shard)))?;
        Ok(response::PutRecord {
            shard_id,
            sequence_number,
        })
    }

    pub(super) fn put_records(
        &mut self,
        request: request::PutRecords,
        now: Timestamp,
    ) -> Result<response::PutRecords, ServiceError> {
        let request::PutRecords {
            stream_name,
            stream_arn,
            records,
            ..
        } = request;
        check_entries(&records)?;
        let enforced = self.settings.limits;
        let stream = self.stream_mut(stream_name.as_deref(), stream_arn.as_deref())?;
        stream.check_writable()?;
        let records = stream.accept(records)?;

        let mut failed_record_count = 0;
        let records = records
            .into_iter()
            .map(|record| match stream.put(record, enforced, now) {
                Ok((shard_id, sequence_number)) => PutRecordsResult::Stored {
                    sequence_number,
                    shard_id,
                },
                Err(shard) => {
                    failed_record_count += 1;
                    PutRecordsResult::Refused {
                        error_code: THROTTLED,
                        error_message: stream.write_rate_exceeded(shard),
                    }
                }
            })
            .collect();
        Ok(response::PutRecords {
            failed_record_count,
            records,
        })
    }
}

/// A record that nothing is wrong with, on its way to its shard.
struct Incoming {
    key: HashKey,
    data: Bytes,
    partition_key: String,
}

impl Stream {
    /// Stores a record, unless its shard is too busy.
    fn put(
        &mut self,
        record: Incoming,
        enforced: Limits,
        now: Timestamp,
    ) -> Result<(ShardId, SequenceNumber), ShardId> {
        let Incoming {
            key,
            data,
            partition_key,
        } = record;
        let bytes = record_bytes(&data, &partition_key);
        let shard = self.route(key).ok_or(ShardId::FIRST)?;
        let id = shard.id;
        if !shard.throughput.admit_write(bytes, enforced, now) {
            return Err(id);
        }
        let number = self.append(id, (data, partition_key), now).ok_or(id)?;
        Ok((id, number))
    }

    /// Takes the entries of a request together: one that is wrong fails them all.
    fn accept(&self, entries: Vec<request::PutRecordsEntry>) -> Result<Vec<Incoming>, ServiceError> {
        let total: u64 = entries
            .iter()
            .map(|entry| record_bytes(&entry.data, &entry.partition_key))
            .sum();
        let records = entries.into_iter().enumerate().map(|(index, entry)| {
            let request::PutRecordsEntry {
                data,
                partition_key,
                explicit_hash_key,
            } = entry;
            self.check_size(&format!("records.{}.member.data", index + 1), &data, &partition_key)?;
            let key = hash_key(&partition_key, explicit_hash_key.as_deref())?;
            Ok(Incoming {
                key,
                data,
                partition_key,
            })
        });
        let records = records.collect::<Result<_, ServiceError>>()?;
        if total > limits::BYTES_PER_PUT {
            return Err(ServiceError::invalid_argument("Records size exceeds 10 MB limit"));
        }
        Ok(records)
    }

    fn check_size(&self, member: &str, data: &Bytes, partition_key: &str) -> Result<(), ServiceError> {
        let largest = self.record_bytes();
        let too_large = record_bytes(data, partition_key) > largest;
        let violation = too_large.then(|| format!("Member must have length less than or equal to {largest}"));
        let length = data.len();
        let value = format_args!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]");
        Constraints::default().violated(member, value, violation).check()
    }

    fn check_ordering(&self, minimum: &str, now: Timestamp) -> Result<(), ServiceError> {
        let layout = minimum.parse().ok().and_then(SequenceNumber::layout);
        // Eras may run ahead of the clock when shards live for less than a second.
        if layout.is_some_and(|layout| layout.arrived <= now.as_secs().max(self.era())) {
            return Ok(());
        }
        let label = self.label();
        Err(ServiceError::invalid_argument(format!(
            "ExclusiveMinimumSequenceNumber {minimum} used in PutRecord on {label} is invalid."
        )))
    }
}

fn check_entries(entries: &[request::PutRecordsEntry]) -> Result<(), ServiceError> {
    let count = entries.len();
    let violation = match count {
        0 => Some("Member must have length greater than or equal to 1".to_owned()),
        1..=limits::RECORDS_PER_PUT => None,
        _ => Some(format!(
            "Member must have length less than or equal to {}",
            limits::RECORDS_PER_PUT
        )),
    };
    let list = Constraints::default().violated("records", format_args!("[{count} entries]"), violation);
    let of_entry = |constraints: Constraints, (index, entry): (usize, &request::PutRecordsEntry)| {
        if is_plain(entry) {
            return constraints;
        }
        let member = |name| format!("records.{}.member.{name}", index + 1);
        constraints
            .length(
                &member("partitionKey"),
                &entry.partition_key,
                limits::PARTITION_KEY_CHARACTERS,
            )
            .hash_key(&member("explicitHashKey"), entry.explicit_hash_key.as_deref())
    };
    entries.iter().enumerate().fold(list, of_entry).check()
}

/// Spares the entries that are obviously right the names that only a message would need.
fn is_plain(entry: &request::PutRecordsEntry) -> bool {
    (1..=limits::PARTITION_KEY_CHARACTERS).contains(&entry.partition_key.len()) && entry.explicit_hash_key.is_none()
}

fn hash_key(partition_key: &str, explicit: Option<&str>) -> Result<HashKey, ServiceError> {
    let Some(explicit) = explicit else {
        return Ok(HashKey::of_partition_key(partition_key));
    };
    explicit.parse().map_err(|_| {
        ServiceError::invalid_argument(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {explicit}"
        ))
    })
}
