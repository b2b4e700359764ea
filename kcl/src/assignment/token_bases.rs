//! Pure: what the fencing tokens of a lease row begin with.
//!
//! A token is the row's base plus its counter. A base is the service's time in milliseconds, because that grows although a
//! row is deleted and made again, and the counter begins anew then. A row that was deleted a moment ago can have had larger
//! tokens than that, so a worker also remembers the tokens that it has seen and that are ahead of the time.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::lease::model::{Lease, LeaseKey};

/// The largest fencing tokens that one worker has seen, of rows whose tokens are ahead of the time.
#[derive(Debug, Default)]
pub(crate) struct TokenBases {
    largest: BTreeMap<LeaseKey, u64>,
}

impl TokenBases {
    /// Remembers the tokens of `leases`, as the table held them at `now`, the service's time.
    pub(crate) fn observe<'a>(&mut self, leases: impl IntoIterator<Item = &'a Lease>, now: SystemTime) {
        // The time passes the others soon or has passed them, so they need no memory.
        let now = millis(now);
        self.largest.retain(|_, token| *token > now);
        for lease in leases {
            if let Some(token) = lease.fencing_token().filter(|token| *token > now) {
                let largest = self.largest.entry(lease.key.clone()).or_default();
                *largest = token.max(*largest);
            }
        }
    }

    /// The base for a row that has none at `now`, the service's time. Each token that it begins is larger than all that
    /// were seen of this row, because a take raises the counter.
    pub(crate) fn base(&self, key: &LeaseKey, now: SystemTime) -> u64 {
        let largest = self.largest.get(key).copied().unwrap_or_default();
        millis(now).max(largest)
    }
}

/// Milliseconds since the Unix epoch.
fn millis(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checkpoint::position::Position;
    use crate::lease::model::OwnAttributes;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    const SHARD: &str = "shardId-000000000000";

    fn key(shard: &str) -> LeaseKey {
        Lease::of_orders(shard, Position::TrimHorizon).key
    }

    fn row(base: Option<u64>, counter: u64) -> Lease {
        let own = OwnAttributes {
            token_base: base,
            ..OwnAttributes::default()
        };
        Lease {
            counter,
            own,
            ..Lease::of_orders(SHARD, Position::TrimHorizon)
        }
    }

    #[test]
    fn the_base_of_a_new_row_is_the_time_in_milliseconds() {
        let mut bases = TokenBases::default();
        bases.observe(&[row(Some(1_000), 5), row(None, 7_000)], at(2_000));
        assert_eq!(bases.base(&key(SHARD), at(2_001)), 2_001);
    }

    #[test]
    fn a_row_that_is_made_again_at_once_begins_with_the_largest_token_that_was_seen() {
        let mut bases = TokenBases::default();
        bases.observe(&[row(Some(2_000), 80)], at(2_010));
        bases.observe(&[], at(2_020));
        assert_eq!(bases.base(&key(SHARD), at(2_030)), 2_080);
        assert_eq!(bases.base(&key("another"), at(2_030)), 2_030);
    }

    #[test]
    fn a_smaller_token_of_the_row_that_was_made_again_hides_no_larger_one() {
        let mut bases = TokenBases::default();
        bases.observe(&[row(Some(2_000), 80)], at(2_010));
        bases.observe(&[row(Some(2_015), 1)], at(2_012));
        assert_eq!(bases.base(&key(SHARD), at(2_020)), 2_080);
    }

    #[test]
    fn tokens_that_the_time_has_passed_are_forgotten() {
        let mut bases = TokenBases::default();
        bases.observe(&[row(Some(2_000), 80)], at(2_010));
        bases.observe(&[], at(2_080));
        assert!(bases.largest.is_empty());
    }
}
