//! Pure: what became of one aggregate, for all of its records at once.

use std::sync::{Arc, OnceLock};

use aggregation::{Decoded, KinesisRecord, decode};

use crate::error::{PutError, PutErrorKind};
use crate::receipt::attempt::Attempts;
use crate::receipt::delivered::Delivered;
use crate::record::Record;

/// The end of an aggregate's way.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The service stored it.
    Delivered(Delivery),
    /// It will not be sent again; its records go back to the caller.
    Failed(Failure),
}

/// Where the service stored an aggregate.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) shard_id: Arc<str>,
    pub(crate) sequence_number: Arc<str>,
    pub(crate) attempts: Attempts,
}

/// Why an aggregate failed, and its bytes, from which each record is given back.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: PutErrorKind,
    pub(crate) stream: Arc<str>,
    pub(crate) attempts: Attempts,
    pub(crate) returned: Returned,
}

impl Outcome {
    /// What it means for the record at `position` of the aggregate.
    pub(crate) fn for_record(&self, position: u32) -> Result<Delivered, PutError> {
        match self {
            Self::Delivered(delivery) => Ok(Delivered {
                shard_id: Arc::clone(&delivery.shard_id).into(),
                sequence_number: Arc::clone(&delivery.sequence_number).into(),
                sub_sequence_number: u64::from(position),
                attempts: delivery.attempts.clone(),
            }),
            Self::Failed(failure) => Err(failure.for_record(position)),
        }
    }
}

impl Outcome {
    /// Every record that it gives back.
    pub(crate) fn returned(&self) -> Vec<PutError> {
        match self {
            Self::Delivered(_) => Vec::new(),
            Self::Failed(failure) => (0..failure.returned.len())
                .map(|position| failure.for_record(position))
                .collect(),
        }
    }
}

impl Failure {
    fn for_record(&self, position: u32) -> PutError {
        let record = self.returned.record(position);
        PutError::new(
            self.kind.clone(),
            Arc::clone(&self.stream),
            record,
            self.attempts.clone(),
        )
    }
}

/// The records of a failed aggregate, read out of its bytes when the first of them is asked for.
#[derive(Debug)]
pub(crate) struct Returned {
    sealed: KinesisRecord,
    hash_key_was_given: HashKeyOrigin,
    records: OnceLock<Vec<Record>>,
}

/// Where the hash key of a record that travels alone comes from. Inside an aggregate the bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HashKeyOrigin {
    /// The caller gave it.
    Explicit,
    /// It is the partition key's.
    PartitionKey,
}

impl Returned {
    pub(crate) fn new(sealed: KinesisRecord, hash_key_was_given: HashKeyOrigin) -> Self {
        Self {
            sealed,
            hash_key_was_given,
            records: OnceLock::new(),
        }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.sealed.user_records).unwrap_or(u32::MAX)
    }

    fn record(&self, position: u32) -> Record {
        let records = self.records.get_or_init(|| open(&self.sealed, self.hash_key_was_given));
        debug_assert!(
            (position as usize) < records.len(),
            "an aggregate gives back as many records as it took"
        );
        records
            .get(position as usize)
            .cloned()
            .unwrap_or_else(|| Record::new("", ""))
    }
}

/// The user records inside `sealed`, as they were put.
pub(crate) fn open(sealed: &KinesisRecord, hash_key_was_given: HashKeyOrigin) -> Vec<Record> {
    if sealed.user_records == 1 {
        let record = Record::reopened(&sealed.partition_key, sealed.data.clone());
        return vec![match hash_key_was_given {
            HashKeyOrigin::Explicit => record.with_explicit_hash_key(sealed.explicit_hash_key),
            HashKeyOrigin::PartitionKey => record,
        }];
    }
    let Decoded::Aggregate(aggregate) = decode(&sealed.data) else {
        debug_assert!(false, "our own aggregate decodes");
        return Vec::new();
    };
    debug_assert_eq!(aggregate.damaged(), 0, "our own aggregate decodes");
    let records = aggregate.records().map(|inner| {
        let record = Record::reopened(&inner.partition_key, inner.data);
        match inner.explicit_hash_key {
            Some(hash_key) => record.with_explicit_hash_key(hash_key),
            None => record,
        }
    });
    records.collect()
}
