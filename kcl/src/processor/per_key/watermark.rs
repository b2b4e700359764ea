//! Pure: which records of a shard run, and up to which position everything is done.
//!
//! ```text
//!            watermark                                    newest
//!  ──done──done──●──running──done──waiting──failed──waiting──●
//!                └──────────────── the window ───────────────┘
//! ```
//!
//! One record of each key runs at a time, in the order of the shard. A record that has failed holds up those of its key behind
//! it, until it is delivered again or passed over. They are not kept meanwhile: their memory may be what keeps the worker from
//! reading, and so from delivering the failed record again. All of them are delivered again with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::position::RecordPosition;

/// How much may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Records that run at once; at least 1.
    pub(super) in_flight: usize,
    /// Records from the watermark to the newest; at least 1.
    pub(super) window: usize,
}

/// What became of a record that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is new, and runs when it is its turn.
    New,
    /// It has failed before, and runs again.
    Again,
    /// It was delivered before, and is done or on its way.
    Known,
    /// The window is full; nothing has changed.
    Full,
}

/// The records of one shard between the watermark and the newest. Each has a key `K`, and a `T` until it runs.
#[derive(Debug)]
pub(super) struct Watermark<K, T> {
    bounds: Bounds,
    entries: BTreeMap<RecordPosition, Entry<K, T>>,
    /// The records of each key that are not done.
    keys: BTreeMap<K, BTreeSet<RecordPosition>>,
    /// Waiting records whose turn it is.
    ready: BTreeSet<RecordPosition>,
    failed: BTreeSet<RecordPosition>,
    /// Failed and dropped records that the worker is about to deliver again, in their order.
    due: BTreeSet<RecordPosition>,
    running: usize,
    mark: Option<RecordPosition>,
}

#[derive(Debug)]
struct Entry<K, T> {
    key: K,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Waiting(T),
    Running,
    Failed,
    /// Not kept, because a record of its key has failed. It is to be delivered again.
    Dropped,
    Done,
}

impl<K: Ord + Clone, T> Watermark<K, T> {
    /// No record was delivered.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: BTreeMap::new(),
            keys: BTreeMap::new(),
            ready: BTreeSet::new(),
            failed: BTreeSet::new(),
            due: BTreeSet::new(),
            running: 0,
            mark: None,
        }
    }

    /// Takes a record that is delivered.
    pub(super) fn admit(&mut self, position: &RecordPosition, key: K, item: T) -> Admission {
        if self.mark.as_ref().is_some_and(|mark| position <= mark) {
            return Admission::Known;
        }
        if self.entries.contains_key(position) {
            return self.admit_again(position, item);
        }
        if self.entries.len() >= self.bounds.window {
            return Admission::Full;
        }
        let of_key = self.keys.entry(key.clone()).or_default();
        let state = match of_key.first() {
            Some(first) if self.failed.contains(first) => State::Dropped,
            Some(_) => State::Waiting(item),
            None => {
                self.ready.insert(position.clone());
                State::Waiting(item)
            }
        };
        of_key.insert(position.clone());
        self.entries.insert(position.clone(), Entry { key, state });
        Admission::New
    }

    fn admit_again(&mut self, position: &RecordPosition, item: T) -> Admission {
        let has_failed = self.failed.remove(position);
        let Some(entry) = self.entries.get_mut(position) else {
            return Admission::Known;
        };
        match entry.state {
            State::Waiting(_) | State::Running | State::Done => return Admission::Known,
            State::Failed | State::Dropped => entry.state = State::Waiting(item),
        }
        self.due.remove(position);
        if self.keys.get(&entry.key).and_then(BTreeSet::first) == Some(position) {
            self.ready.insert(position.clone());
        }
        if has_failed { Admission::Again } else { Admission::Known }
    }

    /// The next record to run, if one may: the oldest whose turn it is.
    pub(super) fn start(&mut self) -> Option<T> {
        if self.running >= self.bounds.in_flight {
            return None;
        }
        let position = self.ready.pop_first()?;
        let entry = self.entries.get_mut(&position)?;
        match std::mem::replace(&mut entry.state, State::Running) {
            State::Waiting(item) => {
                self.running += 1;
                Some(item)
            }
            State::Running | State::Failed | State::Dropped | State::Done => None,
        }
    }

    /// Notes that a running record is done.
    pub(super) fn done(&mut self, position: &RecordPosition) {
        self.running = self.running.saturating_sub(1);
        self.finish(position);
    }

    /// Notes that a running record has failed, and drops those that wait for it: it and they are to be delivered again.
    pub(super) fn failed(&mut self, position: &RecordPosition) {
        self.running = self.running.saturating_sub(1);
        let Some(entry) = self.entries.get_mut(position) else {
            return;
        };
        entry.state = State::Failed;
        self.failed.insert(position.clone());
        let of_key = self.keys.get(&entry.key);
        for behind in of_key.into_iter().flatten().filter(|other| *other > position) {
            if let Some(entry) = self.entries.get_mut(behind) {
                entry.state = State::Dropped;
            }
        }
    }

    /// Notes that a failed record is skipped, or kept elsewhere: it counts as done.
    pub(super) fn passed_over(&mut self, position: &RecordPosition) {
        if self.failed.remove(position) {
            self.due.remove(position);
            self.finish(position);
        }
    }

    /// Notes that the worker delivers everything behind the watermark again, with these failed records.
    pub(super) fn come_again(&mut self, failed: &BTreeSet<RecordPosition>) {
        let is_dropped = |entry: &Entry<K, T>| matches!(entry.state, State::Dropped);
        let dropped = self.entries.iter().filter(|(_, entry)| is_dropped(entry));
        self.due = dropped.map(|(position, _)| position).chain(failed).cloned().collect();
    }

    /// Notes that delivery has come to this record, or to the end of the shard. What should have come again before it is gone
    /// from the stream, and counts as done.
    pub(super) fn delivery_is_at(&mut self, next: Option<&RecordPosition>) {
        while let Some(first) = self
            .due
            .first()
            .filter(|first| next.is_none_or(|next| *first < next))
            .cloned()
        {
            self.due.remove(&first);
            self.failed.remove(&first);
            self.finish(&first);
        }
    }

    /// Whether this record has failed, and was neither begun again nor passed over.
    pub(super) fn has_failed(&self, position: &RecordPosition) -> bool {
        self.failed.contains(position)
    }

    /// Whether a record is to be delivered again.
    pub(super) fn is_incomplete(&self) -> bool {
        let is_missing = |entry: &Entry<K, T>| matches!(entry.state, State::Failed | State::Dropped);
        self.entries.values().any(is_missing)
    }

    /// The first record that is not kept, and is to be delivered again.
    pub(super) fn first_dropped(&self) -> Option<&RecordPosition> {
        let mut entries = self.entries.iter();
        let dropped = entries.find(|(_, entry)| matches!(entry.state, State::Dropped));
        dropped.map(|(position, _)| position)
    }

    /// Everything up to this position is done. `None` while nothing is.
    pub(super) fn mark(&self) -> Option<&RecordPosition> {
        self.mark.as_ref()
    }

    /// How many records run.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Whether nothing runs, and nothing may run until a record is delivered.
    pub(super) fn is_at_rest(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }

    /// Lets a record run that was the next one of its key, if it is kept.
    fn its_turn(&mut self, position: RecordPosition) {
        let entry = self.entries.get(&position);
        if entry.is_some_and(|entry| matches!(entry.state, State::Waiting(_))) {
            self.ready.insert(position);
        }
    }

    fn finish(&mut self, position: &RecordPosition) {
        let Some(entry) = self.entries.get_mut(position) else {
            return;
        };
        entry.state = State::Done;
        let key = entry.key.clone();
        if let Some(of_key) = self.keys.get_mut(&key) {
            of_key.remove(position);
            match of_key.first().cloned() {
                Some(next) => self.its_turn(next),
                None => drop(self.keys.remove(&key)),
            }
        }
        while let Some(first) = self.entries.first_entry() {
            if !matches!(first.get().state, State::Done) {
                return;
            }
            self.mark = Some(first.remove_entry().0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(n: u64) -> RecordPosition {
        RecordPosition {
            sequence_number: n.to_string().parse().unwrap(),
            sub_sequence_number: 0,
        }
    }

    fn watermark(in_flight: usize, window: usize) -> Watermark<u8, usize> {
        Watermark::new(Bounds { in_flight, window })
    }

    /// Three records of the keys 0, 0, 1, of which those run that may.
    fn running() -> Watermark<u8, usize> {
        let mut records = watermark(9, 9);
        for (n, key) in [(1, 0), (2, 0), (3, 1)] {
            assert_eq!(records.admit(&at(n as u64), key, n), Admission::New);
        }
        assert_eq!(
            [records.start(), records.start(), records.start()],
            [Some(1), Some(3), None]
        );
        records
    }

    #[test]
    fn the_watermark_stands_in_front_of_the_oldest_record_that_is_not_done() {
        let mut records = running();
        records.done(&at(3));
        assert_eq!(records.mark(), None);
        records.done(&at(1));
        assert_eq!(records.mark(), Some(&at(1)));
        assert_eq!(records.start(), Some(2));
        records.done(&at(2));
        assert_eq!(records.mark(), Some(&at(3)));
        assert!(records.is_at_rest());
    }

    #[test]
    fn a_failed_record_holds_its_key_and_the_watermark_until_it_is_delivered_again() {
        let mut records = running();
        records.failed(&at(1));
        records.done(&at(3));
        assert_eq!((records.start(), records.mark()), (None, None));
        assert_eq!(records.admit(&at(1), 0, 10), Admission::Again);
        assert_eq!(records.admit(&at(2), 0, 20), Admission::Known);
        assert_eq!(records.admit(&at(3), 1, 30), Admission::Known);
        assert_eq!(records.start(), Some(10));
        records.done(&at(1));
        assert_eq!(records.start(), Some(20));
    }

    #[test]
    fn records_behind_a_failed_one_are_not_kept_and_hold_the_watermark_until_they_come_again() {
        let mut records = running();
        let memory = std::rc::Rc::new(());
        let mut kept = Watermark::new(Bounds {
            in_flight: 9,
            window: 9,
        });
        for n in 1..4 {
            kept.admit(&at(n), 0, std::rc::Rc::clone(&memory));
        }
        drop(kept.start());
        kept.failed(&at(1));
        kept.admit(&at(4), 0, std::rc::Rc::clone(&memory));
        assert_eq!(std::rc::Rc::strong_count(&memory), 1);
        records.failed(&at(1));
        records.done(&at(3));
        records.passed_over(&at(1));
        assert_eq!((records.start(), records.mark()), (None, Some(&at(1))));
        assert!(records.is_at_rest() && records.is_incomplete());
        assert_eq!(records.first_dropped(), Some(&at(2)));
        assert_eq!(records.admit(&at(2), 0, 20), Admission::Known);
        assert_eq!(records.start(), Some(20));
        records.done(&at(2));
        assert_eq!(records.mark(), Some(&at(3)));
        assert!(!records.is_incomplete());
    }

    #[test]
    fn a_record_that_is_trimmed_before_it_comes_again_holds_nothing_any_more() {
        for next in [Some(at(2)), None] {
            let mut records = running();
            records.failed(&at(1));
            records.done(&at(3));
            records.delivery_is_at(Some(&at(4)));
            assert_eq!(records.mark(), None, "it was not to come yet");
            records.come_again(&BTreeSet::from([at(1)]));
            records.delivery_is_at(next.as_ref());
            match next {
                Some(_) => {
                    assert_eq!(records.mark(), Some(&at(1)));
                    assert_eq!(records.admit(&at(2), 0, 20), Admission::Known);
                    assert_eq!(records.start(), Some(20));
                }
                None => assert_eq!((records.mark(), records.is_incomplete()), (Some(&at(3)), false)),
            }
        }
    }

    #[test]
    fn a_failed_record_that_is_passed_over_counts_as_done_and_others_do_not() {
        let mut records = running();
        records.failed(&at(3));
        records.passed_over(&at(2));
        records.passed_over(&at(3));
        assert_eq!(records.mark(), None);
        records.done(&at(1));
        assert_eq!((records.start(), records.mark()), (Some(2), Some(&at(1))));
        records.done(&at(2));
        assert_eq!(records.mark(), Some(&at(3)));
    }

    #[test]
    fn a_full_window_takes_only_what_it_knows_until_the_watermark_moves() {
        let mut records = watermark(1, 2);
        records.admit(&at(1), 0, 1);
        records.admit(&at(2), 1, 2);
        assert_eq!(records.admit(&at(3), 2, 3), Admission::Full);
        assert_eq!(records.admit(&at(1), 0, 1), Admission::Known);
        assert_eq!((records.start(), records.start()), (Some(1), None));
        records.done(&at(1));
        assert_eq!(records.admit(&at(3), 2, 3), Admission::New);
    }

    #[derive(Debug, Clone, Copy)]
    enum Act {
        Deliver,
        Start,
        /// The running record of this number, from the oldest.
        Done(usize),
        Fail(usize),
        /// Delivers everything above the watermark again.
        Again,
        PassOver,
    }

    fn any_act() -> impl Strategy<Value = Act> {
        prop_oneof![
            6 => Just(Act::Deliver),
            6 => Just(Act::Start),
            5 => (0..8_usize).prop_map(Act::Done),
            2 => (0..8_usize).prop_map(Act::Fail),
            1 => Just(Act::Again),
            1 => Just(Act::PassOver),
        ]
    }

    /// What a record has come to, by the test's own account.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Seen {
        Waiting,
        Running,
        Failed,
        /// To be delivered again.
        Dropped,
        Done,
    }

    /// Whether the first unfinished record of this key has failed.
    fn has_failed(key: u8, keys: &[u8], seen: &[Seen]) -> bool {
        let first = (0..seen.len()).find(|n| keys[*n] == key && seen[*n] != Seen::Done);
        first.is_some_and(|first| seen[first] == Seen::Failed)
    }

    /// Does one act, and keeps account of it.
    fn act(act: Act, keys: &[u8], records: &mut Watermark<u8, usize>, seen: &mut Vec<Seen>) {
        let running: Vec<usize> = (0..seen.len()).filter(|n| seen[*n] == Seen::Running).collect();
        let nth = |n: usize| running.get(n % running.len().max(1)).copied();
        match act {
            Act::Deliver => {
                let n = seen.len();
                if n < keys.len() && records.admit(&at(n as u64), keys[n], n) == Admission::New {
                    let drops = has_failed(keys[n], keys, seen);
                    seen.push(if drops { Seen::Dropped } else { Seen::Waiting });
                }
            }
            Act::Start => {
                if let Some(n) = records.start() {
                    assert_eq!(seen[n], Seen::Waiting, "record {n} runs once at a time");
                    seen[n] = Seen::Running;
                }
            }
            Act::Done(n) => {
                if let Some(n) = nth(n) {
                    records.done(&at(n as u64));
                    seen[n] = Seen::Done;
                }
            }
            Act::Fail(n) => {
                if let Some(n) = nth(n) {
                    records.failed(&at(n as u64));
                    seen[n] = Seen::Failed;
                    for m in (n + 1..seen.len()).filter(|m| keys[*m] == keys[n]) {
                        assert_ne!(seen[m], Seen::Running);
                        seen[m] = Seen::Dropped;
                    }
                }
            }
            Act::Again => {
                for n in 0..seen.len() {
                    let admission = records.admit(&at(n as u64), keys[n], n);
                    assert_eq!(admission == Admission::Again, seen[n] == Seen::Failed);
                    if matches!(seen[n], Seen::Failed | Seen::Dropped) {
                        seen[n] = Seen::Waiting;
                    }
                }
            }
            Act::PassOver => {
                if let Some(n) = seen.iter().position(|seen| *seen == Seen::Failed) {
                    records.passed_over(&at(n as u64));
                    seen[n] = Seen::Done;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_watermark_passes_no_unfinished_record_and_keys_keep_their_order_within_the_bounds(
            keys in proptest::collection::vec(0..4_u8, 30),
            acts in proptest::collection::vec(any_act(), 0..300),
            in_flight in 1..5_usize,
            window in 1..12_usize,
        ) {
            let (mut records, mut seen) = (watermark(in_flight, window), Vec::new());
            for each in acts {
                act(each, &keys, &mut records, &mut seen);
                let unfinished = seen.iter().position(|seen| *seen != Seen::Done).unwrap_or(seen.len());
                let expected = unfinished.checked_sub(1).map(|n| at(n as u64));
                prop_assert_eq!(records.mark(), expected.as_ref());
                prop_assert!(seen.len() - unfinished <= window);
                let running: Vec<usize> = (0..seen.len()).filter(|n| seen[*n] == Seen::Running).collect();
                prop_assert_eq!(running.len(), records.running());
                prop_assert!(running.len() <= in_flight);
                for n in running {
                    let before = (0..n).filter(|m| keys[*m] == keys[n]);
                    prop_assert!(before.into_iter().all(|m| seen[m] == Seen::Done), "record {} of key {}", n, keys[n]);
                }
            }
            // Nothing is stuck: with all failures mended, everything runs to its end.
            for _ in 0..3 * keys.len() {
                for each in [Act::Again, Act::Start, Act::Done(0), Act::Deliver] {
                    act(each, &keys, &mut records, &mut seen);
                }
            }
            prop_assert!(seen.len() == keys.len() && seen.iter().all(|seen| *seen == Seen::Done));
        }
    }
}
