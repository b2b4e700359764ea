//! Pure: whether each open shard is read some day, as a list of shards and the leases show it.
//!
//! | an open shard | is |
//! |---|---|
//! | has a lease | read |
//! | has none, and comes of a shard that is still read | to be leased at the end of that shard, which it waits for |
//! | has a lease that says that it was read to its end | a hole: nobody reads what it still takes |
//! | neither | a hole: its lease was deleted, or a table was restored from an old backup |
//!
//! The leases are read before the shards are listed. A shard that ends meanwhile is still read by its lease, and its children, which
//! may be listed, wait for it. All the same a look is not one moment, so a hole counts if a [second look](SECOND_LOOK) shows
//! it again. A list that fails shows no hole at all.
//!
//! The workers of a fleet [take turns](AuditTurn), one a minute. By the 2.x rule the turns are those of all owners of leases; nobody
//! audits in the turn of a Java worker, which has an audit of its own. Which leases are created is decided by the
//! [planner](super::planner).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use super::graph::Graph;
use super::planner::{children_of, orphans};
use crate::lease::layout::StreamRows;
use crate::lease::model::{Lease, LeaseKey};
use crate::stream::{Shard, ShardId, ShardState};

/// Between two audits of a fleet. Our choice: the KCL audits each two minutes, and mends what three audits have found.
pub(crate) const EACH: Duration = Duration::from_secs(60);

/// From a look that has found holes to the one that confirms them. Our choice: creating the leases of two children takes less.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(5);

/// The place of a worker among those that audit in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditTurn {
    pub(crate) rank: u64,
    pub(crate) of: u64,
}

impl AuditTurn {
    /// That of a worker that knows of no other one.
    pub(crate) const ALONE: Self = Self { rank: 0, of: 1 };

    /// That of `me` among `workers` and itself.
    pub(crate) fn among<'a, W: Ord + 'a>(me: &'a W, workers: impl IntoIterator<Item = &'a W>) -> Self {
        let workers: BTreeSet<_> = workers.into_iter().chain([me]).collect();
        let before = workers.iter().filter(|worker| **worker < me).count();
        Self {
            rank: u64::try_from(before).unwrap_or(u64::MAX),
            of: u64::try_from(workers.len()).unwrap_or(u64::MAX),
        }
    }

    /// Whether the minute of `time` is this worker's.
    pub(crate) fn is_now(self, time: SystemTime) -> bool {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let minute = since_epoch.as_secs() / EACH.as_secs();
        minute.checked_rem(self.of).is_none_or(|turn| turn == self.rank)
    }
}

/// How an open shard is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Coverage {
    Leased,
    /// It is leased once this shard has ended.
    WaitsFor(ShardId),
    Hole(HoleReason),
}

/// Why an open shard is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HoleReason {
    /// No lease leads to it.
    NoLease,
    /// Its lease says that the shard was read to its end.
    LeaseEnded,
}

impl fmt::Display for HoleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLease => {
                "no lease leads to it: somebody has deleted rows of the lease table, or restored the table from a backup; a lease \
                 is created"
            }
            Self::LeaseEnded => {
                "its lease says SHARD_END though the shard is open; delete the row to have the shard read from the configured start"
            }
        })
    }
}

/// How each open shard is read. `unreadable` are the keys of rows that are there but cannot be read.
pub(crate) fn audit(
    rows: StreamRows<'_>,
    shards: &[Shard],
    leases: &[Lease],
    unreadable: &BTreeSet<LeaseKey>,
) -> BTreeMap<ShardId, Coverage> {
    let graph = Graph::new(shards);
    let by_key: BTreeMap<_, _> = leases.iter().map(|lease| (&lease.key, lease)).collect();
    let awaited = awaited(rows, &graph, leases);
    let coverage = |shard: &Shard| {
        let key = rows.key_of(&shard.id);
        match (by_key.get(&key), awaited.get(&shard.id)) {
            (Some(lease), _) if lease.is_finished() => Coverage::Hole(HoleReason::LeaseEnded),
            (Some(_), _) => Coverage::Leased,
            (None, _) if unreadable.contains(&key) => Coverage::Leased,
            (None, Some(parent)) => Coverage::WaitsFor((*parent).clone()),
            (None, None) => Coverage::Hole(HoleReason::NoLease),
        }
    };
    let open = graph.shards().filter(|shard| shard.state == ShardState::Open);
    open.map(|shard| (shard.id.clone(), coverage(shard))).collect()
}

/// The shards that come of one that is still read, each with that shard.
fn awaited<'s>(rows: StreamRows<'_>, graph: &Graph<'s>, leases: &'s [Lease]) -> BTreeMap<&'s ShardId, &'s ShardId> {
    let keys = leases.iter().map(|lease| &lease.key).collect();
    let orphans: Vec<_> = orphans(rows, graph, &keys).collect();
    let mut awaited = BTreeMap::new();
    for lease in leases.iter().filter(|lease| !lease.is_finished()) {
        let mut waiting = children_of(graph, lease, &orphans);
        while let Some(shard) = waiting.pop() {
            if awaited.insert(&shard.id, &lease.shard).is_none() {
                waiting.extend(graph.children(shard));
            }
        }
    }
    awaited
}

/// The holes of a look.
pub(crate) fn holes(coverage: &BTreeMap<ShardId, Coverage>) -> BTreeSet<(ShardId, HoleReason)> {
    let holes = coverage.iter().filter_map(|(shard, coverage)| match coverage {
        Coverage::Hole(reason) => Some((shard.clone(), *reason)),
        Coverage::Leased | Coverage::WaitsFor(_) => None,
    });
    holes.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::checkpoint::position::Position;
    use crate::lease::layout::TableLayout;
    use crate::stream::StreamRef;

    fn rows() -> StreamRows<'static> {
        static ORDERS: LazyLock<StreamRef> = LazyLock::new(|| StreamRef::parse("orders"));
        static LAYOUT: LazyLock<TableLayout> = LazyLock::new(|| TableLayout::OneStream(ORDERS.clone()));
        LAYOUT.rows_of(&ORDERS)
    }

    fn shard(id: &str, parents: &[&str], state: ShardState) -> Shard {
        Shard {
            id: ShardId::new(id),
            parents: parents.iter().map(|parent| ShardId::new(parent)).collect(),
            range: None,
            state,
            starting_sequence_number: "1".into(),
        }
    }

    fn lease(id: &str, checkpoint: Position) -> Lease {
        rows().new_lease(&ShardId::new(id), checkpoint)
    }

    /// 0 was split into 1 and 2, and 2 into 3 and 4.
    fn shards() -> Vec<Shard> {
        vec![
            shard("0", &[], ShardState::Closed),
            shard("1", &["0"], ShardState::Open),
            shard("2", &["0"], ShardState::Closed),
            shard("3", &["2"], ShardState::Open),
            shard("4", &["2"], ShardState::Open),
        ]
    }

    fn audited(leases: &[Lease], unreadable: &[&str]) -> Vec<(String, Coverage)> {
        let unreadable = unreadable.iter().map(|id| rows().key_of(&ShardId::new(id))).collect();
        let coverage = audit(rows(), &shards(), leases, &unreadable);
        coverage
            .into_iter()
            .map(|(id, coverage)| (id.to_string(), coverage))
            .collect()
    }

    fn each(coverage: [Coverage; 3]) -> Vec<(String, Coverage)> {
        ["1", "3", "4"].map(str::to_owned).into_iter().zip(coverage).collect()
    }

    #[test]
    fn an_open_shard_is_leased_or_waits_for_a_shard_that_is_still_read_or_is_a_hole() {
        use Coverage::{Hole, Leased, WaitsFor};
        let waits = |id: &str| WaitsFor(ShardId::new(id));
        let none = || Hole(HoleReason::NoLease);
        let open = || Position::TrimHorizon;
        assert_eq!(
            audited(&[lease("0", open())], &[]),
            each([waits("0"), waits("0"), waits("0")])
        );
        let ended = || lease("0", Position::ShardEnd);
        assert_eq!(audited(&[ended()], &[]), each([none(), none(), none()]));
        let leases = [ended(), lease("1", open()), lease("2", open())];
        assert_eq!(audited(&leases, &[]), each([Leased, waits("2"), waits("2")]));
        let leases = [lease("1", Position::ShardEnd), lease("3", open())];
        assert_eq!(
            audited(&leases, &["4"]),
            each([Hole(HoleReason::LeaseEnded), Leased, Leased])
        );
    }

    #[test]
    fn the_children_of_a_shard_that_was_trimmed_wait_for_it_while_it_has_a_lease() {
        let listed: Vec<_> = shards().into_iter().filter(|shard| shard.id.as_str() != "2").collect();
        let leases = [lease("1", Position::TrimHorizon), lease("2", Position::TrimHorizon)];
        let coverage = audit(rows(), &listed, &leases, &BTreeSet::new());
        assert_eq!(coverage[&ShardId::new("3")], Coverage::WaitsFor(ShardId::new("2")));
        let coverage = audit(rows(), &listed, &leases[..1], &BTreeSet::new());
        assert_eq!(coverage[&ShardId::new("3")], Coverage::Hole(HoleReason::NoLease));
    }

    #[test]
    fn each_minute_is_the_turn_of_one_worker() {
        let workers = ["a", "b", "c"];
        for minute in 0..7 {
            let time = SystemTime::UNIX_EPOCH + EACH * minute + Duration::from_secs(59);
            let turns = workers.iter().filter(|me| AuditTurn::among(*me, &workers).is_now(time));
            assert_eq!(turns.count(), 1, "minute {minute}");
            assert!(AuditTurn::ALONE.is_now(time));
        }
        assert_eq!(AuditTurn::among(&"d", &workers), AuditTurn { rank: 3, of: 4 });
    }
}
