//! What a world is held to: at every moment, of each request that it sends, and once nothing is outstanding.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aggregation::{HashKey, KinesisRecord};
use futures::FutureExt as _;

use super::{MAX_BYTES, MAX_RECORDS, Put, World};
use crate::budget::{Cargo, Room};
use crate::config::ordering::Ordering;
use crate::config::{Config, OnMisplacement};
use crate::lanes::contents::Volume;
use crate::pipeline::tests::stream::{Reader, members};
use crate::record::Record;

impl World {
    /// Nothing is outstanding, each receipt has its outcome, and the budget is whole, no less and no more.
    pub(in crate::pipeline::tests) fn assert_at_rest(&self) {
        assert_eq!(self.open(), 0, "records without an outcome (P1)");
        assert!(self.pipeline.is_empty());
        let mut all = vec![
            self.budget
                .try_acquire(Room::of(MAX_BYTES as usize))
                .expect("all bytes are back"),
        ];
        all.extend((1..MAX_RECORDS).map(|_| self.budget.try_acquire(Room::of(0)).expect("all records are back")));
        assert!(
            self.budget.try_acquire(Room::of(0)).is_none(),
            "no record came back twice"
        );
        drop(all.pop());
        assert!(
            self.budget.try_acquire(Room::of(1)).is_none(),
            "no byte came back twice"
        );
    }

    /// P4, for the reader: the first occurrences of each key's records are in the order in which they were put, unless
    /// one of them was given back.
    pub(in crate::pipeline::tests) fn assert_read_in_order(&self) {
        let mut unread: BTreeMap<HashKey, VecDeque<&Record>> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        for put in &self.puts {
            let key = put.record.as_user_record().hash_key;
            unread.entry(key).or_default().push_back(&put.record);
            if matches!(put.outcome, Some(Err(_))) {
                ended.insert(key);
            }
        }
        let mut seen = BTreeSet::new();
        for data in self.stream.readable() {
            let put = self.puts.iter().find(|put| *put.record.data() == data).unwrap();
            let key = put.record.as_user_record().hash_key;
            if !ended.contains(&key) && seen.insert(data) {
                assert_eq!(
                    unread.get_mut(&key).unwrap().pop_front(),
                    Some(&put.record),
                    "out of order"
                );
            }
        }
    }

    pub(super) fn assert_within_limits(&self, entries: &[KinesisRecord]) {
        let Config {
            aggregation_max_size,
            aggregation_max_count,
            collection_max_size,
            collection_max_count,
            ..
        } = self.config;
        assert!(!entries.is_empty() && entries.len() <= collection_max_count);
        let bytes: usize = entries.iter().map(bytes_of).sum();
        assert!(bytes <= collection_max_size || entries.len() == 1, "{bytes}");
        let cargo = Cargo {
            entries: entries.len(),
            bytes,
        };
        let has_room = cargo.weight() <= self.budget.largest_request();
        assert!(has_room || entries.len() == 1, "no room for the copies of {cargo:?}");
        let others: usize = self.requests.values().flatten().map(bytes_of).sum();
        assert!(
            others == 0 || others + bytes <= self.config.max_bytes_in_flight,
            "{bytes} beside {others}"
        );
        for entry in entries {
            assert!(entry.data.len() <= aggregation_max_size || entry.user_records == 1);
            let max_count = self.routing.max_count(aggregation_max_count);
            assert!(
                entry.user_records <= max_count,
                "{} together: {:?}",
                entry.user_records,
                self.routing
            );
            let has_key = !entry.partition_key.is_empty();
            assert!(has_key || self.routing.admits_records_without_key());
        }
    }

    /// P4, for the sender: no record leaves while an earlier one of its key, in another Kinesis record, is undecided.
    pub(super) fn assert_none_overtakes(&self, entries: &[KinesisRecord]) {
        if self.config.ordering == Ordering::None {
            return;
        }
        for entry in entries {
            let inside: Vec<_> = members(entry).into_iter().map(|(_, data)| data).collect();
            for later in self.puts.iter().filter(|put| inside.contains(put.record.data())) {
                let key = later.record.as_user_record().hash_key;
                let earlier = self.puts.iter().take_while(|put| put.record != later.record);
                for earlier in earlier.filter(|put| put.record.as_user_record().hash_key == key) {
                    let decided = earlier.outcome.is_some() || inside.contains(earlier.record.data());
                    assert!(decided, "{:?} overtakes {:?}", later.record, earlier.record);
                }
            }
        }
    }

    /// Polls the receipts and checks each new outcome.
    pub(super) fn observe(&mut self) {
        for put in self.puts.iter_mut().filter(|put| put.outcome.is_none()) {
            put.outcome = (&mut put.receipt).now_or_never();
            match &put.outcome {
                None => {}
                Some(Ok(delivered)) => {
                    let reader = match self.config.on_misplacement {
                        OnMisplacement::SendAgain => Reader::Kcl,
                        OnMisplacement::Accept => Reader::Undemanding,
                    };
                    self.stream
                        .assert_readable(delivered, &put.record, (reader, &self.known));
                }
                Some(Err(error)) => {
                    assert_eq!(error.record(), &put.record, "a record is given back as it was put");
                    assert!(
                        error.may_have_been_stored() || !self.stream.holds(&put.record),
                        "a stored record whose error says that it was not: {error:?}"
                    );
                }
            }
        }
        self.assert_counted();
    }

    /// The statistics tell at every moment what the callers see.
    fn assert_counted(&mut self) {
        let load = self.pipeline.load();
        let tally = self.pipeline.tally_mut();
        self.board.publish(tally, load, self.now);
        let all = self.puts.iter().map(Put::volume).sum::<Volume>();
        let ended = |put: &&Put, well: bool| put.outcome.as_ref().is_some_and(|outcome| outcome.is_ok() == well);
        let open = || self.puts.iter().filter(|put| put.outcome.is_none());
        let stats = self.board.stats(|| all, self.now);
        let delivered = self.puts.iter().filter(|put| ended(put, true));
        assert_eq!(stats.delivered, delivered.map(Put::volume).sum());
        let failed = self.puts.iter().filter(|put| ended(put, false));
        assert_eq!(stats.failed, failed.map(Put::volume).sum());
        assert_eq!(stats.outstanding, open().map(Put::volume).sum());
        let buffered = self.lanes.iter().map(|lane| lane.contents().volume());
        assert_eq!(stats.buffered, buffered.sum());
        let in_lanes = self.lanes.iter().filter_map(|lane| lane.contents().put_at()).min();
        let told = stats.oldest_outstanding.max(in_lanes.map(|at| self.now - at));
        let oldest = open().map(|put| self.now - put.at).max();
        assert!(told >= oldest, "{told:?}, though a record is {oldest:?} old");
        assert_eq!(told.is_none(), oldest.is_none());
    }
}

fn bytes_of(entry: &KinesisRecord) -> usize {
    entry.data.len() + entry.partition_key.len()
}
