//! Pure: a record as the application gets it.

use std::fmt;
use std::time::SystemTime;

use aggregation::{HashKey, RecordDamage, Tag, UserRecord};
use bytes::Bytes;

use crate::checkpoint::position::{RecordPosition, SequenceNumber};

/// One user record: what a producer put.
///
/// Cloning it is cheap. Its data share the memory of the Kinesis record that it came in, and keep all of it alive.
#[derive(Clone, PartialEq, Eq)]
#[doc(alias = "KinesisClientRecord")]
pub struct Record {
    position: RecordPosition,
    approximate_arrival: Option<SystemTime>,
    origin: Origin,
    content: UserRecord,
}

/// How a user record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// As a Kinesis record of its own.
    Plain,
    /// In an aggregate, among other user records.
    Aggregated,
}

impl Record {
    pub(crate) fn new(
        position: RecordPosition,
        approximate_arrival: Option<SystemTime>,
        origin: Origin,
        content: UserRecord,
    ) -> Self {
        Self {
            position,
            approximate_arrival,
            origin,
            content,
        }
    }

    /// Its place in the shard: what a checkpoint at this record names.
    pub fn position(&self) -> &RecordPosition {
        &self.position
    }

    /// The sequence number of its Kinesis record; the records of one aggregate share it.
    pub fn sequence_number(&self) -> &SequenceNumber {
        &self.position.sequence_number
    }

    /// Its place inside its Kinesis record, from 0.
    pub fn sub_sequence_number(&self) -> u64 {
        self.position.sub_sequence_number
    }

    /// The partition key. [Damage](Self::damage) can leave it empty, or with `U+FFFD` in the place of what is not UTF-8.
    pub fn partition_key(&self) -> &str {
        &self.content.partition_key
    }

    /// The hash key that the producer asked for. Only an aggregate tells it; the service does not return it.
    pub fn explicit_hash_key(&self) -> Option<HashKey> {
        self.content.explicit_hash_key
    }

    /// The data.
    pub fn data(&self) -> &Bytes {
        &self.content.data
    }

    /// Takes the data out.
    pub fn into_data(self) -> Bytes {
        self.content.data
    }

    /// When the service took its Kinesis record, if the service says so. Neither exact nor increasing.
    pub fn approximate_arrival(&self) -> Option<SystemTime> {
        self.approximate_arrival
    }

    /// What is wrong with it: damage of the aggregate that it came in. `None` if nothing is.
    ///
    /// The data of a damaged record are complete; what its aggregate says of its keys cannot be read. It has its own
    /// position and is checkpointed like any other record. The Java KCL delivers neither a record with a bad index or
    /// explicit hash key nor the records behind it in the same aggregate, and its checkpoint passes them.
    pub fn damage(&self) -> Option<&RecordDamage> {
        self.content.damage.as_deref()
    }

    /// The tags that its producer gave it. Only an aggregate carries them, and the KPL writes none.
    pub fn tags(&self) -> &[Tag] {
        &self.content.tags
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn into_content(self) -> UserRecord {
        self.content
    }

    /// How it came.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl From<&Record> for RecordPosition {
    fn from(record: &Record) -> Self {
        record.position.clone()
    }
}

/// Shows the length of the data, never the data.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("position", &format_args!("{}", self.position))
            .field("partition_key", &self.partition_key())
            .field("data_len", &self.data().len())
            .field("origin", &self.origin)
            .field("damage", &self.damage())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::handler_error::HandlerError;

    fn record() -> Record {
        let sequence_number = SequenceNumber::new("49").unwrap();
        let content = UserRecord {
            partition_key: "customer-7".into(),
            explicit_hash_key: None,
            data: Bytes::from_static(b"secret"),
            tags: Vec::new(),
            damage: None,
        };
        let position = RecordPosition {
            sequence_number,
            sub_sequence_number: 2,
        };
        Record::new(position, None, Origin::Aggregated, content)
    }

    #[test]
    fn an_error_names_a_record_by_the_record_or_by_its_position() {
        let record = record();
        let by_record = HandlerError::new("no disk").at(&record);
        let by_position = HandlerError::new("no disk").at(record.position());
        assert_eq!(by_record.position(), Some(record.position()));
        assert_eq!(by_position.position(), Some(record.position()));
    }

    #[test]
    fn debug_output_does_not_show_the_data() {
        assert_eq!(
            format!("{:?}", record()),
            r#"Record { position: 49:2, partition_key: "customer-7", data_len: 6, origin: Aggregated, damage: None, .. }"#
        );
    }
}
