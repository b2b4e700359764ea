//! The cases of the Java KCL's own tests, then random histories of splits and merges.

use std::sync::LazyLock;
use std::time::SystemTime;

use aggregation::HashKey;
use proptest::prelude::*;

use super::*;
use crate::lease::layout::TableLayout;
use crate::stream::StreamRef;

const LATEST: StartingPosition = StartingPosition::Latest;
const TRIM_HORIZON: StartingPosition = StartingPosition::TrimHorizon;
const AT_TIMESTAMP: StartingPosition = StartingPosition::AtTimestamp(SystemTime::UNIX_EPOCH);
const ALL_STARTS: [StartingPosition; 3] = [LATEST, TRIM_HORIZON, AT_TIMESTAMP];

/// The rows of the stream `orders`, in a table for it alone.
fn rows() -> StreamRows<'static> {
    static ORDERS: LazyLock<StreamRef> = LazyLock::new(|| StreamRef::parse("orders"));
    static LAYOUT: LazyLock<TableLayout> = LazyLock::new(|| TableLayout::OneStream(ORDERS.clone()));
    LAYOUT.rows_of(&ORDERS)
}

fn plan(shards: &[Shard], leases: &[Lease], start: StartingPosition) -> Result<SyncPlan, SyncRefused> {
    super::plan(rows(), shards, leases, start)
}

fn id(number: usize) -> ShardId {
    ShardId::new(&format!("shardId-{number:012}"))
}

fn number(id: &ShardId) -> usize {
    id.as_str().trim_start_matches("shardId-").parse().unwrap()
}

fn range(start: u128, end: u128) -> HashKeyRange {
    HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
}

/// A stream that was split and merged. A shard's number is its place in the list.
#[derive(Debug, Clone)]
struct History {
    shards: Vec<Shard>,
    /// Those of the stream's beginning.
    first: Vec<Shard>,
    /// The shards that each split or merge closed.
    closed: Vec<Vec<ShardId>>,
}

impl History {
    fn new(shards: u32) -> Self {
        let mut history = Self {
            shards: Vec::new(),
            first: Vec::new(),
            closed: Vec::new(),
        };
        for range in HashKeyRange::FULL.split_evenly(shards) {
            history.add(&[], range);
        }
        history.first.clone_from(&history.shards);
        history
    }

    fn add(&mut self, parents: &[usize], range: HashKeyRange) -> usize {
        for parent in parents {
            self.shards[*parent].state = ShardState::Closed;
        }
        let number = self.shards.len();
        self.shards.push(Shard {
            id: id(number),
            parents: parents.iter().map(|parent| id(*parent)).collect(),
            range: Some(range),
            state: ShardState::Open,
            starting_sequence_number: (10 * number + 7).to_string(),
        });
        number
    }

    fn split(mut self, parent: usize) -> Self {
        let halves: Vec<_> = self.shards[parent].range.unwrap().split_evenly(2).collect();
        for half in halves {
            self.add(&[parent], half);
        }
        self.closed.push(vec![id(parent)]);
        self
    }

    fn merge(mut self, left: usize, right: usize) -> Self {
        let merged = range(
            self.shards[left].range.unwrap().start().value(),
            self.shards[right].range.unwrap().end().value(),
        );
        self.add(&[left, right], merged);
        self.closed.push(vec![id(left), id(right)]);
        self
    }

    /// The open shards in the order of their hash keys.
    fn open(&self) -> Vec<usize> {
        let mut open: Vec<_> = self
            .shards
            .iter()
            .filter(|shard| shard.state == ShardState::Open)
            .collect();
        open.sort_by_key(|shard| shard.range);
        open.into_iter().map(|shard| number(&shard.id)).collect()
    }

    /// Forgets the shards that the first splits and merges closed, as the service does after the retention time.
    fn forget(mut self, reshardings: usize) -> Self {
        let forgotten: BTreeSet<_> = self.closed.iter().take(reshardings).flatten().collect();
        self.shards.retain(|shard| !forgotten.contains(&shard.id));
        self
    }

    fn listed(&self, numbers: &[usize]) -> Vec<Shard> {
        numbers.iter().map(|number| self.shards[*number].clone()).collect()
    }
}

/// Open are 4, 8, 9 and 10.
///
/// ```text
///  0 1  2 3  4  5
///  ╲ ╱  ╲ ╱  │ ╱ ╲
///   6    7   4 9 10
///    ╲  ╱
///     8
/// ```
fn graph_a() -> History {
    History::new(6).merge(0, 1).merge(2, 3).merge(6, 7).split(5)
}

/// Open are 9 and 10. Of 10 the service names one parent, as the adjacent one; that makes no difference here.
///
/// ```text
///  0   3   6   9
///   ╲ ╱ ╲ ╱ ╲ ╱
///    2   5   8
///   ╱ ╲ ╱ ╲ ╱ ╲
///  1   4   7   10
/// ```
fn graph_b() -> History {
    History::new(2)
        .merge(0, 1)
        .split(2)
        .merge(3, 4)
        .split(5)
        .merge(6, 7)
        .split(8)
}

/// Open are 1, 6, 7, 8, 9 and 10.
///
/// ```text
///      0      1  2 3
///    ╱   ╲    │  ╲ ╱
///   4     5   1   6
///  ╱ ╲   ╱ ╲
/// 7   8 9  10
/// ```
fn graph_c() -> History {
    History::new(4).split(0).merge(2, 3).split(4).split(5)
}

fn leases(numbers: &[usize]) -> Vec<Lease> {
    numbers
        .iter()
        .map(|number| rows().new_lease(&id(*number), Position::TrimHorizon))
        .collect()
}

fn created(plan: &SyncPlan) -> Vec<usize> {
    plan.create
        .iter()
        .map(|creation| number(&creation.lease.shard))
        .collect()
}

fn planned(history: &History, leased: &[usize], start: StartingPosition) -> Vec<usize> {
    let plan = plan(&history.shards, &leases(leased), start).unwrap();
    let checkpoint = Position::from(start);
    assert!(
        plan.create
            .iter()
            .all(|creation| creation.lease.checkpoint == Some(checkpoint.clone()))
    );
    created(&plan)
}

#[test]
fn the_missing_leases_are_those_of_the_java_kcls_tests() {
    const NONE: &[usize] = &[];
    type Case<'a> = (History, &'a [usize], [&'a [usize]; 3]);
    let cases: [Case<'_>; 11] = [
        (graph_a(), &[3, 4, 5], [&[2, 6], &[0, 1, 2], &[0, 1, 2]]),
        (graph_a(), &[4, 5, 7], [&[6], &[0, 1], &[0, 1]]),
        (graph_a(), &[2, 6], [&[3, 4, 9, 10], &[3, 4, 5], &[3, 4, 5]]),
        (graph_a(), &[4, 9, 10], [&[8], &[0, 1, 2, 3], &[0, 1, 2, 3]]),
        (graph_a(), &[4, 5, 6, 7], [NONE, NONE, NONE]),
        (graph_a(), &[0, 1, 2, 3, 4, 5, 6, 7], [NONE, NONE, NONE]),
        (graph_a(), &[0, 1, 4, 7, 9, 10], [NONE, NONE, NONE]),
        (graph_b(), &[6], [&[7], &[7], &[7]]),
        (graph_b(), &[5], [NONE, NONE, NONE]),
        (graph_b(), &[0, 1, 2, 3, 4, 5], [NONE, NONE, NONE]),
        // Theirs is the case of LATEST; 0 was read, as the leases of 9 and 10 tell, and 4 was not.
        (graph_c(), &[9, 10], [&[1, 6, 7, 8], &[1, 2, 3, 4], &[1, 2, 3, 4]]),
    ];
    for (history, leased, expected) in cases {
        for (start, expected) in ALL_STARTS.into_iter().zip(expected) {
            assert_eq!(
                planned(&history, leased, start),
                expected,
                "leases {leased:?}, {start:?}"
            );
        }
    }
}

#[test]
fn the_first_leases_are_those_of_the_java_kcls_tests() {
    assert_eq!(planned(&graph_a(), &[], LATEST), [4, 8, 9, 10]);
    assert_eq!(planned(&graph_a(), &[], TRIM_HORIZON), [0, 1, 2, 3, 4, 5]);
    assert_eq!(planned(&graph_b(), &[], LATEST), [9, 10]);
    assert_eq!(planned(&graph_b(), &[], TRIM_HORIZON), [0, 1]);
    assert_eq!(planned(&graph_b(), &[], AT_TIMESTAMP), [0, 1]);
    for open_then in [&[4, 5, 6, 7][..], &[4, 8, 9, 10], &[0, 1, 2, 3, 4, 5]] {
        let listed = graph_a().listed(open_then);
        assert_eq!(created(&plan(&listed, &[], AT_TIMESTAMP).unwrap()), open_then);
    }
}

#[test]
fn a_lease_is_created_with_its_parents_and_range_and_a_reason() {
    let plan = plan(&graph_a().shards, &leases(&[4, 5, 7]), LATEST).unwrap();
    let [Creation { lease, because }] = plan.create.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(lease.parents, BTreeSet::from([id(0), id(1)]));
    assert_eq!(lease.range, graph_a().shards[6].range);
    assert_eq!((lease.counter, &lease.owner), (0, &None));
    assert_eq!(*because, Reason::LeadsTo(id(8)));
}

#[test]
fn an_open_shard_without_a_lease_is_not_covered() {
    let plan = plan(&graph_c().shards, &leases(&[6, 7, 8, 9, 10]), LATEST).unwrap();
    assert_eq!(
        plan.create.iter().map(|creation| &creation.because).collect::<Vec<_>>(),
        [&Reason::NotCovered]
    );
}

#[test]
fn leases_are_created_in_the_order_of_their_shards_age_not_of_their_ids() {
    let mut history = History::new(3);
    for (shard, sequence_number) in history.shards.iter_mut().zip(["100", "20", "3"]) {
        shard.starting_sequence_number = sequence_number.into();
    }
    assert_eq!(planned(&history, &[], LATEST), [2, 1, 0]);
}

#[test]
fn without_shards_nothing_is_created_once_there_are_leases() {
    assert_eq!(planned(&History::new(0), &[3], TRIM_HORIZON), [0; 0]);
}

#[test]
fn a_lease_of_a_forgotten_shard_covers_nothing() {
    assert_eq!(planned(&History::new(1), &[77], TRIM_HORIZON), [0]);
}

#[test]
fn a_child_of_an_open_parent_is_refused() {
    let mut history = graph_a();
    history.shards[5].state = ShardState::Open;
    let refused = SyncRefused::ChildOfOpenParent {
        child: id(9),
        parent: id(5),
    };
    for leased in [&[][..], &[4]] {
        assert_eq!(plan(&history.shards, &leases(leased), LATEST), Err(refused.clone()));
    }
}

#[test]
fn first_leases_that_leave_a_gap_are_refused() {
    let listed = graph_a().listed(&[4, 8, 10]);
    let refused = SyncRefused::IncompleteRange {
        missing: graph_a().shards[9].range.unwrap(),
    };
    assert_eq!(plan(&listed, &[], LATEST), Err(refused));
    let refused = SyncRefused::IncompleteRange {
        missing: HashKeyRange::FULL,
    };
    assert_eq!(plan(&[], &[], TRIM_HORIZON), Err(refused));
}

#[test]
fn the_lease_of_a_child_that_was_lost_is_created_at_its_first_record() {
    let history = History::new(2).split(0);
    let plan_with = |ended: &[usize], others: &[usize], start| {
        let mut all: Vec<_> = leases(ended).into_iter().map(end).collect();
        all.extend(leases(others));
        let plan = plan(&history.shards, &all, start).unwrap();
        let made = plan.create.into_iter();
        made.map(|made| (number(&made.lease.shard), made.lease.checkpoint.unwrap()))
            .collect::<Vec<_>>()
    };
    for start in ALL_STARTS {
        assert_eq!(plan_with(&[0], &[1, 3], start), [(2, Position::TrimHorizon)]);
        assert_eq!(plan_with(&[], &[0, 1], start), [], "the end of 0 leads to its children");
        // Nothing says that 0 was ever read.
        assert_eq!(plan_with(&[], &[1, 3], start), [(2, start.into())]);
    }
}

#[test]
fn the_children_of_a_forgotten_shard_wait_for_its_end_or_begin_at_their_first_record() {
    // 0 was split into 2 and 3, and 2 into 4 and 5.
    let history = History::new(2).split(0).split(2);
    let with_range = |lease: Lease| Lease {
        range: history.shards[0].range,
        ..lease
    };
    let plan_with = |listed: &[usize], of_0: fn(Lease) -> Lease| {
        let mut all: Vec<_> = leases(&[0]).into_iter().map(with_range).map(of_0).collect();
        all.extend(leases(&[1]));
        let plan = plan(&history.listed(listed), &all, LATEST).unwrap();
        let made = plan.create.into_iter();
        made.map(|made| (number(&made.lease.shard), made.lease.checkpoint.unwrap()))
            .collect::<Vec<_>>()
    };
    let first = |numbers: &[usize]| {
        numbers
            .iter()
            .map(|number| (*number, Position::TrimHorizon))
            .collect::<Vec<_>>()
    };
    for listed in [&[1, 2, 3, 4, 5][..], &[1, 3, 4, 5]] {
        assert_eq!(plan_with(listed, |lease| lease), [], "{listed:?}");
    }
    assert_eq!(plan_with(&[1, 2, 3, 4, 5], end), first(&[2, 3]));
    assert_eq!(plan_with(&[1, 3, 4, 5], end), first(&[3, 4, 5]));
}

#[test]
fn thousands_of_generations_are_no_problem() {
    let mut history = History::new(1);
    for generation in 0..3_000 {
        history = history
            .split(3 * generation)
            .merge(3 * generation + 1, 3 * generation + 2);
    }
    assert_eq!(planned(&history, &[0], TRIM_HORIZON), [0; 0]);
    assert_eq!(planned(&history, &[], TRIM_HORIZON), [0]);
    assert_eq!(planned(&history, &[77_777], TRIM_HORIZON), [0]);
}

#[test]
fn children_are_read_from_their_first_record_on() {
    let child = ChildShard {
        id: id(8),
        parents: BTreeSet::from([id(6), id(7)]),
        range: Some(HashKeyRange::FULL),
    };
    let leases = children_plan(rows(), &id(6), &[child], &OwnAttributes::default());
    let [lease] = leases.as_slice() else {
        panic!("{leases:?}")
    };
    assert_eq!(
        (lease.key.as_str(), &lease.checkpoint),
        (id(8).as_str(), &Some(Position::TrimHorizon))
    );
    assert_eq!(lease.parents, BTreeSet::from([id(6), id(7)]));
    assert_eq!(lease.range, Some(HashKeyRange::FULL));
}

#[test]
fn a_child_that_names_no_parent_still_waits_for_the_shard_that_named_it() {
    let child = ChildShard {
        id: id(8),
        parents: BTreeSet::new(),
        range: Some(HashKeyRange::FULL),
    };
    assert_eq!(
        children_plan(rows(), &id(6), &[child], &OwnAttributes::default())[0].parents,
        BTreeSet::from([id(6)])
    );
}

/// A random history, of which the beginning may be forgotten.
fn any_history() -> impl Strategy<Value = History> {
    let steps = proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..16);
    (1..5_u32, steps, any::<prop::sample::Index>()).prop_map(|(shards, steps, forgotten)| {
        let mut history = History::new(shards);
        for (splits, index) in steps {
            let open = history.open();
            let at = index.index(open.len());
            history = match open.get(at..at + 2) {
                Some([left, right]) if !splits => history.merge(*left, *right),
                _ => history.split(open[at]),
            };
        }
        let reshardings = forgotten.index(history.closed.len() + 1);
        history.forget(reshardings)
    })
}

fn any_start() -> impl Strategy<Value = StartingPosition> {
    prop::sample::select(ALL_STARTS.to_vec())
}

/// A history with leases for some of its shards, at least one.
fn any_situation() -> impl Strategy<Value = (History, Vec<Lease>)> {
    any_history().prop_flat_map(|history| {
        let numbers: Vec<_> = history.shards.iter().map(|shard| number(&shard.id)).collect();
        let some = prop::sample::subsequence(numbers.clone(), 1..=numbers.len());
        (Just(history), some.prop_map(|numbers| leases(&numbers)))
    })
}

/// The same, but some of the closed shards were read to their ends.
fn any_situation_with_ends() -> impl Strategy<Value = (History, Vec<Lease>)> {
    any_situation().prop_flat_map(|(history, leases)| {
        let ends = proptest::collection::vec(any::<bool>(), leases.len());
        (Just(history), Just(leases), ends).prop_map(|(history, leases, ends)| {
            let ended = leases.into_iter().zip(ends).map(|(lease, is_ended)| {
                let mut shards = history.shards.iter();
                let is_closed = shards.any(|shard| shard.id == lease.shard && shard.state == ShardState::Closed);
                match is_ended && is_closed {
                    true => end(lease),
                    false => lease,
                }
            });
            let ended = ended.collect();
            (history, ended)
        })
    })
}

fn end(lease: Lease) -> Lease {
    Lease {
        checkpoint: Some(Position::ShardEnd),
        ..lease
    }
}

fn with_created(leases: &[Lease], plan: &SyncPlan) -> Vec<Lease> {
    leases
        .iter()
        .chain(plan.create.iter().map(|creation| &creation.lease))
        .cloned()
        .collect()
}

fn shards_of<'a>(graph: &Graph<'a>, leases: &[Lease]) -> Vec<&'a Shard> {
    leases.iter().filter_map(|lease| graph.shard(&lease.shard)).collect()
}

/// All shards that are read some day: those with a lease, and the children of those that are still read when they end.
fn read_in_the_end(graph: &Graph<'_>, leases: &[Lease]) -> BTreeSet<ShardId> {
    let leased = shards_of(graph, leases);
    let still_read: Vec<_> = leases.iter().filter(|lease| !lease.is_finished()).cloned().collect();
    let children = graph.descendants(shards_of(graph, &still_read).into_iter());
    leased.iter().map(|shard| &shard.id).chain(children).cloned().collect()
}

#[test]
fn the_heirs_of_a_forgotten_shard_are_its_children_and_those_of_its_forgotten_children() {
    let history = History::new(2).split(0).split(2).split(1);
    let heirs = |listed: &[usize], leased: &[usize]| -> Vec<usize> {
        let range = history.shards[0].range;
        let heirs = listed_heirs(rows(), &id(0), range, &history.listed(listed), &leases(leased));
        heirs.iter().map(|heir| number(&heir.id)).collect()
    };
    // 0 was split into 2 and 3, 2 into 4 and 5, and 1, beside it, into 6 and 7.
    assert_eq!(heirs(&[0, 2, 3, 4, 5, 6, 7], &[0, 1]), [2, 3]);
    assert_eq!(heirs(&[2, 3, 4, 5, 6, 7], &[0, 1]), [2, 3]);
    assert_eq!(heirs(&[3, 4, 5, 6, 7], &[0]), [3, 4, 5]);
    assert_eq!(heirs(&[3, 4, 5, 6, 7], &[0, 2]), [3], "the end of 2 leads to 4 and 5");
    assert_eq!(heirs(&[3, 4, 5, 6, 7], &[0, 5]), [3, 4]);
}

proptest! {
    #[test]
    fn every_open_shard_is_read_in_the_end((history, leases) in any_situation_with_ends(), start in any_start()) {
        let plan = plan(&history.shards, &leases, start).unwrap();
        let read = read_in_the_end(&Graph::new(&history.shards), &with_created(&leases, &plan));
        let open = history.shards.iter().filter(|shard| shard.state == ShardState::Open);
        prop_assert_eq!(open.clone().find(|shard| !read.contains(&shard.id)), None);
        prop_assert_eq!(first_gap(open.filter(|shard| read.contains(&shard.id))), None);
    }

    #[test]
    fn no_lease_is_created_below_one_that_is_still_read((history, leases) in any_situation_with_ends(), start in any_start()) {
        let plan = plan(&history.shards, &leases, start).unwrap();
        let graph = Graph::new(&history.shards);
        let created = shards_of(&graph, &with_created(&[], &plan));
        let still_read: Vec<_> = leases.into_iter().filter(|lease| !lease.is_finished()).collect();
        let leased = shards_of(&graph, &still_read);
        let below = graph.descendants(leased.into_iter().chain(created.iter().copied()));
        prop_assert_eq!(created.into_iter().find(|shard| below.contains(&shard.id)), None);
    }

    #[test]
    fn the_other_side_of_a_merge_is_not_forgotten((history, leases) in any_situation(), start in any_start()) {
        let plan = plan(&history.shards, &leases, start).unwrap();
        let graph = Graph::new(&history.shards);
        let leased = shards_of(&graph, &leases);
        let read = read_in_the_end(&graph, &with_created(&leases, &plan));
        // A shard below a lease, with no lease itself or below, ends only if all its parents do.
        let covered = graph.descendants(leased.iter().copied());
        let passed = graph.ancestors(leased.iter().copied());
        let waits = |shard: &&Shard| {
            covered.contains(&shard.id)
                && !passed.contains(&shard.id)
                && leased.iter().all(|leased| leased.id != shard.id)
        };
        for shard in graph.shards().filter(waits) {
            let forgotten = graph.parents(shard).find(|parent| !read.contains(&parent.id));
            prop_assert_eq!(forgotten, None, "{} waits for it", shard.id);
        }
    }

    #[test]
    fn what_comes_of_a_shard_that_was_read_to_its_end_begins_at_its_first_record(
        (history, leases) in any_situation_with_ends(),
        start in any_start(),
    ) {
        let plan = plan(&history.shards, &leases, start).unwrap();
        let graph = Graph::new(&history.shards);
        let ended: Vec<_> = leases.iter().filter(|lease| lease.is_finished()).cloned().collect();
        let followed = graph.descendants(shards_of(&graph, &ended).into_iter());
        for Creation { lease, .. } in &plan.create {
            let from = match followed.contains(&lease.shard) {
                true => Position::TrimHorizon,
                false => start.into(),
            };
            prop_assert_eq!(lease.checkpoint.as_ref(), Some(&from), "{}", &lease.shard);
        }
    }

    #[test]
    fn a_second_sync_creates_nothing((history, leases) in any_situation_with_ends(), start in any_start()) {
        let first = plan(&history.shards, &leases, start).unwrap();
        let second = plan(&history.shards, &with_created(&leases, &first), start).unwrap();
        prop_assert_eq!(created(&second), [0; 0]);
    }

    #[test]
    fn the_first_leases_span_all_hash_keys_once(history in any_history(), start in any_start()) {
        let plan = plan(&history.shards, &[], start).unwrap();
        let graph = Graph::new(&history.shards);
        let first = shards_of(&graph, &with_created(&[], &plan));
        prop_assert_eq!(first_gap(first.iter().copied()), None);
        let overlap = first.windows(2).find(|pair| pair[0].id != pair[1].id && pair[0].range.unwrap().overlaps(pair[1].range.unwrap()));
        prop_assert_eq!(overlap, None);
    }

    #[test]
    fn a_sync_after_the_first_creates_nothing(history in any_history(), start in any_start()) {
        let first = plan(&history.shards, &[], start).unwrap();
        prop_assert_eq!(planned(&history, &created(&first), start), [0; 0]);
    }

    #[test]
    fn what_follows_shards_that_were_forgotten_unread_is_read_in_the_end(history in any_history()) {
        let lease = |shard: &Shard| lease_at(rows(), shard, Position::TrimHorizon);
        let mut leases: Vec<Lease> = history.first.iter().map(lease).collect();
        let graph = Graph::new(&history.shards);
        for shard in history.first.iter().filter(|first| graph.shard(&first.id).is_none()) {
            let heirs = listed_heirs(rows(), &shard.id, shard.range, &history.shards, &leases);
            leases.extend(children_plan(rows(), &shard.id, &heirs, &OwnAttributes::default()));
        }
        let read = read_in_the_end(&graph, &leases);
        let open = history.shards.iter().filter(|shard| shard.state == ShardState::Open);
        prop_assert_eq!(open.map(|shard| &shard.id).find(|id| !read.contains(id)), None);
    }
}
