//! Pure: what the owner of a lease may checkpoint.
//!
//! ```text
//!        last                 largest                               SHARD_END
//!  ───────●━━━━━━━━━━━━━━━━━━━━━●──────────────────────────────────────┄
//!  illegal │      permitted     │ illegal           permitted once the shard has ended,
//!          └ AlreadyThere       └ the last delivered record           and then all that is left
//! ```
//!
//! Once the shard has ended, its last record *is* the end: a checkpoint there means `SHARD_END`, whether or not the
//! record was checkpointed before.

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::position::{Position, RecordPosition};

/// How far one ownership of a lease has come.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    last: Position,
    /// The furthest that was deferred: it is written by and by.
    deferred: Position,
    /// The furthest that was delivered; where the ownership began, before anything was.
    delivered: Position,
    /// The furthest that the application has processed.
    processed: Position,
    /// The furthest that was skipped, or kept elsewhere, after the handler had failed on it.
    passed_over: Position,
    end: End,
    handing: Handing,
}

/// When records count as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handing {
    /// When the worker hands them to the processor.
    AtOnce,
    /// When the application takes them from the processor.
    WhenTaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ahead,
    Reached,
}

/// What a permitted checkpoint takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proposal {
    /// This position is to be written to the row.
    Write(Position),
    /// The row holds it already.
    AlreadyThere,
}

impl Ledger {
    /// An ownership that begins at `initial`, the checkpoint of the row.
    pub(crate) fn new(initial: Position) -> Self {
        Self {
            last: initial.clone(),
            deferred: initial.clone(),
            delivered: initial.clone(),
            processed: initial.clone(),
            passed_over: initial,
            end: End::Ahead,
            handing: Handing::AtOnce,
        }
    }

    /// Permits checkpoints up to a record that the worker hands to the processor, unless it is taken from there later.
    pub(crate) fn delivered(&mut self, record: &RecordPosition) {
        match self.handing {
            Handing::AtOnce => self.taken(record),
            Handing::WhenTaken => {}
        }
    }

    /// Permits checkpoints up to a record that the application has.
    pub(crate) fn taken(&mut self, record: &RecordPosition) {
        self.delivered = Position::At(record.clone()).max(self.delivered.clone());
    }

    /// From now on records count as delivered when they are [`taken`](Self::taken), also those that were handed over last.
    pub(crate) fn hand_out_when_taken(&mut self) {
        self.handing = Handing::WhenTaken;
        self.delivered = self.processed.clone().max(self.reached().clone());
    }

    /// Records up to this one are skipped, or kept elsewhere: they count as processed.
    pub(crate) fn passed_over(&mut self, record: &RecordPosition) {
        self.taken(record);
        self.processed();
        self.passed_over = self.processed.clone();
    }

    /// The furthest that was passed over; where the ownership began, if nothing was.
    pub(crate) fn passed_over_up_to(&self) -> &Position {
        &self.passed_over
    }

    /// The application has processed what was delivered.
    pub(crate) fn processed(&mut self) {
        self.processed = self.delivered.clone();
    }

    /// The furthest that was delivered.
    pub(crate) fn delivered_up_to(&self) -> &Position {
        &self.delivered
    }

    /// The furthest that the application has processed.
    pub(crate) fn processed_up_to(&self) -> &Position {
        &self.processed
    }

    /// Everything behind `position` is to be delivered again, except what is checkpointed or deferred.
    pub(crate) fn begin_again_behind(&mut self, position: Position) {
        self.processed = position.max(self.reached().clone());
    }

    /// The application has not processed what was delivered last, nor the end of the shard: a checkpoint must not pass
    /// over it. What it has checkpointed or deferred itself stays.
    pub(crate) fn failed(&mut self) {
        self.delivered = self.processed.clone().max(self.reached().clone());
        self.end = End::Ahead;
    }

    /// Permits `SHARD_END`: everything was delivered.
    pub(crate) fn shard_ended(&mut self) {
        self.end = End::Reached;
    }

    /// The furthest position that is permitted: what a checkpoint without a position means.
    pub(crate) fn largest(&self) -> Position {
        match self.end {
            End::Ahead => self.delivered.clone(),
            End::Reached => Position::ShardEnd,
        }
    }

    /// The checkpoint that was written last.
    pub(crate) fn last(&self) -> &Position {
        &self.last
    }

    /// Up to where the application has said that it is done.
    pub(crate) fn reached(&self) -> &Position {
        (&self.last).max(&self.deferred)
    }

    /// Notes that `position`, which was permitted, is written by and by.
    pub(crate) fn deferred(&mut self, position: &Position) {
        self.deferred = self.deferred.clone().max(position.clone());
    }

    /// Decides about a checkpoint at `position`.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::IllegalPosition`] if `position` lies behind the last checkpoint, was not delivered yet, or is a place
    /// before all records. The last is permitted if the row stands there itself.
    pub(crate) fn propose(&self, position: Position) -> Result<Proposal, CheckpointError> {
        let position = self.meaning_of(position);
        if position == self.last {
            return Ok(Proposal::AlreadyThere);
        }
        let is_allowed = match &position {
            Position::AtTimestamp | Position::TrimHorizon | Position::Latest => false,
            Position::At(_) => self.last < position && position <= self.delivered,
            Position::ShardEnd => self.end == End::Reached,
        };
        match is_allowed {
            true => Ok(Proposal::Write(position)),
            false => Err(CheckpointError::IllegalPosition {
                proposed: position,
                allowed: self.last.clone()..=self.delivered.clone().max(self.last.clone()),
            }),
        }
    }

    /// Notes that `position` was written.
    pub(crate) fn written(&mut self, position: Position) {
        debug_assert!(
            self.last <= position,
            "a checkpoint moved back from {} to {position}",
            self.last
        );
        self.last = position;
    }

    /// At the end of the shard, its last record is the end.
    fn meaning_of(&self, position: Position) -> Position {
        let is_last_record = matches!(position, Position::At(_)) && position == self.delivered;
        if is_last_record { self.largest() } else { position }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use proptest::prelude::*;

    use super::*;

    fn record(sequence_number: u64, sub_sequence_number: u64) -> RecordPosition {
        RecordPosition {
            sequence_number: sequence_number.to_string().parse().unwrap(),
            sub_sequence_number,
        }
    }

    fn at(sequence_number: u64, sub_sequence_number: u64) -> Position {
        Position::At(record(sequence_number, sub_sequence_number))
    }

    fn illegal(proposed: Position, allowed: RangeInclusive<Position>) -> Result<Proposal, CheckpointError> {
        Err(CheckpointError::IllegalPosition { proposed, allowed })
    }

    /// Began at TRIM_HORIZON, got the records 1 and 5 (an aggregate of two), and checkpointed 1.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Position::TrimHorizon);
        for record in [record(1, 0), record(5, 0), record(5, 1)] {
            ledger.delivered(&record);
        }
        ledger.written(at(1, 0));
        ledger
    }

    #[test]
    fn a_record_that_waits_to_be_taken_may_not_be_checkpointed_yet() {
        let mut ledger = ledger();
        ledger.hand_out_when_taken();
        assert_eq!(ledger.largest(), at(1, 0));
        ledger.delivered(&record(7, 0));
        assert_eq!(ledger.largest(), at(1, 0));
        ledger.taken(&record(5, 0));
        assert_eq!(ledger.largest(), at(5, 0));
        ledger.passed_over(&record(7, 0));
        assert_eq!((ledger.largest(), ledger.processed_up_to()), (at(7, 0), &at(7, 0)));
    }

    #[test]
    fn what_is_to_be_delivered_again_lies_behind_the_last_checkpoint() {
        let mut ledger = ledger();
        ledger.processed();
        ledger.begin_again_behind(at(5, 0));
        assert_eq!(ledger.processed_up_to(), &at(5, 0));
        ledger.begin_again_behind(Position::TrimHorizon);
        assert_eq!(ledger.processed_up_to(), &at(1, 0));
        ledger.failed();
        assert_eq!(ledger.largest(), at(1, 0));
    }

    fn ended() -> Ledger {
        let mut ledger = ledger();
        ledger.shard_ended();
        ledger
    }

    #[test]
    fn a_checkpoint_between_the_last_and_the_furthest_delivered_is_written() {
        for position in [at(3, 0), at(5, 0), at(5, 1)] {
            assert_eq!(ledger().propose(position.clone()), Ok(Proposal::Write(position)));
        }
    }

    #[test]
    fn a_checkpoint_without_a_position_means_the_furthest_delivered() {
        assert_eq!(ledger().largest(), at(5, 1));
    }

    #[test]
    fn repeating_the_last_checkpoint_writes_nothing() {
        assert_eq!(ledger().propose(at(1, 0)), Ok(Proposal::AlreadyThere));
    }

    #[test]
    fn before_anything_is_delivered_a_checkpoint_without_a_position_writes_nothing() {
        let ledger = Ledger::new(Position::Latest);
        assert_eq!(ledger.propose(ledger.largest()), Ok(Proposal::AlreadyThere));
    }

    #[test]
    fn a_failure_behind_a_deferred_checkpoint_leaves_it() {
        let mut ledger = ledger();
        ledger.deferred(&at(5, 0));
        ledger.failed();
        assert_eq!((ledger.largest(), ledger.reached()), (at(5, 0), &at(5, 0)));
        assert_eq!(ledger.last(), &at(1, 0));
    }

    #[test]
    fn a_checkpoint_behind_the_last_is_refused() {
        assert_eq!(ledger().propose(at(0, 9)), illegal(at(0, 9), at(1, 0)..=at(5, 1)));
    }

    #[test]
    fn a_checkpoint_beyond_what_was_delivered_is_refused() {
        for proposed in [at(5, 2), at(6, 0), Position::ShardEnd] {
            let refused = illegal(proposed.clone(), at(1, 0)..=at(5, 1));
            assert_eq!(ledger().propose(proposed), refused);
        }
    }

    #[test]
    fn a_place_before_all_records_is_refused() {
        let ledger = Ledger::new(Position::AtTimestamp);
        for proposed in [Position::TrimHorizon, Position::Latest] {
            let refused = illegal(proposed.clone(), Position::AtTimestamp..=Position::AtTimestamp);
            assert_eq!(ledger.propose(proposed), refused);
        }
    }

    #[test]
    fn at_the_end_the_shard_end_is_what_a_checkpoint_without_a_position_means() {
        assert_eq!(ended().largest(), Position::ShardEnd);
        assert_eq!(
            ended().propose(Position::ShardEnd),
            Ok(Proposal::Write(Position::ShardEnd))
        );
    }

    #[test]
    fn at_the_end_a_checkpoint_at_the_last_record_means_the_shard_end() {
        assert_eq!(ended().propose(at(5, 1)), Ok(Proposal::Write(Position::ShardEnd)));
        assert_eq!(ended().propose(at(5, 0)), Ok(Proposal::Write(at(5, 0))));
    }

    #[test]
    fn at_the_end_repeating_a_checkpoint_at_the_last_record_is_not_swallowed() {
        let mut ledger = ledger();
        ledger.written(at(5, 1));
        ledger.shard_ended();
        assert_eq!(ledger.propose(at(5, 1)), Ok(Proposal::Write(Position::ShardEnd)));
    }

    #[test]
    fn an_owner_that_finds_only_the_end_may_name_the_record_it_began_behind() {
        let mut ledger = Ledger::new(at(5, 1));
        ledger.shard_ended();
        assert_eq!(ledger.propose(at(5, 1)), Ok(Proposal::Write(Position::ShardEnd)));
    }

    #[test]
    fn an_owner_of_an_empty_shard_that_ended_may_write_only_the_end() {
        let mut ledger = Ledger::new(Position::TrimHorizon);
        ledger.shard_ended();
        assert_eq!(
            ledger.propose(ledger.largest()),
            Ok(Proposal::Write(Position::ShardEnd))
        );
        assert_eq!(ledger.propose(Position::TrimHorizon), Ok(Proposal::AlreadyThere));
        assert!(ledger.propose(at(1, 0)).is_err());
    }

    #[test]
    fn after_the_shard_end_nothing_else_is_written() {
        let mut ledger = ended();
        ledger.written(Position::ShardEnd);
        assert_eq!(ledger.propose(Position::ShardEnd), Ok(Proposal::AlreadyThere));
        assert_eq!(ledger.propose(at(5, 1)), Ok(Proposal::AlreadyThere));
        let refused = illegal(at(5, 0), Position::ShardEnd..=Position::ShardEnd);
        assert_eq!(ledger.propose(at(5, 0)), refused);
    }

    fn any_position() -> impl Strategy<Value = Position> {
        let record = (0..9_u64, 0..3_u64).prop_map(|(sequence_number, sub)| at(sequence_number, sub));
        prop_oneof![8 => record, 1 => Just(Position::TrimHorizon), 1 => Just(Position::ShardEnd)]
    }

    proptest! {
        #[test]
        fn what_is_written_moves_forward_and_never_beyond_what_was_delivered(
            delivered in proptest::collection::vec((0..9_u64, 0..3_u64), 0..9),
            proposed in proptest::collection::vec(any_position(), 0..20),
            ended: bool,
        ) {
            let mut ledger = Ledger::new(Position::TrimHorizon);
            delivered.iter().for_each(|(sequence_number, sub)| ledger.delivered(&record(*sequence_number, *sub)));
            if ended {
                ledger.shard_ended();
            }
            for position in proposed {
                if let Ok(Proposal::Write(position)) = ledger.propose(position) {
                    prop_assert!(*ledger.last() < position && position <= ledger.largest());
                    ledger.written(position);
                }
            }
        }
    }
}
