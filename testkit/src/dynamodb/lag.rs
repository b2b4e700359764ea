//! Pure: writes on their way to a copy that is behind.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use fastrand::Rng;

/// Writes on their way to a copy that is behind. Each takes a time of its own, but none overtakes another.
///
/// It holds no more than what was written within the longest lag.
#[derive(Debug)]
pub(super) struct Lag<W> {
    longest: Duration,
    rng: Rng,
    /// When each arrives, unless it has to wait for the one before.
    under_way: VecDeque<(SystemTime, W)>,
}

impl<W> Lag<W> {
    pub(super) fn new(longest: Duration, rng: Rng) -> Self {
        Self {
            longest,
            rng,
            under_way: VecDeque::new(),
        }
    }

    /// Sends a write on its way.
    pub(super) fn send(&mut self, write: W, now: SystemTime) {
        let longest = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX);
        let arrival = now + Duration::from_micros(self.rng.u64(0..=longest));
        self.under_way.push_back((arrival, write));
    }

    /// Takes the next write that has arrived.
    pub(super) fn arrived(&mut self, now: SystemTime) -> Option<W> {
        let (arrival, _) = self.under_way.front()?;
        if *arrival > now {
            return None;
        }
        self.under_way.pop_front().map(|(_, write)| write)
    }

    /// Forgets the writes under way that `keep` says no to.
    pub(super) fn retain(&mut self, keep: impl Fn(&W) -> bool) {
        self.under_way.retain(|(_, write)| keep(write));
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use fastrand::Rng;
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_millis(500);

    fn arrivals(lag: &mut Lag<usize>, now: SystemTime) -> Vec<usize> {
        std::iter::from_fn(|| lag.arrived(now)).collect()
    }

    #[test]
    fn lags_spread_from_nothing_to_the_longest() {
        let mut lags: Vec<Duration> = (0..200)
            .map(|seed| {
                let mut lag = Lag::new(LONGEST, Rng::with_seed(seed));
                lag.send(0, UNIX_EPOCH);
                let wait = (0..=500).map(Duration::from_millis);
                wait.into_iter()
                    .find(|wait| lag.arrived(UNIX_EPOCH + *wait).is_some())
                    .unwrap()
            })
            .collect();
        lags.sort();
        assert!(
            lags[0] < LONGEST / 10 && lags[100] > LONGEST / 3 && lags[199] > LONGEST * 9 / 10,
            "{lags:?}"
        );
    }

    proptest! {
        #[test]
        fn what_has_arrived_is_a_prefix_that_lacks_only_the_latest(
            seed in any::<u64>(),
            steps in prop::collection::vec((0_u64..300, any::<bool>()), 1..100),
        ) {
            let mut lag = Lag::new(LONGEST, Rng::with_seed(seed));
            let mut now = UNIX_EPOCH;
            let mut sent: Vec<SystemTime> = Vec::new();
            let mut seen = Vec::new();
            for (wait, writes) in steps {
                now += Duration::from_millis(wait);
                if writes {
                    lag.send(sent.len(), now);
                    sent.push(now);
                }
                seen.extend(arrivals(&mut lag, now));
                prop_assert!(seen.iter().copied().eq(0..seen.len()), "in order, none left out");
                prop_assert!(sent[seen.len()..].iter().all(|at| now < *at + LONGEST), "none older than the lag");
            }
        }
    }

    #[test]
    fn what_is_forgotten_never_arrives() {
        let mut lag = Lag::new(LONGEST, Rng::with_seed(1));
        (0..4).for_each(|write| lag.send(write, UNIX_EPOCH));
        lag.retain(|write| write % 2 == 0);
        assert_eq!(arrivals(&mut lag, UNIX_EPOCH + LONGEST), [0, 2]);
    }
}
