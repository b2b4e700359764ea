//! Pure: which leases to create.
//!
//! Each open shard has to be read at some time: it has a lease; or one of its ancestors has one and is still read, and the end
//! of each shard creates the leases of its children; or leases are created here.
//!
//! ```text
//!  from each open shard without a lease, go up:
//!
//!  has a lease ─────────────────────────────► stop
//!  an ancestor is still read ───────────────► go on to each parent: another one may have been forgotten
//!  no ancestor is still read
//!     LATEST, and none was read ────────────► create: older shards are not asked for
//!     else, if no parent is left to read ───► create: reading begins here
//!     else ─────────────────────────────────► go on to each parent left to read
//! ```
//!
//! A parent is left to read if the stream still has it, it has no lease, and no shard that came of it has one: a leased child shows
//! that its parent was read to the end.
//!
//! A shard that comes of one that was read to its end has lost its lease, or the lease of a shard in between was lost. What it holds
//! was never read, so its lease begins at TRIM_HORIZON, whatever the configured start. The stream may have trimmed the ancestor: then
//! its children name it, and shards whose parents are all forgotten count as its descendants if they share hash keys with it.
//!
//! Source: amazon-kinesis-client, `HierarchicalShardSyncer`; told here as what it achieves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aggregation::HashKeyRange;

use super::graph::{ChildShard, Graph, first_gap};
use crate::checkpoint::position::{Position, SequenceNumber};
use crate::lease::layout::StreamRows;
use crate::lease::model::{Lease, LeaseKey, OwnAttributes};
use crate::stream::{Shard, ShardId, ShardState, StartingPosition};

/// The leases to create.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyncPlan {
    /// Oldest shard first, so that a worker that stops half-way leaves no child without its parent.
    pub(crate) create: Vec<Creation>,
}

/// A lease to create, unless it is there by then.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Creation {
    pub(crate) lease: Lease,
    pub(crate) because: Reason,
}

/// Why a lease is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The table is empty, and reading begins with this shard.
    FirstSync,
    /// The shard is open, and no lease leads to it.
    NotCovered,
    /// Of the ways that lead to this open shard, one has no lease yet and begins here.
    LeadsTo(ShardId),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstSync => f.write_str("the table was empty"),
            Self::NotCovered => f.write_str("no lease led to it"),
            Self::LeadsTo(open) => write!(f, "no lease led to {open} by way of it"),
        }
    }
}

/// Tells why the shards cannot be planned with. They are to be listed anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyncRefused {
    /// The shards were listed while they changed.
    #[error("{child} is listed although its parent {parent} is open")]
    ChildOfOpenParent { child: ShardId, parent: ShardId },
    /// Records with these hash keys would have no reader.
    #[error("no listed shard to begin with has the hash keys {missing}")]
    IncompleteRange { missing: HashKeyRange },
}

/// Decides which leases of one stream to create.
///
/// `rows` says how the table names the stream's shards, and `leases` are those of the stream.
/// Without leases `shards` may be those that the service lists for `start` by a filter (`AT_LATEST`,
/// `AT_TRIM_HORIZON`, `AT_TIMESTAMP`). It has to be for a timestamp, or reading begins with older shards than asked
/// for. In all other cases `shards` are all.
///
/// # Errors
///
/// If the list of shards contradicts itself, or leaves a gap for the first leases.
pub(crate) fn plan(
    rows: StreamRows<'_>,
    shards: &[Shard],
    leases: &[Lease],
    start: StartingPosition,
) -> Result<SyncPlan, SyncRefused> {
    let graph = Graph::new(shards);
    if let Some((child, parent)) = graph.child_of_open_parent() {
        return Err(SyncRefused::ChildOfOpenParent {
            child: child.id.clone(),
            parent: parent.id.clone(),
        });
    }
    let mut chosen = if leases.is_empty() {
        first_shards(&graph, start)?
    } else {
        missing_shards(&graph, &Family::new(rows, &graph, leases), start)
    };
    chosen.sort_by_cached_key(|chosen| {
        let shard = chosen.shard;
        (SequenceNumber::new(&shard.starting_sequence_number).ok(), &shard.id)
    });
    let create = chosen.into_iter().map(|Chosen { shard, from, because }| Creation {
        lease: lease_at(rows, shard, from),
        because,
    });
    Ok(SyncPlan {
        create: create.collect(),
    })
}

/// A shard whose lease is created.
struct Chosen<'a> {
    shard: &'a Shard,
    from: Position,
    because: Reason,
}

/// The open shards for LATEST, else the oldest ones.
fn first_shards<'a>(graph: &Graph<'a>, start: StartingPosition) -> Result<Vec<Chosen<'a>>, SyncRefused> {
    let is_first = |shard: &&Shard| match start {
        StartingPosition::Latest => shard.state == ShardState::Open,
        StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => graph.parents(shard).next().is_none(),
    };
    let first: Vec<_> = graph.shards().filter(is_first).collect();
    match first_gap(first.iter().copied()) {
        Some(missing) => Err(SyncRefused::IncompleteRange { missing }),
        None => {
            let chosen = first.into_iter().map(|shard| Chosen {
                shard,
                from: start.into(),
                because: Reason::FirstSync,
            });
            Ok(chosen.collect())
        }
    }
}

fn missing_shards<'a>(graph: &Graph<'a>, family: &Family<'_, 'a>, start: StartingPosition) -> Vec<Chosen<'a>> {
    let mut chosen = Vec::new();
    let mut visited = BTreeSet::new();
    for open in graph.shards().filter(|shard| shard.state == ShardState::Open) {
        let mut waiting = vec![open];
        while let Some(shard) = waiting.pop() {
            if !visited.insert(&shard.id) {
                continue;
            }
            match family.step(shard, start) {
                Step::Stop => {}
                Step::GoOn(parents) => waiting.extend(parents),
                Step::Create(from) => {
                    let because = match shard.id == open.id {
                        true => Reason::NotCovered,
                        false => Reason::LeadsTo(open.id.clone()),
                    };
                    chosen.push(Chosen { shard, from, because });
                }
            }
        }
    }
    chosen
}

/// The shards by how they are related to those with a lease.
struct Family<'g, 'a> {
    graph: &'g Graph<'a>,
    leased: BTreeSet<&'a ShardId>,
    /// Some ancestor has a lease, and was not read to its end.
    covered: BTreeSet<&'a ShardId>,
    /// Some ancestor was read to its end.
    followed: BTreeSet<&'a ShardId>,
    /// Some descendant has a lease.
    passed: BTreeSet<&'a ShardId>,
}

/// What to do with a shard on the way up.
enum Step<'a> {
    Stop,
    Create(Position),
    GoOn(Vec<&'a Shard>),
}

impl<'g, 'a> Family<'g, 'a> {
    fn new(rows: StreamRows<'_>, graph: &'g Graph<'a>, leases: &[Lease]) -> Self {
        let keys: BTreeSet<_> = leases.iter().map(|lease| &lease.key).collect();
        let has_lease = |shard: &&Shard| keys.contains(&rows.key_of(&shard.id));
        let leased: Vec<_> = graph.shards().filter(has_lease).collect();
        let orphans: Vec<_> = orphans(rows, graph, &keys).collect();
        let descendants = |leases: Vec<&Lease>| {
            let children = leases.into_iter().flat_map(|lease| children_of(graph, lease, &orphans));
            let children: Vec<_> = children.collect();
            let mut all = graph.descendants(children.iter().copied());
            all.extend(children.iter().map(|child| &child.id));
            all
        };
        let (finished, unfinished) = leases.iter().partition(|lease| lease.is_finished());
        Self {
            graph,
            covered: descendants(unfinished),
            followed: descendants(finished),
            passed: graph.ancestors(leased.iter().copied()),
            leased: leased.into_iter().map(|shard| &shard.id).collect(),
        }
    }

    fn step(&self, shard: &'a Shard, start: StartingPosition) -> Step<'a> {
        if self.leased.contains(&shard.id) {
            return Step::Stop;
        }
        let parents = self.graph.parents(shard);
        if self.covered.contains(&shard.id) {
            return Step::GoOn(parents.collect());
        }
        let is_followed = self.followed.contains(&shard.id);
        let are_older_wanted = match start {
            StartingPosition::Latest => is_followed,
            StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => true,
        };
        let is_left = |parent: &&Shard| !self.passed.contains(&parent.id) && !self.leased.contains(&parent.id);
        let left_to_read: Vec<_> = parents.filter(is_left).collect();
        if are_older_wanted && !left_to_read.is_empty() {
            return Step::GoOn(left_to_read);
        }
        Step::Create(match is_followed {
            true => Position::TrimHorizon,
            false => start.into(),
        })
    }
}

/// The listed shards without a lease that have parents, none of which is listed or has a lease. Nothing says what they came of.
pub(super) fn orphans<'a>(
    rows: StreamRows<'_>,
    graph: &Graph<'a>,
    leased: &BTreeSet<&LeaseKey>,
) -> impl Iterator<Item = &'a Shard> {
    let is_leased = move |id: &ShardId| leased.contains(&rows.key_of(id));
    let is_forgotten = move |id: &ShardId| graph.shard(id).is_none() && !is_leased(id);
    let is_orphan = move |shard: &&Shard| {
        !shard.parents.is_empty() && shard.parents.iter().all(is_forgotten) && !is_leased(&shard.id)
    };
    graph.shards().filter(is_orphan)
}

/// The listed children of a leased shard; of one that is not listed any more, also the orphans of its line.
pub(super) fn children_of<'a>(graph: &Graph<'a>, lease: &Lease, orphans: &[&'a Shard]) -> Vec<&'a Shard> {
    let mut children: Vec<_> = graph.children_of(&lease.shard).collect();
    if graph.shard(&lease.shard).is_none() {
        let is_of_its_line = |orphan: &&&Shard| shares_keys(lease.range, orphan);
        children.extend(orphans.iter().filter(is_of_its_line));
    }
    children
}

/// Whether a shard has hash keys of a range. One whose range is not known may have some.
fn shares_keys(range: Option<HashKeyRange>, shard: &Shard) -> bool {
    let ranges = range.zip(shard.range);
    ranges.is_none_or(|(range, other)| range.overlaps(other))
}

/// The leases of a shard's children, which are created before its end is checkpointed.
///
/// Whatever the worker's starting position, a child is read from its first record on. `own` tells of which stream they are.
pub(crate) fn children_plan(
    rows: StreamRows<'_>,
    parent: &ShardId,
    children: &[ChildShard],
    own: &OwnAttributes,
) -> Vec<Lease> {
    let lease = |child: &ChildShard| Lease {
        own: own.clone(),
        parents: child.parents.iter().chain([parent]).cloned().collect(),
        range: child.range,
        ..rows.new_lease(&child.id, Position::TrimHorizon)
    };
    children.iter().map(lease).collect()
}

fn lease_at(rows: StreamRows<'_>, shard: &Shard, checkpoint: Position) -> Lease {
    Lease {
        parents: shard.parents.clone(),
        range: shard.range,
        ..rows.new_lease(&shard.id, checkpoint)
    }
}

/// Whether the leases tell of shards that came after `shards` were listed.
pub(crate) fn is_outdated(shards: &[Shard], leases: &[Lease]) -> bool {
    let newest = shards.iter().filter_map(|shard| shard.id.number()).max();
    leases.iter().any(|lease| lease.shard.number() > newest)
}

/// Whether a shard without a lease of its own will get one: it, or a shard that it came of, is still being read.
pub(crate) fn is_still_to_come(rows: StreamRows<'_>, shard: &ShardId, shards: &[Shard], leases: &[Lease]) -> bool {
    let listed: BTreeMap<&ShardId, &Shard> = shards.iter().map(|shard| (&shard.id, shard)).collect();
    let leased: BTreeMap<&LeaseKey, &Lease> = leases.iter().map(|lease| (&lease.key, lease)).collect();
    if leased.contains_key(&rows.key_of(shard)) {
        return false;
    }
    let mut seen = BTreeSet::from([shard]);
    let mut to_visit = vec![shard];
    while let Some(next) = to_visit.pop() {
        if leased.get(&rows.key_of(next)).is_some_and(|lease| !lease.is_finished()) {
            return true;
        }
        let parents = listed.get(next).into_iter().flat_map(|shard| &shard.parents);
        to_visit.extend(parents.filter(|parent| seen.insert(parent)));
    }
    false
}

/// The children that the list of shards names, for an ended shard of which the service did not tell them.
pub(crate) fn listed_children(parent: &ShardId, shards: &[Shard]) -> Vec<ChildShard> {
    let children = shards.iter().filter(|shard| shard.parents.contains(parent));
    children.map(as_child).collect()
}

/// The listed children of an ended shard; if the stream has trimmed these together with it, the oldest listed shards of their
/// line.
///
/// Of the trimmed children nothing is known. So a shard counts as one of their line if nothing says what it came of, and it shares
/// hash keys with the ended shard.
pub(crate) fn listed_heirs(
    rows: StreamRows<'_>,
    ended: &ShardId,
    range: Option<HashKeyRange>,
    shards: &[Shard],
    leases: &[Lease],
) -> Vec<ChildShard> {
    let graph = Graph::new(shards);
    if graph.shard(ended).is_some() {
        return listed_children(ended, shards);
    }
    let leased: BTreeSet<&LeaseKey> = leases.iter().map(|lease| &lease.key).collect();
    let orphans: BTreeSet<_> = orphans(rows, &graph, &leased).map(|shard| &shard.id).collect();
    let is_heir =
        |shard: &&Shard| shard.parents.contains(ended) || orphans.contains(&shard.id) && shares_keys(range, shard);
    shards.iter().filter(is_heir).map(as_child).collect()
}

fn as_child(shard: &Shard) -> ChildShard {
    ChildShard {
        id: shard.id.clone(),
        parents: shard.parents.clone(),
        range: shard.range,
    }
}

#[cfg(test)]
mod tests;
