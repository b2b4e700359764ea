//! Pure: how long loaded credentials are handed out, and when they are loaded again.

use std::time::{Duration, SystemTime};

use crate::limits::APPLICATION_STALL;

/// The shortest time between two loads. For this time loaded credentials are handed out even if they look expired: the
/// clock of this machine may be wrong. Our choice.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// How long credentials without an expiry are kept before they are loaded again. Our choice; the SDK's own cache keeps
/// them for 15 minutes.
const WITHOUT_EXPIRY: Duration = Duration::from_secs(60 * 60);

/// The time that is left to a refresh, if a fifth of the lifetime is less. Our choice: as long as the application may be
/// blocked, because a provider may depend on the application's runtime.
///
/// The constant and not the bound of one worker: that bound is no option. Tests set a shorter one, for which this time is
/// longer than needed.
const TIME_TO_REFRESH: Duration = APPLICATION_STALL;

/// How much of the time is added at random, so that a fleet that was started at once does not refresh at once.
const JITTER: f64 = 0.2;

/// When loaded credentials expire and when they are refreshed, by the wall clock: their expiry is a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    loaded: SystemTime,
    expires: Option<SystemTime>,
    refresh: SystemTime,
}

impl Validity {
    /// The validity of credentials that were loaded at `loaded`.
    ///
    /// They are refreshed when a fifth of their lifetime is left, or five minutes if that is more, but not before about
    /// half of their lifetime is over.
    pub(super) fn new(loaded: SystemTime, expires: Option<SystemTime>, rng: &mut fastrand::Rng) -> Self {
        let mut jittered = |time: Duration| time.mul_f64(1.0 + JITTER * rng.f64());
        let rest = match expires {
            None => jittered(WITHOUT_EXPIRY),
            Some(expires) => {
                let lifetime = expires.duration_since(loaded).unwrap_or_default();
                let left = (lifetime / 5).max(TIME_TO_REFRESH.min(lifetime / 2));
                lifetime.saturating_sub(jittered(left))
            }
        };
        let refresh = loaded.checked_add(rest.max(SHORTEST_REST)).unwrap_or(loaded);
        Self {
            loaded,
            expires,
            refresh,
        }
    }

    /// Whether the credentials may still be handed out.
    pub(super) fn is_usable(&self, now: SystemTime) -> bool {
        let fresh = now.duration_since(self.loaded).is_ok_and(|age| age < SHORTEST_REST);
        fresh || self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether the time of the refresh has come.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        now >= self.refresh
    }

    /// The time until the refresh; zero if it is due.
    pub(super) fn refresh_in(&self, now: SystemTime) -> Duration {
        self.refresh.duration_since(now).unwrap_or_default()
    }

    /// The time for which the credentials remain valid; `None` if they do not expire.
    pub(super) fn valid_for(&self, now: SystemTime) -> Option<Duration> {
        self.expires
            .map(|expires| expires.duration_since(now).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(offset: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + offset
    }

    /// The shortest and the longest time from load to refresh among many seeds.
    fn refreshes(lifetime: Option<Duration>) -> (Duration, Duration) {
        let loaded = at(Duration::ZERO);
        let rests = (0..1_000).map(|seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            Validity::new(loaded, lifetime.map(at), &mut rng).refresh_in(loaded)
        });
        let rests: Vec<Duration> = rests.collect();
        (*rests.iter().min().unwrap(), *rests.iter().max().unwrap())
    }

    #[track_caller]
    fn assert_refreshed_between(lifetime: Option<Duration>, expected: [Duration; 2]) {
        let (first, last) = refreshes(lifetime);
        assert!(first >= expected[0] && last <= expected[1], "{first:?} to {last:?}");
        assert!(
            last - first > (expected[1] - expected[0]).mul_f64(0.9),
            "jittered: {first:?} to {last:?}"
        );
    }

    #[test]
    fn credentials_are_refreshed_when_a_fifth_of_their_lifetime_is_left() {
        let lifetime = 6 * 60 * MINUTE;
        assert_refreshed_between(Some(lifetime), [lifetime.mul_f64(0.76), lifetime.mul_f64(0.8)]);
    }

    #[test]
    fn credentials_of_a_quarter_of_an_hour_are_refreshed_when_five_minutes_are_left() {
        assert_refreshed_between(Some(15 * MINUTE), [9 * MINUTE, 10 * MINUTE]);
    }

    #[test]
    fn credentials_of_a_few_minutes_are_refreshed_after_about_half_of_them() {
        assert_refreshed_between(Some(4 * MINUTE), [MINUTE.mul_f64(1.6), 2 * MINUTE]);
    }

    #[test]
    fn credentials_that_do_not_expire_are_loaded_at_most_once_an_hour() {
        assert_refreshed_between(None, [60 * MINUTE, 72 * MINUTE]);
    }

    #[test]
    fn credentials_that_have_expired_on_arrival_are_handed_out_and_loaded_again_after_a_second() {
        let expired = Some(at(Duration::ZERO) - MINUTE);
        let validity = Validity::new(at(Duration::ZERO), expired, &mut fastrand::Rng::with_seed(1));
        assert!(validity.is_usable(at(SHORTEST_REST / 2)));
        assert!(!validity.is_usable(at(SHORTEST_REST)));
        assert!(!validity.is_due(at(SHORTEST_REST / 2)));
        assert!(validity.is_due(at(SHORTEST_REST)));
    }

    #[test]
    fn credentials_are_usable_until_they_expire() {
        let validity = Validity::new(at(Duration::ZERO), Some(at(MINUTE)), &mut fastrand::Rng::with_seed(1));
        let last = at(MINUTE - Duration::from_millis(1));
        assert!(validity.is_usable(last) && validity.is_due(last));
        assert_eq!(validity.valid_for(last), Some(Duration::from_millis(1)));
        assert!(!validity.is_usable(at(MINUTE)));
        assert_eq!(validity.valid_for(at(2 * MINUTE)), Some(Duration::ZERO));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_expire() {
        let validity = Validity::new(at(60 * MINUTE), Some(at(90 * MINUTE)), &mut fastrand::Rng::with_seed(1));
        assert!(validity.is_usable(at(Duration::ZERO)));
        assert!(!validity.is_due(at(Duration::ZERO)));
    }
}
