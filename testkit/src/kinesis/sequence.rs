//! Pure: sequence numbers, laid out as the service lays them out.
//!
//! A sequence number is an integer of 186 bits, written in decimal. From the highest bits down:
//!
//! | bits | meaning |
//! |---|---|
//! | 4 | always 2 |
//! | 36 | second in which the shard was opened |
//! | 4 | the low bits of the shard's number |
//! | 64 | position in the shard |
//! | 8 | always 0 here |
//! | 36 | second in which the record arrived |
//! | 32 | the shard's number |
//! | 4 | layout version, 2 |
//!
//! So the order of the numbers is: later shard first by its opening, then the position in the shard. A child is opened
//! in a later second than its parents, which makes all its numbers larger than all of theirs.
//!
//! Source: kinesalite, which took the layout apart by comparison with the service.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::shard_id::ShardId;

/// The position reserved for the end of a closed shard. Source: kinesalite.
const END_POSITION: u64 = i64::MAX.unsigned_abs();
const LEADING: u64 = 2;
const VERSION: u128 = 2;
/// 10^19, the largest power of ten in 64 bits.
const CHUNK: u128 = 10_000_000_000_000_000_000;

/// The sequence number of a record, or of the start or the end of a shard. Ordered as the service orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    high: u64,
    low: u128,
}

/// What makes a sequence number: the shard, and where and when in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Seconds since the Unix epoch.
    pub(super) opened: u64,
    pub(super) shard: ShardId,
    pub(super) position: u64,
    /// Seconds since the Unix epoch.
    pub(super) arrived: u64,
}

impl Layout {
    /// The end of the shard: larger than every record's number.
    pub(super) const fn end(self) -> Self {
        Self {
            position: END_POSITION,
            ..self
        }
    }

    pub(super) fn number(self) -> SequenceNumber {
        let shard = self.shard.number();
        let high = LEADING << 56 | (self.opened & mask(36)) << 20 | u64::from(shard & 0xf) << 16 | self.position >> 48;
        let low = u128::from(self.position & mask(48)) << 80
            | u128::from(self.arrived & mask(36)) << 36
            | u128::from(shard) << 4
            | VERSION;
        SequenceNumber { high, low }
    }
}

impl SequenceNumber {
    /// The shard whose number it is. `None` if the service never wrote it.
    pub fn shard(self) -> Option<ShardId> {
        self.layout().map(|layout| layout.shard)
    }

    /// Takes the number apart. `None` if the service never wrote it.
    pub(super) fn layout(self) -> Option<Layout> {
        let shard = u32::try_from(self.low >> 4 & u128::from(u32::MAX)).ok()?;
        let layout = Layout {
            opened: self.high >> 20 & mask(36),
            shard: ShardId::new(shard)?,
            position: (self.high & mask(16)) << 48 | low_bits(self.low >> 80, 48),
            arrived: low_bits(self.low >> 36, 36),
        };
        let fits = layout.position <= END_POSITION
            && layout.number()
                == Self {
                    low: self.low & !RESERVED,
                    ..self
                };
        fits.then_some(layout)
    }

    /// The smallest number larger than this one.
    pub const fn successor(self) -> Self {
        match self.low.checked_add(1) {
            Some(low) => Self { low, ..self },
            None => Self {
                high: self.high.saturating_add(1),
                low: 0,
            },
        }
    }
}

/// The byte of unknown meaning, which may differ in numbers of the real service.
const RESERVED: u128 = 0xff << 72;

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

fn low_bits(value: u128, bits: u32) -> u64 {
    u64::try_from(value & u128::from(mask(bits))).unwrap_or(u64::MAX)
}

/// Writes the decimal form.
impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Long division by 10^19, 64 bits at a time: three chunks hold 57 digits, and 2^192 has 58.
        let mut limbs = [u128::from(self.high), self.low >> 64, self.low & u128::from(u64::MAX)];
        let mut chunk = || {
            limbs.iter_mut().fold(0, |remainder, limb| {
                let dividend = remainder << 64 | *limb;
                *limb = dividend / CHUNK;
                dividend % CHUNK
            })
        };
        let (last, middle, first) = (chunk(), chunk(), chunk());
        match (first, middle) {
            (0, 0) => write!(f, "{last}"),
            (0, _) => write!(f, "{middle}{last:019}"),
            _ => write!(f, "{first}{middle:019}{last:019}"),
        }
    }
}

/// Tells that a text is no sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sequence number is a decimal integer without leading zeros")]
pub struct InvalidSequenceNumber;

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, InvalidSequenceNumber> {
        if text.is_empty() || text.len() > 57 || (text.len() > 1 && text.starts_with('0')) {
            return Err(InvalidSequenceNumber);
        }
        let (mut high, mut low) = (0_u128, 0_u128);
        for byte in text.bytes() {
            let digit = byte
                .checked_sub(b'0')
                .filter(|digit| *digit < 10)
                .ok_or(InvalidSequenceNumber)?;
            // `low` is kept under 2^96 and its overflow carried into `high`, so that ten times it fits.
            low = low * 10 + u128::from(digit);
            high = high * 10 + (low >> 96);
            low &= (1 << 96) - 1;
        }
        let (high, low) = (high >> 32, (high & u128::from(u32::MAX)) << 96 | low);
        Ok(Self {
            high: u64::try_from(high).map_err(|_| InvalidSequenceNumber)?,
            low,
        })
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(opened: u64, shard: u32, position: u64, arrived: u64) -> Layout {
        Layout {
            opened,
            shard: ShardId::new(shard).unwrap(),
            position,
            arrived,
        }
    }

    #[test]
    fn a_number_of_the_real_service_is_understood() {
        let text = "49680419122947780365383216010721433195667954045917593602";
        let number: SequenceNumber = text.parse().unwrap();
        assert_eq!(number.to_string(), text);
        assert_eq!(number.layout().unwrap().shard, ShardId::new(0).unwrap());
    }

    #[test]
    fn numbers_have_the_56_digits_of_the_real_ones() {
        assert_eq!(
            layout(1_760_000_000, 3, 7, 1_760_000_009).number().to_string().len(),
            56
        );
    }

    #[test]
    fn a_child_opened_a_second_later_has_larger_numbers_than_its_parent() {
        let parent_end = layout(100, 15, 0, 9_999).end().number();
        assert!(layout(101, 0, 0, 0).number() > parent_end);
        assert!(layout(100, 15, u64::from(u32::MAX), 5_000).number() < parent_end);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-1", "+1", "01", "1x", "LATEST", &"9".repeat(58), &"9".repeat(57)] {
            let layout = text.parse::<SequenceNumber>().ok().and_then(SequenceNumber::layout);
            assert_eq!(layout, None, "{text}");
        }
        assert_eq!("0".parse::<SequenceNumber>().unwrap().layout(), None);
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(
            opened in 0..mask(36), shard in 0_u32..=i32::MAX.unsigned_abs(), position in 0..=END_POSITION, arrived in 0..mask(36),
        ) {
            let layout = layout(opened, shard, position, arrived);
            let number: SequenceNumber = layout.number().to_string().parse().unwrap();
            prop_assert_eq!(number, layout.number());
            prop_assert_eq!(number.layout(), Some(layout));
        }

        #[test]
        fn order_is_first_the_opening_then_the_position(
            a in (0_u64..4, 0_u64..4, 0..mask(36)), b in (0_u64..4, 0_u64..4, 0..mask(36)),
        ) {
            let number = |(opened, position, arrived)| layout(opened, 5, position, arrived).number();
            prop_assert_eq!((a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)), number(a).cmp(&number(b)));
        }

        #[test]
        fn nothing_lies_between_a_number_and_its_successor(high: u64, low: u128) {
            let number = SequenceNumber { high: high >> 1, low };
            prop_assert!(number < number.successor());
            prop_assert_eq!(number.successor().low, number.low.wrapping_add(1));
        }
    }
}
