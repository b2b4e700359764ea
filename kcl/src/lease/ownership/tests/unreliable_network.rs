//! One ownership over a network that loses, delays and duplicates: every fate of each of four writes.

use super::*;

/// What the network makes of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    RequestLost,
    ReplyLost,
    /// No answer, and the request arrives just before the next one.
    Late,
    /// No answer, and the request arrives just after the next one.
    VeryLate,
    /// The request arrives twice, and the second answer comes back.
    CopyAnswered,
    /// It is answered, and a copy of the request arrives just before the next one.
    LateCopy,
    /// It is answered, and a copy of the request arrives just after the next one.
    VeryLateCopy,
    /// The request arrives, a copy of it is throttled, and the answer to the copy comes back.
    CopyThrottled,
    /// A copy of the request is throttled, and the request arrives just before the next one.
    LateBehindThrottledCopy,
}

use Fate::{
    Answered, CopyAnswered, CopyThrottled, Late, LateBehindThrottledCopy, LateCopy, ReplyLost, RequestLost, VeryLate,
    VeryLateCopy,
};

const FATES: [Fate; 10] = [
    Answered,
    RequestLost,
    ReplyLost,
    Late,
    VeryLate,
    CopyAnswered,
    LateCopy,
    VeryLateCopy,
    CopyThrottled,
    LateBehindThrottledCopy,
];

/// All sequences of four fates.
fn fates() -> impl Iterator<Item = [Fate; 4]> {
    let pairs = || FATES.into_iter().flat_map(|a| FATES.map(|b| (a, b)));
    pairs().flat_map(move |(a, b)| pairs().map(move |(c, d)| [a, b, c, d]))
}

/// The table behind the network.
struct Table {
    row: Lease,
    /// The counters from which a write has moved the row.
    moved_from: Vec<u64>,
    before_next: Vec<OwnerWrite>,
    after_next: Vec<OwnerWrite>,
}

impl Table {
    fn arrive(&mut self, write: &OwnerWrite) -> WriteOutcome {
        let seen = &write.seen;
        let holds = self.row.counter == seen.counter
            && (seen.checkpoint_owner.is_some() || self.row.checkpoint_owner.is_none());
        if !holds {
            return WriteOutcome::Refused(Some(self.row.clone()));
        }
        self.moved_from.push(seen.counter);
        self.row = apply(&OwnerWrite {
            seen: self.row.clone(),
            ..write.clone()
        });
        WriteOutcome::Applied(self.row.clone())
    }

    /// Sends `write` through the network, after and before those that are late.
    fn send(&mut self, write: &OwnerWrite, fate: Fate) -> WriteOutcome {
        for late in std::mem::take(&mut self.before_next) {
            self.arrive(&late);
        }
        let very_late = std::mem::take(&mut self.after_next);
        let unanswered = WriteOutcome::Unknown(error());
        let outcome = match fate {
            Answered => self.arrive(write),
            RequestLost | Late | VeryLate => unanswered,
            ReplyLost => {
                self.arrive(write);
                unanswered
            }
            CopyAnswered => {
                self.arrive(write);
                self.arrive(write)
            }
            LateCopy | VeryLateCopy => self.arrive(write),
            CopyThrottled => {
                self.arrive(write);
                WriteOutcome::NotApplied(error())
            }
            LateBehindThrottledCopy => WriteOutcome::NotApplied(error()),
        };
        match fate {
            Late | LateCopy | LateBehindThrottledCopy => self.before_next.push(write.clone()),
            VeryLate | VeryLateCopy => self.after_next.push(write.clone()),
            Answered | RequestLost | ReplyLost | CopyAnswered | CopyThrottled => {}
        }
        for late in very_late {
            self.arrive(&late);
        }
        outcome
    }
}

/// The ownership, the table, and the checkpoints that were acknowledged.
struct Run {
    world: World,
    table: Table,
    fates: Vec<Fate>,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new();
        // No lease lapses here.
        world.ownership.terms.failover = Duration::from_secs(1_000);
        world.ownership.valid_until = world.now + Duration::from_secs(1_000);
        Self {
            world,
            table: Table {
                row: row(5),
                moved_from: Vec::new(),
                before_next: Vec::new(),
                after_next: Vec::new(),
            },
            fates: Vec::new(),
        }
    }

    /// Makes the write that is due, at the latest by a renewal.
    fn write(&mut self, fate: Fate) -> Vec<Effect<Named>> {
        self.fates.push(fate);
        self.world.pass(RENEWAL);
        let write = self.world.write();
        let outcome = self.table.send(&write, fate);
        let effects = self.world.outcome(outcome);
        let from = &self.table.moved_from;
        assert!(
            from.is_sorted_by(|a, b| a < b),
            "moved twice: {from:?}, {:?}",
            self.fates
        );
        if effects
            .iter()
            .any(|effect| matches!(effect, Effect::Checkpointed { .. }))
        {
            let waited_for = at(100);
            assert!(holds(&self.table.row, &waited_for), "{:?}", self.fates);
        }
        effects
    }

    #[track_caller]
    fn assert_goes_on(&self, effects: &[Effect<Named>]) {
        assert_eq!(end(effects), None, "{:?}", self.fates);
    }
}

#[test]
fn no_loss_delay_or_copy_of_own_writes_ends_an_ownership_or_moves_its_counter_twice() {
    for fates in fates() {
        let mut run = Run::new();
        for fate in fates {
            let effects = run.write(fate);
            run.assert_goes_on(&effects);
        }
        for _ in 0..3 {
            let effects = run.write(Answered);
            run.assert_goes_on(&effects);
        }
        assert_eq!(run.world.ownership.row, run.table.row, "{fates:?}");
    }
}

#[test]
fn a_release_with_a_checkpoint_is_recognised_whatever_becomes_of_its_requests_and_answers() {
    for fates in fates() {
        let mut run = Run::new();
        let first = run.write(fates[0]);
        run.assert_goes_on(&first);
        run.world.ownership.checkpoint(at(100), Named("waiter"), run.world.now);
        run.world.ownership.leave(Some(Named("leaver")), run.world.now);
        let unreliable = fates[1..].iter().copied();
        let mut effects = Vec::new();
        for fate in unreliable.chain([Answered; 3]) {
            effects.extend(run.write(fate));
            if end(&effects).is_some() {
                break;
            }
        }
        assert_eq!(end(&effects), Some(&End::Released), "{fates:?}");
        assert_eq!(run.table.row.owner, None, "{fates:?}");
        let answered = effects.iter().any(|effect| match effect {
            Effect::Checkpointed { waiter } | Effect::NotCheckpointed { waiter, .. } => *waiter == Named("waiter"),
            Effect::Valid { .. }
            | Effect::Drain(_)
            | Effect::Vanished { .. }
            | Effect::MadeAgain
            | Effect::Reached(_)
            | Effect::Ended { .. } => false,
        });
        assert!(answered, "{fates:?}: {effects:?}");
    }
}
