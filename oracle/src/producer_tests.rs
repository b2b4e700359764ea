//! The rules about producers, each kept and broken.

mod deletions;
mod key_order;
mod misplaced;
mod outcomes;
mod repetitions;

use aggregation::{Encoder, HashKey, UserRecordRef};
use bytes::Bytes;

use super::story::{FAILOVER, Story, payload, shard, text};
use super::{AcceptedRecord, Budget, Ending, Exception, ProducerFact, RecordId, Rule, Rules, ServiceFact};

fn story() -> Story {
    let mut story = Story::new();
    story.create(0, &[], 0..=u128::MAX);
    story
}

/// An aggregate of the records with these numbers, under the key "k" and the explicit hash keys.
fn aggregate(records: &[(u64, Option<u128>)]) -> Bytes {
    let mut encoder = Encoder::new();
    for (number, hash_key) in records {
        encoder.append(&UserRecordRef::new(
            "k",
            hash_key.map(HashKey::new),
            text(*number).as_bytes(),
        ));
    }
    encoder.seal().unwrap().data
}

/// The record 1, which the service stored at 1 s.
fn stored_once() -> Story {
    let mut story = story();
    story.accept(1);
    story.later(1);
    story.store(0, 1);
    story
}

#[test]
fn a_producer_above_its_budget_breaks_p3() {
    let budget = Budget {
        records: 10,
        bytes: 100,
    };
    for (held, broken) in [
        (budget, vec![]),
        (Budget { records: 11, ..budget }, vec![Rule::Memory]),
        (Budget { bytes: 101, ..budget }, vec![Rule::Memory]),
    ] {
        let mut story = Story::by(Rules::new(FAILOVER).budget(budget));
        story.producer(ProducerFact::Holds(held));
        assert_eq!(story.broken(), broken, "{held}");
    }
}

#[test]
fn a_rule_that_is_not_judged_is_counted_with_its_reason() {
    let rules = Rules::new(FAILOVER).except(Exception::Rule(Rule::KeyOrder), "lanes are not ordered");
    let mut story = Story::by(rules);
    story.create(0, &[], 0..=u128::MAX);
    story.accept(1);
    story.accept(2);
    story.store(0, 2);
    story.store_data(0, 3, text(1).into());
    let report = story.finish(Ending::CutShort);
    assert!(report.is_clean());
    assert_eq!(report.excused[0].times, 1);
    assert!(
        report
            .to_string()
            .contains("P4 is not judged, because lanes are not ordered")
    );
}

#[test]
fn facts_that_contradict_each_other_are_told_apart_from_broken_promises() {
    let mut story = story();
    story.accept(1);
    story.producer(ProducerFact::Accepted(AcceptedRecord {
        record: RecordId(2),
        partition_key: "k".to_owned(),
        explicit_hash_key: None,
        payload: payload(1),
    }));
    assert_eq!(story.broken(), [Rule::History], "a payload used twice");
    story.store(0, 5);
    story.store(0, 4);
    assert_eq!(story.broken(), [Rule::History; 2], "a smaller sequence number");
    story.close(0);
    story.store(0, 6);
    assert_eq!(story.broken(), [Rule::History; 3], "a closed shard");
    story.service(ServiceFact::ShardClosed { shard: shard(7) });
    assert_eq!(story.broken(), [Rule::History; 4], "an unknown shard");
}
