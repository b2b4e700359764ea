//! What one observer concludes from its reads of a lease.

#![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

use super::*;
use crate::coordination::members::tests::lease;

const FAILOVER: Duration = Duration::from_secs(10);
/// What all owners run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owners {
    Ours,
    Java,
}

/// An observer, and times in seconds since it began.
struct Observer {
    begun: Instant,
    watch: LeaseWatch,
}

impl Observer {
    fn new() -> Self {
        let watch = LeaseWatch::new(WorkerId::new("me"), FAILOVER);
        let begun = Instant::now();
        Self { begun, watch }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.begun + Duration::from_secs_f64(seconds)
    }

    /// A read that took no time.
    fn read(&mut self, at: f64, lease: Lease) -> Option<Sign> {
        let at = self.at(at);
        self.watch.saw(lease, ReadTime { sent: at, replied: at })
    }

    fn reads(&mut self, times: &[f64], lease: &Lease) {
        for at in times {
            self.read(*at, lease.clone());
        }
    }

    /// The time at which the lease expired, if it did so now.
    fn expiry(&mut self, owners: Owners) -> Option<f64> {
        let expired = self.watch.expire(|_| owners == Owners::Ours);
        expired.first().map(|(_, at)| (*at - self.begun).as_secs_f64())
    }
}

#[test]
fn a_lease_expires_when_a_read_shows_its_counter_the_failover_time_after_the_first_one() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0, 9.9], &lease("s", Some("a"), 7));
    assert_eq!(observer.expiry(Owners::Ours), None);
    observer.reads(&[10.0], &lease("s", Some("a"), 7));
    assert_eq!(observer.expiry(Owners::Ours), Some(10.0));
    assert_eq!(observer.expiry(Owners::Ours), None, "told once");
}

#[test]
fn time_counts_from_the_reply_to_the_sending() {
    let mut observer = Observer::new();
    for (sent, replied) in [(0.0, 1.0), (4.0, 5.0), (10.5, 11.5)] {
        let (sent, replied) = (observer.at(sent), observer.at(replied));
        observer.watch.saw(lease("s", Some("a"), 7), ReadTime { sent, replied });
    }
    assert_eq!(observer.expiry(Owners::Ours), None);
}

#[test]
fn a_lease_that_is_renewed_does_not_expire_and_its_owner_is_seen_between_the_reads() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0], &lease("s", Some("a"), 7));
    let sign = observer.read(10.0, lease("s", Some("a"), 8));
    let (worker, after, before) = (WorkerId::new("a"), observer.at(4.0), observer.at(10.0));
    assert_eq!(sign, Some(Sign::Life(SignOfLife { worker, after, before })));
    observer.reads(&[14.0], &lease("s", Some("a"), 8));
    assert_eq!(observer.expiry(Owners::Ours), None);
}

#[test]
fn a_lease_that_stood_still_and_has_another_owner_is_a_sign_against_its_former_one() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0], &lease("s", Some("a"), 7));
    assert!(observer.watch.is_doubtful(&WorkerId::new("a")));
    let sign = observer.read(6.0, lease("s", Some("b"), 8));
    let (worker, at) = (WorkerId::new("a"), observer.at(4.0));
    assert_eq!(sign, Some(Sign::Lost { worker, at }));
    assert!(!observer.watch.is_doubtful(&WorkerId::new("a")));
}

#[test]
fn a_lease_that_was_renewed_lately_or_released_says_nothing_against_its_former_owner() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 3.0], &lease("s", Some("a"), 7));
    assert_eq!(observer.read(6.0, lease("s", Some("b"), 8)), None);
    observer.reads(&[10.0], &lease("s", Some("b"), 8));
    assert_eq!(observer.read(12.0, lease("s", None, 9)), None);
}

#[test]
fn a_lease_that_was_given_away_and_never_written_by_its_new_owner_is_a_sign_against_it() {
    let mut observer = Observer::new();
    observer.reads(&[0.0], &lease("s", Some("dead"), 7));
    observer.reads(&[1.0], &lease("s", Some("a"), 8));
    let sign = observer.read(3.0, lease("s", Some("b"), 9));
    let (worker, at) = (WorkerId::new("a"), observer.at(1.0));
    assert_eq!(sign, Some(Sign::Lost { worker, at }));
    // This one has written it in between.
    assert_eq!(observer.read(5.0, lease("s", Some("c"), 11)), None);
}

#[test]
fn what_became_of_a_lease_during_a_gap_says_nothing_against_its_former_owner() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0], &lease("s", Some("a"), 7));
    assert_eq!(observer.read(60.0, lease("s", Some("b"), 30)), None);
}

#[test]
fn a_gap_of_more_than_the_failover_time_begins_the_observation_again() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0, 14.1], &lease("s", Some("a"), 7));
    assert_eq!(observer.expiry(Owners::Ours), None);
    observer.reads(&[18.0, 24.1], &lease("s", Some("a"), 7));
    assert_eq!(observer.expiry(Owners::Ours), Some(24.1));
}

#[test]
fn a_lease_that_a_java_worker_was_given_expires_later_until_it_was_renewed() {
    let mut observer = Observer::new();
    let given = lease("s", Some("java"), 8);
    observer.reads(&[0.0], &lease("s", Some("a"), 7));
    observer.reads(&[1.0, 5.0, 11.0, 19.0, 25.9], &given);
    assert_eq!(observer.expiry(Owners::Java), None);
    observer.reads(&[26.0], &given);
    assert_eq!(observer.expiry(Owners::Java), Some(26.0));
}

#[test]
fn a_lease_that_a_worker_of_this_library_was_given_expires_after_the_failover_time() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0, 10.0], &lease("s", Some("a"), 8));
    assert_eq!(observer.expiry(Owners::Ours), Some(10.0));
}

#[test]
fn a_lease_that_a_java_worker_has_renewed_expires_after_the_failover_time() {
    let mut observer = Observer::new();
    observer.reads(&[0.0], &lease("s", Some("java"), 7));
    observer.reads(&[1.0, 5.0, 11.0], &lease("s", Some("java"), 8));
    assert_eq!(observer.expiry(Owners::Java), Some(11.0));
}

#[test]
fn a_lease_that_names_the_observer_does_not_expire() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0, 10.0], &lease("s", Some("me"), 7));
    assert_eq!(observer.watch.suspects(|_| true).count(), 0);
    assert_eq!(observer.expiry(Owners::Ours), None);
}

#[test]
fn a_lease_without_an_owner_does_not_expire() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 4.0, 10.0], &lease("s", None, 7));
    assert_eq!(observer.expiry(Owners::Ours), None);
}

#[test]
fn a_lease_that_stood_still_for_longer_than_a_renewal_takes_is_read_again_when_its_time_is_over() {
    let mut observer = Observer::new();
    observer.reads(&[0.0, 3.4], &lease("s", Some("a"), 7));
    assert_eq!(observer.watch.suspects(|_| true).count(), 0);
    observer.reads(&[4.0], &lease("s", Some("a"), 7));
    let suspects: Vec<_> = observer.watch.suspects(|_| true).map(|(_, at)| at).collect();
    assert_eq!(suspects, [observer.at(10.0)]);
    // A lease with more time is read in between, so that the chain of reads does not break.
    let suspects: Vec<_> = observer.watch.suspects(|_| false).map(|(_, at)| at).collect();
    assert_eq!(suspects, [observer.at(12.0)]);
}

#[test]
fn a_reply_that_comes_late_changes_nothing() {
    let mut observer = Observer::new();
    observer.reads(&[5.0], &lease("s", Some("a"), 8));
    let (sent, replied) = (observer.at(4.0), observer.at(6.0));
    let sign = observer.watch.saw(lease("s", Some("a"), 7), ReadTime { sent, replied });
    assert_eq!(sign, None);
    assert_eq!(observer.watch.leases().next().unwrap().lease.counter, 8);
}

#[test]
fn a_lease_that_a_whole_scan_does_not_show_is_forgotten() {
    let mut observer = Observer::new();
    observer.reads(&[0.0], &lease("gone", Some("a"), 7));
    observer.reads(&[0.0, 4.0], &lease("s", Some("a"), 7));
    observer.watch.forget_unread(observer.at(3.0));
    assert_eq!(observer.watch.len(), 1);
}

#[test]
fn an_owner_all_of_whose_counters_rise_too_seldom_is_slow() {
    let mut observer = Observer::new();
    for step in 0..9_u32 {
        let at = f64::from(step) * 5.5;
        observer.read(at, lease("slow", Some("a"), u64::from(step)));
        observer.read(at, lease("mixed", Some("b"), u64::from(step)));
        observer.read(at, lease("fast", Some("b"), u64::from(step) * 2));
    }
    let slow = observer.watch.slow_owners();
    assert_eq!(
        slow,
        BTreeMap::from([(WorkerId::new("a"), Duration::from_secs_f64(5.5))])
    );
}
