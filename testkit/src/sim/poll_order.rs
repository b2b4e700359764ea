//! Pure: in which order the woken tasks of a process are polled, by a seed.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How often a seed has its tasks polled in the order of their wakes, of four. Our choice.
const IN_ORDER: u8 = 1;

/// The shares of wakes that the other seeds hold back, in percent. Our choice.
const STRENGTHS: [u8; 3] = [10, 30, 60];

/// The most rounds that a task is held back. Two let what a reply wakes pass what a timer woke at the same instant. Our
/// choice.
const ROUNDS: u8 = 3;

/// How often a woken task of a simulated process lets the other ready tasks run first.
///
/// A real machine has several threads, and a kernel that interrupts them; tokio's single thread polls tasks in the order
/// of their wakes. So that code meets the other orders too, a woken task may be put back behind all that are ready, by
/// the seed. No virtual time passes meanwhile, and nothing starves: a task is held back for a few rounds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollOrder {
    /// How many of a hundred wakes are held back, on average: each task has a share of its own, from none to twice as
    /// many. 0, the default: none.
    pub percent: u8,
    /// For how many rounds at most. A round is one poll of each task that is ready.
    pub rounds: u8,
}

impl PollOrder {
    /// Tasks are polled in the order of their wakes, as by tokio alone.
    pub const AS_WOKEN: Self = Self { percent: 0, rounds: 0 };

    /// The order of a seed: of some [as woken](Self::AS_WOKEN), of others more or less shuffled.
    pub fn drawn(seed: u64) -> Self {
        // Whoever draws more from the seed draws from another generator.
        let mut rng = Rng::with_seed(seed.rotate_left(32) ^ 0x706F_6C6C);
        if rng.u8(..4) < IN_ORDER {
            return Self::AS_WOKEN;
        }
        Self {
            percent: rng.choice(STRENGTHS).unwrap_or_default(),
            rounds: ROUNDS,
        }
    }
}

/// Decides for the tasks of one life of a process.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    order: PollOrder,
    rng: Rng,
}

/// How many of a hundred of its wakes one task is held back at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hesitation(u8);

impl Turns {
    pub(super) fn new(order: PollOrder, seed: u64) -> Self {
        let rng = Rng::with_seed(seed);
        Self { order, rng }
    }

    /// The character of a new task.
    pub(super) fn hesitation(&mut self) -> Hesitation {
        let mean = self.order.percent.min(100);
        Hesitation(if mean == 0 {
            0
        } else {
            self.rng.u8(0..=2 * mean).min(100)
        })
    }

    /// For how many rounds a task is held back that was just woken.
    pub(super) fn rounds(&mut self, task: Hesitation) -> u8 {
        if self.order.rounds == 0 || self.rng.u8(..100) >= task.0 {
            return 0;
        }
        self.rng.u8(1..=self.order.rounds)
    }

    /// Puts those who go on at once after a stop into an order.
    pub(super) fn shuffle<T>(&mut self, stopped: &mut [T]) {
        if self.order.percent > 0 {
            self.rng.shuffle(stopped);
        }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(PollOrder::AS_WOKEN, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(order: PollOrder, seed: u64) -> Vec<u8> {
        let mut turns = Turns::new(order, seed);
        let task = turns.hesitation();
        (0..1_000).map(|_| turns.rounds(task)).collect()
    }

    #[test]
    fn the_same_seed_holds_the_same_wakes_back() {
        let order = PollOrder { percent: 50, rounds: 3 };
        assert_eq!(rounds(order, 1), rounds(order, 1));
        assert_ne!(rounds(order, 1), rounds(order, 2));
    }

    #[test]
    fn nothing_is_held_back_for_longer_than_the_bound() {
        for seed in 0..20 {
            let order = PollOrder {
                percent: 100,
                rounds: 2,
            };
            assert!(rounds(order, seed).iter().all(|&rounds| rounds <= 2), "seed {seed}");
            assert!(rounds(PollOrder::AS_WOKEN, seed).iter().all(|&rounds| rounds == 0));
        }
    }

    #[test]
    fn seeds_differ_in_how_much_they_shuffle() {
        let orders: Vec<_> = (0..100).map(|seed| PollOrder::drawn(seed).percent).collect();
        for percent in [0, 10, 30, 60] {
            assert!(orders.contains(&percent), "{orders:?}");
        }
    }
}
