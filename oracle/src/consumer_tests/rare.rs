//! Rare states are seen in the facts, and not where they only seem to be.

use super::super::rare::Rare;
use crate::story::{FAILOVER, RENEW, Story, at, row};
use crate::{ConsumerFact, Ending, FleetFact, Position, Process, Rules, ServiceFact};

fn rare(story: Story) -> Vec<Rare> {
    story.finish(Ending::CutShort).figures.rare.into_keys().collect()
}

fn consumer() -> Story {
    Story::of_a_consumer(Rules::new(FAILOVER))
}

#[test]
fn a_lapse_comes_before_a_reply_if_the_last_renewal_was_not_acknowledged() {
    for (unacknowledged, expected) in [(true, vec![Rare::LapseBeforeReply]), (false, vec![])] {
        let mut story = consumer();
        story.later(3);
        story.lease("a", 0, row(Some("a"), 2, Position::TrimHorizon));
        if unacknowledged {
            story.unacknowledged("a", RENEW, 3);
        }
        story.later(8);
        story.consumer("a", 1, ConsumerFact::LeaseLost);
        assert_eq!(rare(story), expected);
    }
}

#[test]
fn a_reply_that_was_lost_is_recognised_by_the_next_write_of_the_same_owner() {
    for (writer, owner, expected) in [
        ("a", "a", vec![Rare::LostReplyRecognised]),
        ("b", "b", vec![Rare::LeaseStolen]),
    ] {
        let mut story = consumer();
        story.later(3);
        story.lease("a", 0, row(Some("a"), 2, Position::TrimHorizon));
        story.unacknowledged("a", RENEW, 3);
        story.later(1);
        story.lease(writer, 0, row(Some(owner), 3, Position::TrimHorizon));
        assert_eq!(rare(story), expected);
    }
}

#[test]
fn a_checkpoint_rides_on_a_renewal_that_was_due_as_it_was_sent() {
    for (after, owner, checkpoint, expected) in [
        (4, Some("a"), at(1), vec![Rare::CheckpointRidesOnRenewal]),
        (3, Some("a"), at(1), vec![]),
        (4, Some("a"), Position::TrimHorizon, vec![]),
        (4, None, at(1), vec![]),
    ] {
        let mut story = consumer();
        story.work("a", 1, [1]);
        story.later(after);
        story.lease("a", 0, row(owner, 2, checkpoint));
        assert_eq!(rare(story), expected, "{after} s, {owner:?}, {checkpoint}");
    }
}

#[test]
fn a_child_of_a_merge_waits_on_the_parent_that_is_not_at_its_end() {
    for (other, expected) in [(at(1), vec![Rare::SecondParentAwaited]), (Position::ShardEnd, vec![])] {
        let mut story = Story::new();
        story.create(0, &[], 0..=9);
        story.create(1, &[], 10..=19);
        story.store(1, 1);
        story.create(2, &[0, 1], 0..=19);
        story.close(0);
        story.close(1);
        story.lease("a", 1, row(Some("a"), 1, other));
        story.lease("a", 0, row(Some("a"), 1, Position::TrimHorizon));
        story.lease("a", 0, row(Some("a"), 2, Position::ShardEnd));
        assert_eq!(rare(story), expected);
    }
}

#[test]
fn a_halted_shard_moves_if_another_machine_takes_it_up() {
    for (host, expected) in [("other", vec![Rare::HaltedShardMoved]), ("host", vec![])] {
        let mut story = consumer();
        for (process, host) in [("a", "host"), ("b", host)] {
            let (process, host) = (Process::new(process), Process::new(host));
            story.fleet(FleetFact::LivesIn { process, host });
        }
        story.consumer("a", 1, ConsumerFact::ShardHalted);
        story.lease("a", 0, row(None, 2, Position::TrimHorizon));
        story.take("b", 3, Position::TrimHorizon);
        assert_eq!(rare(story), expected);
    }
}

#[test]
fn a_worker_starts_on_the_leases_of_a_former_stream_until_they_are_deleted() {
    for (told, expected) in [(true, vec![Rare::BegunAnew]), (false, vec![])] {
        let mut story = consumer();
        story.kill("a");
        story.service(ServiceFact::StreamDeleted);
        story.create(0, &[], 0..=u128::MAX);
        story.start("b");
        if told {
            story.fleet(FleetFact::RecreationTold);
        }
        story.delete_lease("operator", 0);
        story.start("c");
        let expected: Vec<_> = std::iter::once(Rare::StartedAfterRecreation).chain(expected).collect();
        assert_eq!(rare(story), expected);
    }
}

#[test]
fn a_worker_is_back_if_it_was_started_before() {
    let mut story = consumer();
    story.kill("a");
    story.start("a");
    story.start("b");
    assert_eq!(rare(story), [Rare::WorkerBack]);
}

#[test]
fn a_deferred_checkpoint_is_written_when_the_row_comes_to_hold_it() {
    let mut story = consumer();
    story.store(0, 1);
    story.store(0, 2);
    story.work("a", 1, [1, 2]);
    story.consumer("a", 1, ConsumerFact::CheckpointDeferred { position: at(2) });
    story.later(3);
    story.lease("a", 0, row(Some("a"), 2, at(2)));
    story.later(3);
    story.lease("a", 0, row(Some("a"), 3, at(2)));
    let report = story.finish(Ending::CutShort);
    assert_eq!(report.figures.rare.get(&Rare::DeferredCheckpointWritten), Some(&1));
}
