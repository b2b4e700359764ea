//! Pure: the user records of one Kinesis record.

use crate::{HashKeyRange, UserRecord};

/// The user records of one aggregate, in their order on the wire.
///
/// The position of a record is its sub-sequence number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aggregate {
    pub(super) records: Vec<UserRecord>,
}

impl Aggregate {
    /// Returns the user records. Each shares the memory of the Kinesis record.
    pub fn records(&self) -> impl ExactSizeIterator<Item = UserRecord> {
        self.records.iter().cloned()
    }

    /// Returns the number of user records. It may be 0: nothing in the format forbids an aggregate of none.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the number of [damaged](UserRecord::damage) user records.
    pub fn damaged(&self) -> usize {
        self.records.iter().filter(|record| record.damage.is_some()).count()
    }

    /// Tells whether there are no user records.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the position of the first user record that lies [outside](UserRecord::is_outside) of `range`, or `None` if
    /// none does.
    ///
    /// A producer that did not know of a resharding yet can put records of a sibling shard into an aggregate. The KCL
    /// drops such an aggregate as a whole; the caller decides here.
    pub fn first_outside(&self, range: HashKeyRange) -> Option<usize> {
        self.records.iter().position(|record| record.is_outside(range))
    }
}

/// Hands the user records out by value, without another reference to the Kinesis record each.
impl IntoIterator for Aggregate {
    type Item = UserRecord;
    type IntoIter = std::vec::IntoIter<UserRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}
