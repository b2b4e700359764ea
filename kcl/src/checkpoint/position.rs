//! Pure: a place in a shard.
//!
//! ```text
//!  AT_TIMESTAMP < TRIM_HORIZON < LATEST < …3 < …7 < …7:1 < …7:2 < …9 < SHARD_END
//!  └──────── nothing was read ────────┘        └ one aggregate ┘
//! ```

use std::fmt;

pub use service::{InvalidSequenceNumber, SequenceNumber};

use crate::stream::StartingPosition;

const AT_TIMESTAMP: &str = "AT_TIMESTAMP";
const TRIM_HORIZON: &str = "TRIM_HORIZON";
const LATEST: &str = "LATEST";
const SHARD_END: &str = "SHARD_END";

/// How far a shard was read: what the lease row holds as its checkpoint.
///
/// `ShardEnd` is after everything. Before every record stand, in this order, `AtTimestamp`, `TrimHorizon`, `Latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "ExtendedSequenceNumber")]
pub enum Position {
    /// Nothing was read; begin at the configured timestamp.
    AtTimestamp,
    /// Nothing was read; begin at the oldest record.
    TrimHorizon,
    /// Nothing was read; begin with what arrives.
    Latest,
    /// Everything up to and including this user record was read.
    At(RecordPosition),
    /// Everything was read, and the shard has ended.
    ShardEnd,
}

impl Position {
    /// Reads the pair of attributes that holds a position in a lease row.
    ///
    /// # Errors
    ///
    /// If `checkpoint` is neither a sequence number nor one of the four words.
    pub fn from_row(checkpoint: &str, sub_sequence_number: u64) -> Result<Self, InvalidPosition> {
        match checkpoint {
            AT_TIMESTAMP => Ok(Self::AtTimestamp),
            TRIM_HORIZON => Ok(Self::TrimHorizon),
            LATEST => Ok(Self::Latest),
            SHARD_END => Ok(Self::ShardEnd),
            digits => match SequenceNumber::new(digits) {
                Ok(sequence_number) => Ok(Self::At(RecordPosition {
                    sequence_number,
                    sub_sequence_number,
                })),
                Err(InvalidSequenceNumber { text }) => Err(InvalidPosition { text }),
            },
        }
    }

    /// The first half of the row's pair: the sequence number, or a word.
    pub fn checkpoint_text(&self) -> &str {
        match self {
            Self::AtTimestamp => AT_TIMESTAMP,
            Self::TrimHorizon => TRIM_HORIZON,
            Self::Latest => LATEST,
            Self::At(record) => record.sequence_number.as_str(),
            Self::ShardEnd => SHARD_END,
        }
    }

    /// The second half of the row's pair: the place inside the Kinesis record; 0 for a word.
    pub fn sub_sequence_number(&self) -> u64 {
        match self {
            Self::At(record) => record.sub_sequence_number,
            Self::AtTimestamp | Self::TrimHorizon | Self::Latest | Self::ShardEnd => 0,
        }
    }
}

/// Where a shard stands before anything of it was read.
impl From<StartingPosition> for Position {
    fn from(start: StartingPosition) -> Self {
        match start {
            StartingPosition::TrimHorizon => Self::TrimHorizon,
            StartingPosition::Latest => Self::Latest,
            StartingPosition::AtTimestamp(_) => Self::AtTimestamp,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(record) => record.fmt(f),
            Self::AtTimestamp | Self::TrimHorizon | Self::Latest | Self::ShardEnd => {
                f.write_str(self.checkpoint_text())
            }
        }
    }
}

/// The place of one user record: its Kinesis record's sequence number and its place inside that record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordPosition {
    /// The Kinesis record.
    pub sequence_number: SequenceNumber,
    /// The place inside it, from 0.
    pub sub_sequence_number: u64,
}

impl From<&Self> for RecordPosition {
    fn from(position: &Self) -> Self {
        position.clone()
    }
}

/// Writes `sequence:sub-sequence`, and just the sequence number for the first user record of a Kinesis record.
impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sub_sequence_number {
            0 => self.sequence_number.fmt(f),
            sub => write!(f, "{}:{sub}", self.sequence_number),
        }
    }
}

/// A text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither a sequence number nor AT_TIMESTAMP, TRIM_HORIZON, LATEST or SHARD_END")]
pub struct InvalidPosition {
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    fn at(text: &str, sub_sequence_number: u64) -> Position {
        Position::from_row(text, sub_sequence_number).unwrap()
    }

    #[test]
    fn positions_are_ordered_from_nothing_read_to_the_end_of_the_shard() {
        let in_order = [
            Position::AtTimestamp,
            Position::TrimHorizon,
            Position::Latest,
            at("0", 0),
            at("9", 7),
            at("10", 0),
            at("10", 1),
            at("49680419022772832933583656857452381179346641341707714626", 0),
            Position::ShardEnd,
        ];
        assert!(in_order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_word_that_the_rows_do_not_know_is_refused_by_name() {
        let refused = Position::from_row("latest", 0).unwrap_err();
        assert_eq!(
            refused.to_string(),
            r#""latest" is neither a sequence number nor AT_TIMESTAMP, TRIM_HORIZON, LATEST or SHARD_END"#
        );
    }

    #[test]
    fn a_word_has_no_sub_sequence_number() {
        assert_eq!(Position::from_row("SHARD_END", 5), Ok(Position::ShardEnd));
        assert_eq!(Position::ShardEnd.sub_sequence_number(), 0);
    }

    #[test]
    fn a_place_inside_an_aggregate_is_displayed_behind_a_colon() {
        assert_eq!(at("49", 0).to_string(), "49");
        assert_eq!(at("49", 3).to_string(), "49:3");
        assert_eq!(Position::TrimHorizon.to_string(), "TRIM_HORIZON");
    }

    fn any_position() -> impl Strategy<Value = Position> {
        prop_oneof![
            Just(Position::AtTimestamp),
            Just(Position::TrimHorizon),
            Just(Position::Latest),
            Just(Position::ShardEnd),
            ("[0-9]{1,60}", any::<u64>()).prop_map(|(digits, sub)| at(&digits, sub)),
        ]
    }

    proptest! {
        #[test]
        fn sequence_numbers_are_ordered_as_the_numbers_they_are(a: u128, b: u128, zeros in 0..4_usize) {
            let padded = number(&format!("{}{b}", "0".repeat(zeros)));
            prop_assert_eq!(number(&a.to_string()).cmp(&padded), a.cmp(&b));
        }

        #[test]
        fn equal_sequence_numbers_are_those_that_compare_as_equal(a in "[0-9]{1,4}", b in "[0-9]{1,4}") {
            prop_assert_eq!(number(&a) == number(&b), number(&a).cmp(&number(&b)).is_eq());
        }

        #[test]
        fn a_position_is_read_back_from_its_row(position in any_position()) {
            let read = Position::from_row(position.checkpoint_text(), position.sub_sequence_number());
            prop_assert_eq!(read, Ok(position));
        }
    }
}
