//! Cases of what a consumer does next.

use proptest::prelude::*;

use super::*;
use crate::lease::ownership::{Drain, End};
use crate::processor::dead_letter::DeadLetter;
use crate::processor::handler_error::HandlerError;

const ATTEMPTS: u32 = 3;

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    Instant::now()
}

async fn taken(_: DeadLetter) -> Result<(), HandlerError> {
    Ok(())
}

fn state(phase: Phase, policy: ErrorPolicy) -> ConsumerState {
    ConsumerState::new(phase, policy.attempts(ATTEMPTS), fastrand::Rng::with_seed(1))
}

fn reading(policy: ErrorPolicy) -> ConsumerState {
    state(Phase::Reading, policy)
}

fn at(sequence_number: usize) -> RecordPosition {
    RecordPosition {
        sequence_number: sequence_number.to_string().parse().unwrap(),
        sub_sequence_number: 0,
    }
}

/// The records 1 to `count`; none for 0.
fn records(count: usize) -> Option<Failing> {
    (count > 0).then(|| Failing {
        count,
        first: Some(at(1)),
        last: at(count),
        named: None,
    })
}

/// The record with this number, alone.
fn alone(number: usize) -> Option<Failing> {
    Some(Failing {
        count: 1,
        first: Some(at(number)),
        last: at(number),
        named: None,
    })
}

/// The reactions to failures with these records, one after the other, each as soon as the state lets it happen.
fn reactions(state: &mut ConsumerState, count: usize, times: usize) -> Vec<Reaction> {
    let mut now = start();
    let mut fail = || {
        let reaction = state.on_failure(Verdict::Retry, records(count).as_ref(), now);
        if let Step::Wait { until: Some(until) } = state.step(&Signal::Run, now) {
            now = until;
        }
        reaction
    };
    (0..times).map(|_| fail()).collect()
}

#[test]
fn each_phase_has_its_step() {
    for (phase, step) in [
        (Phase::WaitingForParents, Step::WaitForParents),
        (Phase::Initializing, Step::Initialize),
        (Phase::Reading, Step::Read(BatchSize::Configured)),
        (Phase::Ending, Step::End),
        (Phase::Ended, Step::Wait { until: None }),
    ] {
        assert_eq!(state(phase, ErrorPolicy::halt()).step(&Signal::Run, start()), step);
    }
}

#[test]
fn a_drain_and_a_lost_lease_end_every_state() {
    for phase in [
        Phase::WaitingForParents,
        Phase::Initializing,
        Phase::Reading,
        Phase::Ending,
        Phase::Ended,
    ] {
        let mut state = state(phase, ErrorPolicy::halt());
        for _ in 0..2 {
            for signal in [Signal::Drain(Drain::Shutdown), Signal::Lost(End::Lapsed)] {
                assert_eq!(state.step(&signal, start()), Step::Leave);
            }
            state.set_reading(Reading::Paused);
            state.on_failure(Verdict::Fatal, records(0).as_ref(), start());
        }
    }
}

#[test]
fn a_failing_handler_is_called_again_after_growing_waits_and_then_halts() {
    let mut state = reading(ErrorPolicy::halt());
    assert_eq!(
        reactions(&mut state, 5, 4),
        [
            Reaction::Again,
            Reaction::Again,
            Reaction::Halted,
            Reaction::StillHalted
        ]
    );
    assert_eq!(state.attempts(), 4);
}

#[test]
fn the_default_policy_halts_after_eight_attempts_in_one_to_two_minutes() {
    let mut state = ConsumerState::new(Phase::Reading, ErrorPolicy::default(), fastrand::Rng::with_seed(3));
    let (begun, mut now) = (start(), start());
    for attempt in 1..=8 {
        let reaction = state.on_failure(Verdict::Retry, records(1).as_ref(), now);
        assert_eq!(reaction == Reaction::Halted, attempt == 8);
        if let (Step::Wait { until: Some(until) }, true) = (state.step(&Signal::Run, now), attempt < 8) {
            now = until;
        }
    }
    let lasted = now - begun;
    assert!((60..=125).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn a_halted_shard_is_tried_each_five_minutes_and_goes_on_when_that_succeeds() {
    let mut state = reading(ErrorPolicy::halt());
    let now = start();
    for _ in 1..ATTEMPTS {
        state.on_failure(Verdict::Retry, records(1).as_ref(), now);
    }
    assert_eq!(
        state.on_failure(Verdict::Retry, records(1).as_ref(), now),
        Reaction::Halted
    );
    let next = now + HALTED_RETRY;
    assert_eq!(state.step(&Signal::Run, now), Step::Wait { until: Some(next) });
    assert_eq!(state.step(&Signal::Run, next), Step::Read(BatchSize::Configured));
    assert_eq!(
        state.on_failure(Verdict::Retry, records(1).as_ref(), next),
        Reaction::StillHalted
    );
    state.on_success(Some(&at(1)));
    assert_eq!((state.trouble(), state.attempts()), (Trouble::None, 0));
}

#[test]
fn a_retry_that_is_asked_for_begins_the_count_anew() {
    let mut state = reading(ErrorPolicy::halt());
    reactions(&mut state, 1, 3);
    state.retry();
    assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::Configured));
    assert_eq!(
        state.on_failure(Verdict::Retry, records(1).as_ref(), start()),
        Reaction::Again
    );
}

#[test]
fn progress_makes_the_next_failure_a_first_one() {
    let mut state = reading(ErrorPolicy::halt());
    for _ in 0..10 {
        state.on_progress();
        assert_eq!(
            state.on_failure(Verdict::Retry, records(1).as_ref(), start()),
            Reaction::Again
        );
    }
}

#[test]
fn progress_makes_the_next_wait_for_the_table_a_first_one() {
    let mut state = reading(ErrorPolicy::halt());
    for _ in 0..10 {
        state.on_table_failure(start());
    }
    state.on_progress();
    state.on_table_failure(start());
    let Step::Wait { until: Some(until) } = state.step(&Signal::Run, start()) else {
        panic!("no wait after a failure of the table");
    };
    assert!(until - start() <= WAITS.0, "{:?}", until - start());
}

#[test]
fn a_failing_table_never_halts_a_shard() {
    let mut state = reading(ErrorPolicy::halt());
    let mut now = start();
    for _ in 0..100 {
        state.on_table_failure(now);
        let Step::Wait { until: Some(until) } = state.step(&Signal::Run, now) else {
            panic!("no wait after a failure of the table");
        };
        now = until;
    }
    assert_eq!(state.attempts(), 0);
}

#[test]
fn a_failing_batch_is_delivered_record_by_record_and_only_those_that_fail_alone_are_passed_over() {
    let mut state = reading(ErrorPolicy::skip());
    assert_eq!(
        reactions(&mut state, 3, 3),
        [Reaction::Again, Reaction::Again, Reaction::Isolate]
    );
    let one = Step::Read(BatchSize::OneRecord);
    assert_eq!(state.step(&Signal::Run, start()), one);
    state.on_success(Some(&at(1)));
    assert_eq!(
        state.on_failure(Verdict::Retry, alone(2).as_ref(), start()),
        Reaction::Skip
    );
    assert_eq!(state.attempts(), ATTEMPTS + 1);
    state.on_success(Some(&at(2)));
    assert_eq!(state.step(&Signal::Run, start()), one);
    state.on_success(Some(&at(3)));
    assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::Configured));
}

#[test]
fn a_record_behind_an_isolated_batch_has_all_its_attempts() {
    let mut state = reading(ErrorPolicy::skip());
    reactions(&mut state, 2, 3);
    // The handler checkpoints the first record and fails all the same, so none is left of that call.
    state.on_progress();
    state.on_failure(Verdict::Retry, None, start());
    state.on_success(Some(&at(2)));
    assert_eq!(
        state.on_failure(Verdict::Retry, alone(3).as_ref(), start()),
        Reaction::Again
    );
}

#[test]
fn after_a_fatal_error_a_record_still_has_all_its_attempts() {
    let mut state = reading(ErrorPolicy::skip());
    assert_eq!(
        state.on_failure(Verdict::Fatal, alone(1).as_ref(), start()),
        Reaction::Halted
    );
    for _ in 1..ATTEMPTS {
        assert_eq!(
            state.on_failure(Verdict::Retry, alone(1).as_ref(), start()),
            Reaction::Again
        );
    }
    assert_eq!(
        state.on_failure(Verdict::Retry, alone(1).as_ref(), start()),
        Reaction::Skip
    );
}

#[test]
fn fatal_errors_are_counted_as_failures_and_not_as_attempts() {
    for failing in [alone(1), None] {
        let mut state = reading(ErrorPolicy::skip());
        for n in 1..=ATTEMPTS {
            state.on_failure(Verdict::Fatal, failing.as_ref(), start());
            assert_eq!(state.attempts(), n);
        }
        state.on_table_failure(start());
        for n in 1..ATTEMPTS {
            assert_eq!(
                state.on_failure(Verdict::Retry, failing.as_ref(), start()),
                Reaction::Again
            );
            assert_eq!(state.attempts(), ATTEMPTS + n);
        }
        state.on_failure(Verdict::Retry, failing.as_ref(), start());
        assert_eq!(state.attempts(), 2 * ATTEMPTS);
        state.on_success(Some(&at(1)));
        assert_eq!(state.attempts(), 0);
    }
}

#[test]
fn a_failure_that_makes_its_records_be_isolated_is_counted() {
    let mut state = reading(ErrorPolicy::skip());
    assert_eq!(reactions(&mut state, 2, 3).last(), Some(&Reaction::Isolate));
    assert_eq!(state.attempts(), 3);
    let mut state = reading(ErrorPolicy::halt());
    assert_eq!(state.skip(&naming(4).unwrap()), Reaction::Isolate);
    assert_eq!(
        state.on_failure(Verdict::Retry, records(3).as_ref(), start()),
        Reaction::Isolate
    );
    assert_eq!(state.attempts(), 1);
}

#[test]
fn a_call_without_records_passes_over_nothing_whatever_the_policy_is() {
    for policy in [ErrorPolicy::skip(), ErrorPolicy::dead_letter(taken)] {
        for verdict in [Verdict::Retry, Verdict::Skip, Verdict::DeadLetter] {
            let mut state = reading(policy.clone());
            for _ in 1..ATTEMPTS {
                assert_eq!(state.on_failure(verdict, None, start()), Reaction::Again);
            }
            assert_eq!(state.on_failure(verdict, None, start()), Reaction::Halted);
        }
    }
}

#[test]
fn a_policy_for_whole_batches_isolates_no_record() {
    let mut state = reading(ErrorPolicy::dead_letter(taken).whole_batches());
    assert_eq!(
        reactions(&mut state, 3, 3),
        [Reaction::Again, Reaction::Again, Reaction::DeadLetter]
    );
}

/// The records 1 to 5, of which the handler names one.
fn naming(number: usize) -> Option<Failing> {
    records(5).map(|failing| Failing {
        named: Some(at(number)),
        ..failing
    })
}

/// The reaction to a failure with the record that the handler names.
fn fail_naming(state: &mut ConsumerState, number: usize) -> Reaction {
    state.on_failure(Verdict::Retry, naming(number).as_ref(), start())
}

#[test]
fn a_record_that_each_failure_names_is_given_up_behind_those_in_front_of_it() {
    let mut state = reading(ErrorPolicy::skip());
    let reactions = [3, 3, 3].map(|number| fail_naming(&mut state, number));
    assert_eq!(reactions, [Reaction::Again, Reaction::Again, Reaction::Isolate]);
    assert_eq!(state.gives_up(), Some((&at(3), GivesUp::Skips)));
    assert_eq!(
        state.step(&Signal::Run, start()),
        Step::Read(BatchSize::Configured),
        "those in front are delivered in one call"
    );
    state.on_success(Some(&at(2)));
    assert_eq!(state.gives_up(), Some((&at(3), GivesUp::Skips)));
    assert_eq!(state.attempts(), ATTEMPTS, "no call is made to isolate it");
    state.on_success(Some(&at(3)));
    assert_eq!(state.gives_up(), None);
}

#[test]
fn a_record_is_isolated_unless_each_failure_that_counts_has_named_it() {
    for others in [[Some(2), Some(2)], [None, Some(3)], [Some(3), None]] {
        let mut state = reading(ErrorPolicy::skip());
        // Further than the one that comes last, so that it counts on.
        fail_naming(&mut state, 4);
        state.retry();
        for other in others {
            let failing = other.map_or(records(5), naming);
            state.on_failure(Verdict::Retry, failing.as_ref(), start());
        }
        assert_eq!(fail_naming(&mut state, 1), Reaction::Isolate, "{others:?}");
        assert_eq!(state.gives_up(), None, "{others:?}");
        assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::OneRecord));
    }
}

#[test]
fn a_handler_that_comes_further_in_its_batch_makes_progress_but_not_by_going_to_and_fro() {
    let mut state = reading(ErrorPolicy::halt());
    let reactions = [1, 2, 3, 2, 3].map(|number| fail_naming(&mut state, number));
    assert_eq!(
        reactions,
        [
            Reaction::Again,
            Reaction::Again,
            Reaction::Again,
            Reaction::Again,
            Reaction::Halted
        ]
    );
}

#[test]
fn an_error_that_names_a_record_asks_for_that_one_alone() {
    for (verdict, gives_up) in [
        (Verdict::Skip, GivesUp::Skips),
        (Verdict::DeadLetter, GivesUp::DeadLetters),
    ] {
        let mut state = reading(ErrorPolicy::dead_letter(taken).whole_batches());
        assert_eq!(
            state.on_failure(verdict, naming(2).as_ref(), start()),
            Reaction::Isolate
        );
        assert_eq!(state.gives_up(), Some((&at(2), gives_up)));
    }
}

#[test]
fn a_named_record_whose_sink_fails_is_delivered_again_alone_and_goes_to_the_sink_again() {
    let mut state = reading(ErrorPolicy::dead_letter(taken));
    for _ in 0..ATTEMPTS {
        fail_naming(&mut state, 3);
    }
    state.on_success(Some(&at(2)));
    assert_eq!(state.on_sink_failure(start()), Reaction::Again);
    assert_eq!(state.gives_up(), None);
    assert_eq!(
        state.on_failure(Verdict::Retry, alone(3).as_ref(), start()),
        Reaction::DeadLetter
    );
    assert_eq!(state.attempts(), ATTEMPTS + 1);
}

#[test]
fn a_skip_that_is_asked_for_finds_the_records_that_fail_whatever_the_policy_is() {
    for policy in [ErrorPolicy::halt(), ErrorPolicy::dead_letter(taken)] {
        for verdict in [Verdict::Retry, Verdict::Fatal, Verdict::Skip] {
            let mut state = reading(policy.clone());
            state.on_failure(Verdict::Retry, records(3).as_ref(), start());
            assert_eq!(state.skip(&records(3).unwrap()), Reaction::Isolate);
            assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::OneRecord));
            state.on_success(Some(&at(1)));
            assert_eq!(state.on_failure(verdict, alone(2).as_ref(), start()), Reaction::Skip);
            state.on_success(Some(&at(2)));
            assert!(state.is_skipping());
            state.on_success(Some(&at(3)));
            assert!(!state.is_skipping());
        }
    }
}

#[test]
fn a_skip_that_is_asked_for_takes_the_record_that_is_known_and_the_batch_only_by_policy() {
    let mut state = reading(ErrorPolicy::halt());
    assert_eq!(state.skip(&alone(2).unwrap()), Reaction::Skip);
    assert_eq!(state.skip(&naming(2).unwrap()), Reaction::Isolate);
    assert_eq!(state.gives_up(), Some((&at(2), GivesUp::Skips)));
    let mut of_batches = reading(ErrorPolicy::skip().whole_batches());
    assert_eq!(of_batches.skip(&records(3).unwrap()), Reaction::Skip);
}

#[test]
fn a_skip_that_is_asked_for_goes_on_one_by_one_if_those_in_front_of_the_named_record_fail() {
    for verdict in [Verdict::Retry, Verdict::Fatal, Verdict::Skip, Verdict::DeadLetter] {
        for in_front in [records(3), naming(3)] {
            let mut state = reading(ErrorPolicy::dead_letter(taken));
            assert_eq!(state.skip(&naming(4).unwrap()), Reaction::Isolate);
            assert_eq!(state.on_failure(verdict, in_front.as_ref(), start()), Reaction::Isolate);
            assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::OneRecord));
            assert_eq!(
                state.on_failure(Verdict::Retry, alone(3).as_ref(), start()),
                Reaction::Skip
            );
            state.on_success(Some(&at(3)));
            assert!(state.is_skipping());
            assert_eq!(
                state.on_failure(Verdict::Retry, alone(4).as_ref(), start()),
                Reaction::Skip
            );
            state.on_success(Some(&at(4)));
            assert!(!state.is_skipping());
        }
    }
}

#[test]
fn a_record_behind_those_that_are_to_be_skipped_has_all_its_attempts() {
    let mut state = reading(ErrorPolicy::halt());
    state.skip(&records(3).unwrap());
    assert_eq!(
        state.on_failure(Verdict::Retry, alone(4).as_ref(), start()),
        Reaction::Again
    );
    assert!(!state.is_skipping());
}

#[test]
fn a_skip_that_is_asked_for_ends_when_failures_of_no_record_halt_the_shard() {
    let mut state = reading(ErrorPolicy::halt());
    state.skip(&records(3).unwrap());
    assert_eq!(reactions(&mut state, 0, 2), [Reaction::Again, Reaction::Again]);
    assert!(state.is_skipping());
    assert_eq!(reactions(&mut state, 0, 1), [Reaction::Halted]);
    assert!(!state.is_skipping());
}

#[test]
fn a_skip_that_is_asked_for_takes_over_what_the_policy_isolates() {
    let mut state = reading(ErrorPolicy::dead_letter(taken));
    assert!(!state.take_over());
    reactions(&mut state, 3, 3);
    assert!(state.take_over() && state.is_skipping());
    assert_eq!(
        state.on_failure(Verdict::Retry, alone(2).as_ref(), start()),
        Reaction::Skip
    );
}

#[test]
fn a_dead_letter_sink_that_keeps_failing_halts_the_shard() {
    let mut state = reading(ErrorPolicy::dead_letter(taken));
    reactions(&mut state, 1, 2);
    let reactions: Vec<_> = (0..ATTEMPTS)
        .map(|_| {
            assert_eq!(
                state.on_failure(Verdict::Retry, records(1).as_ref(), start()),
                Reaction::DeadLetter
            );
            state.on_sink_failure(start())
        })
        .collect();
    assert_eq!(reactions, [Reaction::Again, Reaction::Again, Reaction::Halted]);
}

#[test]
fn a_handler_can_ask_for_what_becomes_of_its_record() {
    let now = start();
    assert_eq!(
        reading(ErrorPolicy::halt()).on_failure(Verdict::Skip, alone(2).as_ref(), now),
        Reaction::Skip
    );
    assert_eq!(
        reading(ErrorPolicy::dead_letter(taken)).on_failure(Verdict::DeadLetter, alone(2).as_ref(), now),
        Reaction::DeadLetter
    );
    // Without a sink, and without records, it is tried again.
    assert_eq!(
        reading(ErrorPolicy::halt()).on_failure(Verdict::DeadLetter, records(2).as_ref(), now),
        Reaction::Again
    );
    let mut ending = state(Phase::Ending, ErrorPolicy::skip());
    assert_eq!(reactions(&mut ending, 0, 3)[2], Reaction::Halted);
}

#[test]
fn an_error_that_asks_for_a_skip_and_names_no_record_has_each_of_them_delivered_alone() {
    for (verdict, given_up) in [
        (Verdict::Skip, Reaction::Skip),
        (Verdict::DeadLetter, Reaction::DeadLetter),
    ] {
        let mut state = reading(ErrorPolicy::dead_letter(taken));
        assert_eq!(
            state.on_failure(verdict, records(3).as_ref(), start()),
            Reaction::Isolate
        );
        assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::OneRecord));
        state.on_success(Some(&at(1)));
        assert_eq!(state.on_failure(verdict, alone(2).as_ref(), start()), given_up);
        state.on_success(Some(&at(2)));
        assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::OneRecord));
        state.on_success(Some(&at(3)));
        assert_eq!(state.step(&Signal::Run, start()), Step::Read(BatchSize::Configured));
    }
}

#[test]
fn a_record_that_fails_alone_after_a_batch_that_asked_for_a_skip_has_all_its_attempts() {
    let mut state = reading(ErrorPolicy::halt());
    state.on_failure(Verdict::Skip, records(3).as_ref(), start());
    let reactions = [(); 3].map(|()| state.on_failure(Verdict::Retry, alone(2).as_ref(), start()));
    assert_eq!(reactions, [Reaction::Again, Reaction::Again, Reaction::Halted]);
}

#[test]
fn a_policy_for_whole_batches_gives_up_all_records_of_an_error_that_names_none() {
    let mut state = reading(ErrorPolicy::skip().whole_batches());
    assert_eq!(
        state.on_failure(Verdict::Skip, records(3).as_ref(), start()),
        Reaction::Skip
    );
}

#[test]
fn a_pause_holds_back_reading_alone() {
    let mut paused = reading(ErrorPolicy::halt());
    paused.set_reading(Reading::Paused);
    assert_eq!(paused.step(&Signal::Run, start()), Step::Wait { until: None });
    paused.set_reading(Reading::Running);
    assert_eq!(paused.step(&Signal::Run, start()), Step::Read(BatchSize::Configured));
    let mut ending = state(Phase::Ending, ErrorPolicy::halt());
    ending.set_reading(Reading::Paused);
    assert_eq!(ending.step(&Signal::Run, start()), Step::End);
}

#[derive(Debug, Clone, Copy)]
enum Happens {
    Fails(Verdict),
    Succeeds,
    Retry,
    TableFails,
}

fn anything() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Fails(Verdict::Retry)),
        1 => Just(Happens::Fails(Verdict::Fatal)),
        1 => Just(Happens::Succeeds),
        1 => Just(Happens::Retry),
        1 => Just(Happens::TableFails),
    ]
}

proptest! {
    #[test]
    fn by_the_default_policy_nothing_is_ever_passed_over(happens in proptest::collection::vec(anything(), 0..60)) {
        let mut state = reading(ErrorPolicy::halt());
        for what in happens {
            match what {
                Happens::Fails(verdict) => {
                    let reaction = state.on_failure(verdict, records(3).as_ref(), start());
                    prop_assert!(matches!(reaction, Reaction::Again | Reaction::Halted | Reaction::StillHalted));
                    // After a failure there is always a wait.
                    prop_assert_ne!(state.trouble(), Trouble::None);
                }
                Happens::Succeeds => state.on_success(Some(&at(3))),
                Happens::Retry => state.retry(),
                Happens::TableFails => state.on_table_failure(start()),
            }
            prop_assert_eq!(state.step(&Signal::Drain(Drain::Shutdown), start()), Step::Leave);
        }
    }
}
