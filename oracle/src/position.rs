//! Pure: places in a shard, and how far a lease row says that it was read.

use std::fmt;

use testkit::kinesis::{InvalidSequenceNumber, SequenceNumber};

/// The place of one user record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The Kinesis record.
    pub sequence_number: SequenceNumber,
    /// The place inside it, from 0; 0 for a record that is no aggregate.
    pub sub_sequence_number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence_number, self.sub_sequence_number)
    }
}

/// How far a shard was read: the checkpoint of a lease row. Ordered from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// Nothing was read; reading begins at the timestamp of [`Start::AtTimestamp`](super::Start::AtTimestamp).
    AtTimestamp,
    /// Nothing was read; reading begins at the oldest record.
    TrimHorizon,
    /// Nothing was read; reading begins with what arrives.
    Latest,
    /// Everything up to and including this user record was read.
    At(Place),
    /// Everything was read, and the shard has ended.
    ShardEnd,
}

impl Position {
    /// Reads the attributes `checkpoint` and `checkpointSubSequenceNumber` of a lease row.
    ///
    /// # Errors
    ///
    /// If `checkpoint` is neither a sequence number nor one of the KCL's four words.
    pub fn from_row(checkpoint: &str, sub_sequence_number: u64) -> Result<Self, InvalidSequenceNumber> {
        Ok(match checkpoint {
            "AT_TIMESTAMP" => Self::AtTimestamp,
            "TRIM_HORIZON" => Self::TrimHorizon,
            "LATEST" => Self::Latest,
            "SHARD_END" => Self::ShardEnd,
            digits => Self::At(Place {
                sequence_number: digits.parse()?,
                sub_sequence_number,
            }),
        })
    }
}

impl Position {
    /// Whether nothing was read.
    pub(crate) fn is_start(self) -> bool {
        match self {
            Self::AtTimestamp | Self::TrimHorizon | Self::Latest => true,
            Self::At(_) | Self::ShardEnd => false,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtTimestamp => f.write_str("AT_TIMESTAMP"),
            Self::TrimHorizon => f.write_str("TRIM_HORIZON"),
            Self::Latest => f.write_str("LATEST"),
            Self::At(place) => place.fmt(f),
            Self::ShardEnd => f.write_str("SHARD_END"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_rows_are_ordered_from_nothing_read_to_the_end_of_the_shard() {
        let at = |text, sub| Position::from_row(text, sub).unwrap();
        let in_order = [
            at("AT_TIMESTAMP", 0),
            at("TRIM_HORIZON", 0),
            at("LATEST", 0),
            at("9", 7),
            at("10", 0),
            at("10", 1),
            at("49680419022772832933583656857452381179346641341707714626", 0),
            at("SHARD_END", 0),
        ];
        assert!(in_order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_word_that_no_row_holds_is_refused() {
        assert_eq!(Position::from_row("latest", 0), Err(InvalidSequenceNumber));
    }
}
