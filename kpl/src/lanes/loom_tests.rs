//! Every interleaving of callers and driver at the locks of the lanes, as loom explores them.
//!
//! Loom sees these locks and nothing else. The budget, the cohorts and the swap of the lanes are atomic steps to it: each
//! is one on its own. So that it also explores the order of the swaps and the loads, each of them touches an atomic of
//! the model just before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregation::UserRecordRef;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use service::{Clock, ShardId};

use super::{Handed, Handover, LaneTemplate, Lanes};
use crate::budget::{Budget, Room};
use crate::config::ordering::RecordDistribution;
use crate::error::{PutError, PutErrorKind};
use crate::lanes::lane::LaneLimits;
use crate::producer::shared::Shared;
use crate::receipt::Receipt;
use crate::record::Record;
use crate::record::limit::RecordLimit;
use crate::routing::shard_map::{Shard, ShardMap};
use crate::routing::{Keyless, Routing};

const BUDGET: u32 = 20_000;

fn now() -> Instant {
    Clock::default().monotonic()
}

/// The callers' and the driver's side of a producer.
struct Model {
    shared: Shared,
    swaps: AtomicUsize,
}

/// Explores `scenario` with a producer whose aggregates hold at most `max_count` records.
fn explore(max_count: usize, scenario: impl Fn(&Arc<Model>) + Sync + Send + 'static) {
    loom::model(move || {
        let budget = Budget::new(BUDGET, 100);
        let limits = LaneLimits {
            max_size: 1_000,
            max_count,
            max_buffered: Duration::from_secs(1),
            ttl: None,
        };
        let shared = Shared::new(
            LaneTemplate {
                stream: "orders".into(),
                limits,
                budget: budget.clone(),
                buffers: Arc::default(),
                handover: Arc::new(Handover::default()),
                clock: Clock::default(),
                built: now(),
            },
            RecordLimit::new(None),
        );
        let swaps = AtomicUsize::new(0);
        let model = Arc::new(Model { shared, swaps });
        scenario(&model);
        drop(model);
        assert!(
            budget.try_acquire(Room::of(BUDGET as usize / 2)).is_some(),
            "the budget is whole again"
        );
    });
}

impl Model {
    fn put(&self, text: &'static str) -> Result<Receipt, PutError> {
        let permit = self.shared.template.budget.try_acquire(Room::of(100)).unwrap();
        self.swaps.load(Ordering::SeqCst);
        self.shared.append(Record::new("key", text), permit)
    }

    fn lanes(&self) -> Arc<Lanes> {
        self.swaps.load(Ordering::SeqCst);
        arc_swap::Guard::into_inner(self.shared.lanes())
    }

    fn replace(&self) {
        self.swaps.fetch_add(1, Ordering::SeqCst);
        self.shared.replace_lanes(one_shard());
    }

    fn close(&self) {
        self.swaps.fetch_add(1, Ordering::SeqCst);
        self.shared.close_lanes();
    }

    /// What was handed over, aggregate by aggregate.
    fn handed_over(&self) -> Vec<Vec<String>> {
        texts(self.shared.template.handover.take_all())
    }

    fn handed_over_sorted(&self) -> Vec<String> {
        let mut all = self.handed_over().concat();
        all.sort();
        all
    }
}

/// The records of what was handed over, aggregate by aggregate.
fn texts(handed: Vec<Handed>) -> Vec<Vec<String>> {
    let aggregates = handed.into_iter().filter_map(|handed| match handed {
        Handed::Sealed(aggregate) => Some(aggregate.fail(PutErrorKind::ShutDown).returned()),
        Handed::Armed { .. } => None,
    });
    let text = |error: PutError| String::from_utf8(error.into_record().into_data().to_vec()).unwrap();
    aggregates
        .map(|returned| returned.into_iter().map(text).collect())
        .collect()
}

fn one_shard() -> Routing {
    let shard = Shard {
        id: ShardId::new("shardId-000000000000"),
        range: aggregation::HashKeyRange::FULL,
    };
    let map = Arc::new(ShardMap::first(vec![shard]).unwrap());
    Routing::new(map, RecordDistribution::UserPartitionKey, Keyless::Refused)
}

fn callers(model: &Arc<Model>) -> [thread::JoinHandle<()>; 2] {
    ["a", "b"].map(|text| {
        let model = Arc::clone(model);
        thread::spawn(move || assert!(model.put(text).is_ok()))
    })
}

#[test]
fn every_record_leaves_once_while_two_callers_append_and_the_driver_seals() {
    explore(2, |model| {
        let callers = callers(model);
        model.lanes().seal_all();
        for caller in callers {
            caller.join().unwrap();
        }
        model.lanes().seal_all();
        assert_eq!(model.handed_over_sorted(), ["a", "b"]);
    });
}

#[test]
fn no_record_is_lost_when_a_new_map_replaces_the_lanes() {
    explore(10, |model| {
        let callers = callers(model);
        model.replace();
        for caller in callers {
            caller.join().unwrap();
        }
        model.lanes().seal_all();
        assert_eq!(model.handed_over_sorted(), ["a", "b"]);
    });
}

#[test]
fn no_record_enters_retired_lanes() {
    explore(10, |model| {
        let old = model.lanes();
        let caller = {
            let old = Arc::clone(&old);
            let budget = model.shared.template.budget.clone();
            #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
            let now = Instant::now();
            thread::spawn(move || {
                let permit = budget.try_acquire(Room::of(100)).unwrap();
                old.append(&UserRecordRef::new("key", None, b"a"), permit, now).is_ok()
            })
        };
        model.replace();
        let at_retirement = model.handed_over_sorted();
        let accepted = caller.join().unwrap();
        assert_eq!(at_retirement.len(), usize::from(accepted));
        old.seal_all();
        assert!(model.handed_over_sorted().is_empty());
    });
}

#[test]
fn what_a_closing_producer_accepted_is_handed_over_when_it_is_closed() {
    explore(10, |model| {
        let caller = {
            let model = Arc::clone(model);
            thread::spawn(move || ["a", "b"].map(|text| model.put(text).is_ok()))
        };
        model.close();
        let handed = model.handed_over_sorted();
        let accepted = caller.join().unwrap();
        assert_eq!(handed.len(), accepted.into_iter().filter(|accepted| *accepted).count());
        assert!(accepted[0] || !accepted[1], "closed is closed");
    });
}

#[test]
fn the_records_of_one_caller_leave_a_lane_in_order_whoever_seals_it() {
    for max_count in [1, 2, 10] {
        explore(max_count, |model| {
            let caller = {
                let model = Arc::clone(model);
                thread::spawn(move || {
                    for text in ["1", "2", "3"] {
                        assert!(model.put(text).is_ok());
                    }
                })
            };
            model.lanes().seal_all();
            caller.join().unwrap();
            model.lanes().seal_all();
            assert_eq!(model.handed_over().concat(), ["1", "2", "3"]);
        });
    }
}

/// The driver takes what lanes sealed that were replaced before what the lanes in their place have sealed already, also if both
/// are of the same shards.
#[test]
fn the_records_of_one_caller_leave_in_order_while_its_lanes_are_replaced() {
    for max_count in [1, 2] {
        explore(max_count, |model| {
            model.replace();
            let caller = {
                let model = Arc::clone(model);
                thread::spawn(move || {
                    for text in ["1", "2", "3"] {
                        assert!(model.put(text).is_ok());
                    }
                })
            };
            model.replace();
            let handover = &model.shared.template.handover;
            let mut taken = texts(handover.take_all_by_lanes());
            caller.join().unwrap();
            model.lanes().seal_all();
            taken.extend(texts(handover.take_all()));
            assert_eq!(taken.concat(), ["1", "2", "3"]);
        });
    }
}

/// The driver does not wait for an aggregate that a caller is framing, and takes nothing from behind it.
#[test]
fn what_is_ready_leaves_in_order_and_the_rest_stays() {
    explore(1, |model| {
        let caller = {
            let model = Arc::clone(model);
            thread::spawn(move || {
                for text in ["1", "2"] {
                    assert!(model.put(text).is_ok());
                }
            })
        };
        let handover = &model.shared.template.handover;
        let is_woken = || futures::FutureExt::now_or_never(handover.handed()).is_some();
        is_woken();
        let mut taken = texts(handover.take_ready());
        caller.join().unwrap();
        let (woken, rest) = (is_woken(), texts(handover.take_ready()));
        assert!(woken || rest.is_empty(), "what is left wakes the driver");
        taken.extend(rest);
        assert_eq!(taken.concat(), ["1", "2"]);
    });
}

/// The driver comes for a deadline that it was told; a record that enters meanwhile leaves with it or tells its own.
#[test]
fn a_record_that_waits_in_a_lane_has_told_its_deadline() {
    explore(10, |model| {
        assert!(model.put("a").is_ok());
        let caller = {
            let model = Arc::clone(model);
            thread::spawn(move || assert!(model.put("b").is_ok()))
        };
        let late = now() + Duration::from_secs(60);
        assert_eq!(model.lanes().seal_if_due(0, late), None);
        caller.join().unwrap();
        let told = model.shared.template.handover.take_all().into_iter();
        let deadlines = told.filter(|handed| matches!(handed, Handed::Armed { .. })).count();
        // Not yet due, so that this only tells whether a record waits.
        let early = now() - Duration::from_secs(60);
        let waits = model.lanes().seal_if_due(0, early).is_some();
        assert_eq!(deadlines, if waits { 2 } else { 1 });
    });
}

/// A deadline that replaced lanes told finds the new ones in whatever state.
#[test]
fn a_stale_deadline_seals_nothing_early_and_forgets_nothing() {
    explore(10, |model| {
        model.replace();
        let caller = {
            let model = Arc::clone(model);
            thread::spawn(move || assert!(model.put("a").is_ok()))
        };
        let again = model.lanes().seal_if_due(0, now()).is_some();
        caller.join().unwrap();
        let told = model.shared.template.handover.take_all().into_iter();
        let kinds: Vec<bool> = told.map(|handed| matches!(handed, Handed::Armed { .. })).collect();
        assert_eq!(kinds, [true], "told once, and not sealed; came back: {again}");
        model.lanes().seal_all();
        assert_eq!(model.handed_over_sorted(), ["a"]);
    });
}

/// The driver is gone while a caller is between two steps.
#[test]
fn the_drop_of_the_last_lanes_fails_what_is_in_them() {
    explore(10, |model| {
        let caller = {
            let model = Arc::clone(model);
            thread::spawn(move || model.put("a").ok())
        };
        model.close();
        drop(model.shared.template.handover.take_all());
        if let Some(receipt) = caller.join().unwrap() {
            let error = futures::FutureExt::now_or_never(receipt).unwrap().unwrap_err();
            assert_eq!(error.kind(), &PutErrorKind::TaskEnded);
        }
    });
}
