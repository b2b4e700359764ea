//! Pure: PutRecord and PutRecords.

use aggregation::HashKey;
use bytes::Bytes;

use super::call::Call;
use super::error::ServiceError;
use super::request::{PutRecordsEntry, RecordDistributionStrategy};
use super::response::{self, PutRecordsResult};
use super::sequence::SequenceNumber;
use super::settings::Limits;
use super::shard::{NewRecord, record_bytes};
use super::shard_id::ShardId;
use super::stream::Stream;
use super::timestamp::Timestamp;
use super::validate::Constraints;
use super::wire::VIOLATION;
use super::{Kinesis, limits, refusal, request};

const THROTTLED: &str = "ProvisionedThroughputExceededException";

impl Kinesis {
    pub(super) fn put_record(
        &mut self,
        request: request::PutRecord,
        call: Call<'_>,
    ) -> Result<response::PutRecord, ServiceError> {
        let (name, arn) = (request.stream_name.as_deref(), request.stream_arn.as_deref());
        if request.dry_run == Some(true) {
            return Err(self.rehearse(call, name, arn));
        }
        let ordering = request.sequence_number_for_ordering.as_deref();
        Constraints::default()
            .partition_key("partitionKey", request.partition_key.as_deref())
            .hash_key("explicitHashKey", request.explicit_hash_key.as_deref())
            .sequence_number("sequenceNumberForOrdering", ordering)
            .check()?;
        let enforced = self.settings.limits;
        let stream = self.stream_mut(call, name, arn)?;
        stream.check_writable()?;
        let record = PutRecordsEntry {
            data: request.data,
            partition_key: request.partition_key,
            explicit_hash_key: request.explicit_hash_key,
        };
        let record = stream.accept(record, Member::Only)?;
        if let Some(minimum) = ordering {
            stream.check_ordering(minimum, call.now)?;
        }
        stream.check_kms()?;
        let (shard_id, sequence_number) = stream.put(record, enforced, call.now).map_err(|shard| {
            ServiceError::throughput_exceeded(refusal::write_rate_exceeded(shard, &stream.identity))
        })?;
        Ok(response::PutRecord {
            shard_id,
            sequence_number,
            encryption_type: stream.config.encryption_type(),
        })
    }

    pub(super) fn put_records(
        &mut self,
        request: request::PutRecords,
        call: Call<'_>,
    ) -> Result<response::PutRecords, ServiceError> {
        let (name, arn) = (request.stream_name.as_deref(), request.stream_arn.as_deref());
        if request.dry_run == Some(true) {
            return Err(self.rehearse(call, name, arn));
        }
        check_entries(&request.records)?;
        let enforced = self.settings.limits;
        let stream = self.stream_mut(call, name, arn)?;
        stream.check_writable()?;
        let records = stream.accept_all(request.records)?;
        stream.check_kms()?;

        let mut failed_record_count = 0;
        let records = records
            .into_iter()
            .map(|record| match stream.put(record, enforced, call.now) {
                Ok((shard_id, sequence_number)) => PutRecordsResult::Stored {
                    sequence_number,
                    shard_id,
                },
                Err(shard) => {
                    failed_record_count += 1;
                    PutRecordsResult::Refused {
                        error_code: THROTTLED,
                        error_message: refusal::write_rate_exceeded(shard, &stream.identity),
                    }
                }
            })
            .collect();
        Ok(response::PutRecords {
            failed_record_count,
            records,
            encryption_type: stream.config.encryption_type(),
        })
    }
}

/// A record that nothing is wrong with, on its way to its shard.
struct Incoming {
    /// Decides the shard; none if the service does.
    key: Option<HashKey>,
    record: NewRecord,
}

/// Where a record stands in its request, to name its members.
#[derive(Clone, Copy)]
enum Member {
    Only,
    Entry(usize),
}

impl Member {
    fn name(self, member: &str) -> String {
        match self {
            Self::Only => member.to_owned(),
            Self::Entry(index) => format!("records.{}.member.{member}", index + 1),
        }
    }
}

impl Stream {
    /// Stores a record, unless its shard is too busy.
    fn put(
        &mut self,
        Incoming { key, record }: Incoming,
        enforced: Limits,
        now: Timestamp,
    ) -> Result<(ShardId, SequenceNumber), ShardId> {
        let bytes = record_bytes(&record.data, record.partition_key.as_deref());
        let shard = match key {
            Some(key) => self.route(key),
            None => self.next_in_turn(),
        };
        let shard = shard.ok_or(ShardId::FIRST)?;
        let id = shard.id;
        if !shard.throughput.admit_write(bytes, enforced, now) {
            return Err(id);
        }
        let number = self.append(id, record, now).ok_or(id)?;
        Ok((id, number))
    }

    /// Takes the entries of a request together: one that is wrong fails them all.
    fn accept_all(&self, entries: Vec<PutRecordsEntry>) -> Result<Vec<Incoming>, ServiceError> {
        let total: u64 = entries
            .iter()
            .map(|entry| record_bytes(&entry.data, entry.partition_key.as_deref()))
            .sum();
        let entries = entries.into_iter().enumerate();
        let records = entries
            .map(|(index, entry)| self.accept(entry, Member::Entry(index)))
            .collect::<Result<_, _>>()?;
        if total > limits::BYTES_PER_PUT {
            return Err(ServiceError::invalid_argument("Records size exceeds 10 MB limit"));
        }
        Ok(records)
    }

    fn accept(&self, record: PutRecordsEntry, member: Member) -> Result<Incoming, ServiceError> {
        let PutRecordsEntry {
            data,
            partition_key,
            explicit_hash_key,
        } = record;
        self.check_size(member, &data, partition_key.as_deref())?;
        let key = match (self.config.distribution, partition_key.as_deref()) {
            (RecordDistributionStrategy::Auto, _) => None,
            (RecordDistributionStrategy::UserPartitionKey, Some(key)) => {
                Some(hash_key(key, explicit_hash_key.as_deref())?)
            }
            (RecordDistributionStrategy::UserPartitionKey, None) => return Err(no_partition_key(member)),
        };
        let record = NewRecord {
            partition_key,
            data,
            encryption_type: self.config.encryption_type(),
        };
        Ok(Incoming { key, record })
    }

    fn check_size(&self, member: Member, data: &Bytes, partition_key: Option<&str>) -> Result<(), ServiceError> {
        let largest = self.config.record_bytes();
        if record_bytes(data, partition_key) <= largest {
            return Ok(());
        }
        let length = data.len();
        let value = format_args!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]");
        let violation = format!("Member must have length less than or equal to {largest}");
        Constraints::default()
            .violated(&member.name("data"), value, Some(violation))
            .check()
    }

    fn check_ordering(&self, minimum: &str, now: Timestamp) -> Result<(), ServiceError> {
        let label = self.identity.label();
        if self.config.distribution == RecordDistributionStrategy::Auto {
            return Err(ServiceError::invalid_argument(format!(
                "SequenceNumberForOrdering cannot be used in PutRecord on {label}, which uses the AUTO record distribution \
                 strategy."
            )));
        }
        let layout = minimum.parse().ok().and_then(SequenceNumber::layout);
        // Eras may run ahead of the clock when shards live for less than a second.
        if layout.is_some_and(|layout| layout.arrived <= now.as_secs().max(self.era())) {
            return Ok(());
        }
        Err(ServiceError::invalid_argument(format!(
            "ExclusiveMinimumSequenceNumber {minimum} used in PutRecord on {label} is invalid."
        )))
    }
}

fn check_entries(entries: &[PutRecordsEntry]) -> Result<(), ServiceError> {
    let list = Constraints::default().count("records", entries.len(), limits::RECORDS_PER_PUT);
    let of_entry = |constraints: Constraints, (index, entry): (usize, &PutRecordsEntry)| {
        if is_plain(entry) {
            return constraints;
        }
        let member = Member::Entry(index);
        constraints
            .partition_key(&member.name("partitionKey"), entry.partition_key.as_deref())
            .hash_key(&member.name("explicitHashKey"), entry.explicit_hash_key.as_deref())
    };
    entries.iter().enumerate().fold(list, of_entry).check()
}

/// Spares the entries that are obviously right the names that only a message would need.
fn is_plain(entry: &PutRecordsEntry) -> bool {
    let key = entry.partition_key.as_ref();
    key.is_none_or(|key| (1..=limits::PARTITION_KEY_CHARACTERS).contains(&key.len()))
        && entry.explicit_hash_key.is_none()
}

fn no_partition_key(member: Member) -> ServiceError {
    ServiceError::validation(format!(
        "{VIOLATION}Value null at '{}' failed to satisfy constraint: Member must not be null",
        member.name("partitionKey")
    ))
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
