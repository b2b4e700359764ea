//! The rules about consumers, each kept and broken.

mod at_least_once;
mod coverage;
mod failed_batches;
mod keyed;
mod one_owner;
mod parents;
mod passed_over;
mod rare;
mod recovery;
mod recreations;
mod repetitions;
mod start_positions;
mod survival;
mod trimmed;

use super::story::{FAILOVER, Story, at, ownership, payload, place, row, shard};
use super::{ConsumerFact, Ending, Exception, Fact, LeaseClaim, LeaseRow, OfferedRecord, Position, Rule, Rules};

fn story() -> Story {
    Story::of_a_consumer(Rules::new(FAILOVER))
}

fn stealing() -> Story {
    Story::of_a_consumer(Rules::new(FAILOVER).except(Exception::StolenLeases, "the fleet is of KCL 2.x"))
}

/// The worker a writes its checkpoint.
fn checkpoint(story: &mut Story, counter: u64, position: Position) {
    story.lease("a", 0, row(Some("a"), counter, position));
}

/// The whole shard 0 is read, and its children 1 and 2 are there with their leases.
fn split(story: &mut Story) {
    story.close(0);
    story.create(1, &[0], 0..=99);
    story.create(2, &[0], 100..=u128::MAX);
    for child in [1, 2] {
        let waiting = LeaseRow {
            parents: vec![shard(0)],
            ..row(Some("a"), 1, Position::TrimHorizon)
        };
        story.lease("a", child, waiting);
    }
}

fn offer_of_child(story: &mut Story, sequence_number: u64, checkpoint: Position) {
    let child = ownership("a", 1, 1);
    story.tell(Fact::Consumer(child.clone(), ConsumerFact::Initialized { checkpoint }));
    let records = vec![OfferedRecord {
        place: place(sequence_number, 0),
        payload: payload(sequence_number),
    }];
    let lease = LeaseClaim::Held;
    story.tell(Fact::Consumer(child, ConsumerFact::Offered { records, lease }));
}

#[test]
fn a_shard_that_is_read_and_checkpointed_in_order_keeps_all_rules() {
    let mut story = story();
    story.work("a", 1, 1..=2);
    checkpoint(&mut story, 2, at(2));
    story.consumer("a", 1, ConsumerFact::CheckpointAcknowledged { position: at(2) });
    story.offer("a", 1, 3..=6);
    // In the middle of its handler, the application is done with some.
    story.consumer(
        "a",
        1,
        ConsumerFact::Processed {
            through: Some(place(5, 0)),
        },
    );
    checkpoint(&mut story, 3, at(5));
    story.processed("a", 1);
    split(&mut story);
    story.consumer("a", 1, ConsumerFact::ShardEnded);
    checkpoint(&mut story, 4, Position::ShardEnd);
    story.store(1, 11);
    offer_of_child(&mut story, 11, Position::TrimHorizon);
    story.tell(Fact::Consumer(
        ownership("a", 1, 1),
        ConsumerFact::Processed { through: None },
    ));
    let report = story.finish(Ending::Quiet);
    assert_eq!(report.violations, []);
    assert_eq!((report.figures.offered, report.figures.ownerships), (7, 2));
}

#[test]
fn handlers_called_out_of_turn_contradict_the_history() {
    let mut story = story();
    story.processed("a", 1);
    assert_eq!(story.broken(), [Rule::History], "nothing was offered");
    story.offer("a", 1, 1..=2);
    story.offer("a", 1, 3..=4);
    assert_eq!(story.broken(), [Rule::History; 2], "the handler has not returned");
    story.consumer("a", 1, ConsumerFact::ShardEnded);
    assert_eq!(story.broken()[2], Rule::History, "nor has it now");
    story.consumer("b", 2, ConsumerFact::LeaseLost);
    assert_eq!(story.broken().last(), Some(&Rule::History), "it was never initialized");
}
