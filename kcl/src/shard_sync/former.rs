//! Pure: the leases that a former stream of the same name has left in the table.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::lease::model::{Lease, LeaseKey};
use crate::stream::Incarnation;

/// What is done when the stream is deleted and created again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRecreated {
    /// Its shards are neither read nor ended, until somebody has deleted the leases of the former stream and restarts the workers.
    #[default]
    Halt,
    /// The leases of the former stream are replaced or deleted, and the present one is read from `start_at`.
    Restart,
}

/// How the stream of a row stands to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is the same, as far as is known.
    Same,
    /// It had the name before.
    Former,
    /// It has had the name since.
    Later,
    /// It has another ARN.
    Other,
}

/// How `row` stands to `stream`. Only a row that says its stream in full is of a former or a later one.
pub(crate) fn age(row: &Incarnation, stream: &Incarnation) -> Age {
    let arns = row.arn.as_ref().zip(stream.arn.as_ref());
    let times = row.created.zip(stream.created);
    match (arns, times) {
        (Some((a, b)), _) if a != b => Age::Other,
        (Some(_), Some((row, stream))) => match row.cmp(&stream) {
            Ordering::Less => Age::Former,
            Ordering::Equal => Age::Same,
            Ordering::Greater => Age::Later,
        },
        (None, _) | (_, None) => Age::Same,
    }
}

/// The leases of a table, by their streams.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Those that are left as they are.
    pub(crate) kept: Vec<Lease>,
    /// Those of a former stream, of which this one needs some keys.
    pub(crate) former: BTreeMap<LeaseKey, Lease>,
}

/// A row is of a later stream: what is known of the stream is out of date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lease {lease} is of a stream that was created later")]
pub(crate) struct LaterStream {
    pub(crate) lease: LeaseKey,
}

/// Sorts `leases` by whether they are of a former stream than `stream`.
///
/// # Errors
///
/// If a row is of a later one.
pub(crate) fn sort(leases: Vec<Lease>, stream: &Incarnation) -> Result<Sorted, LaterStream> {
    let mut sorted = Sorted::default();
    for lease in leases {
        match age(&lease.own.stream, stream) {
            Age::Same | Age::Other => sorted.kept.push(lease),
            Age::Former => drop(sorted.former.insert(lease.key.clone(), lease)),
            Age::Later => return Err(LaterStream { lease: lease.key }),
        }
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::checkpoint::position::Position;
    use crate::lease::model::OwnAttributes;

    fn stream(name: &str, created: u64) -> Incarnation {
        let arn = format!("arn:aws:kinesis:eu-north-1:123456789012:stream/{name}");
        Incarnation::new(&arn, SystemTime::UNIX_EPOCH + Duration::from_secs(created))
    }

    fn lease(shard: &str, stream: Incarnation) -> Lease {
        Lease {
            own: OwnAttributes::of(&stream),
            ..Lease::of_orders(shard, Position::TrimHorizon)
        }
    }

    #[test]
    fn only_a_row_that_says_its_stream_in_full_is_of_a_former_one() {
        let (former, present) = (stream("orders", 1), stream("orders", 2));
        assert_eq!(age(&former, &present), Age::Former);
        assert_eq!(age(&present, &former), Age::Later);
        assert_eq!(age(&present, &present), Age::Same);
        let without_arn = Incarnation {
            arn: None,
            ..former.clone()
        };
        for unknown in [Incarnation::default(), without_arn] {
            assert_eq!(age(&unknown, &present), Age::Same);
            assert_eq!(age(&former, &unknown), Age::Same);
        }
    }

    #[test]
    fn the_leases_of_another_stream_are_not_those_of_a_former_one() {
        assert_eq!(age(&stream("payments", 1), &stream("orders", 2)), Age::Other);
    }

    #[test]
    fn leases_of_a_former_stream_are_told_from_the_others() {
        let (former, present) = (stream("orders", 1), stream("orders", 2));
        let leases = vec![
            lease("shardId-0", former.clone()),
            lease("shardId-1", present.clone()),
            lease("shardId-2", Incarnation::default()),
        ];
        let sorted = sort(leases.clone(), &present).unwrap();
        assert_eq!(sorted.kept, leases[1..]);
        assert_eq!(sorted.former.into_values().collect::<Vec<_>>(), leases[..1]);
        let later = LaterStream {
            lease: leases[1].key.clone(),
        };
        assert_eq!(sort(leases, &former).unwrap_err(), later);
    }
}
