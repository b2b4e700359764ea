//! A worker whose handlers block all threads of its application, in real time and over real sockets.
//!
//! Each test prints what it measured; run it with `--nocapture`.
//!
//! In the order of a test: a `stage` with two workers that share a stream; a `gate` at which the handlers of one of them
//! block; its `provider` of credentials; the `lease_log` of what was written.

mod gate;
mod lease_log;
mod provider;
mod stage;

use std::time::{Duration, Instant};

use service::Clock;
use tokio::runtime::Handle;

use crate::WorkerError;
use crate::limits::APPLICATION_STALL;
use lease_log::{Rows, keys_of, longest_gap};
use provider::{Manner, Provider};
use stage::Stage;

/// Short, so that the tests are.
const FAILOVER: Duration = Duration::from_millis(1_500);

/// Between two renewals of a lease.
const RENEWAL: Duration = Duration::from_millis(500);

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The threads of the application that is blocked. It holds more shards, because a task may wait for a blocked thread.
const THREADS: usize = 2;

const SHARDS: usize = 8;

/// The leases of each worker.
const EACH: usize = 4;

/// The worker that is blocked.
const BLOCKED: &str = "blocked";

/// The worker that takes what is not renewed.
const OTHER: &str = "other";

/// Blocks the application for twice the failover time, and longer until there were `slow_loads` of credentials. No lease is
/// lost.
#[track_caller]
fn assert_no_lease_is_lost(stage: &Stage, slow_loads: usize, what: &str) {
    let held = keys_of(&stage.log.wait(|_| true), BLOCKED);
    let ownerships = stage.gate.ownerships();
    let (begun, application) = stage.block();
    let clock = Clock::default();
    let is_over = |_: &Rows| clock.now() >= begun + 2 * FAILOVER && stage.provider.slow_loads() >= slow_loads;
    stage.log.wait(is_over);
    let end = clock.now();
    assert!(application.try_recv().is_err(), "no thread ran a task");
    stage.unblock();
    stage.gate.wait_for_checkpoints(EACH);

    for passed in stage.gate.wait_for_passed(EACH) {
        assert!(passed.lease_is_valid, "{passed:?}");
        assert!(ownerships.contains(&(passed.shard, passed.token)), "the same ownership");
    }
    assert_eq!(stage.gate.ownerships(), ownerships, "no processor was made anew");
    let rows = stage.log.wait(|_| true);
    assert_eq!(keys_of(&rows, BLOCKED), held);
    for key in &held {
        let writes = rows[key].iter().skip_while(|write| write.owner.is_none());
        for write in writes {
            assert_eq!(write.owner.as_deref(), Some(BLOCKED), "{key}");
            assert_eq!(write.switches.as_deref(), Some("0"), "{key}");
        }
    }
    let gap = held
        .iter()
        .map(|key| longest_gap(&rows[key], begun, end))
        .max()
        .unwrap();
    println!(
        "{what}: blocked for {:?}, longest gap between two writes of a lease {gap:?}, renewal every {RENEWAL:?}, failover \
         {FAILOVER:?}, slow loads of credentials {}",
        end - begun,
        stage.provider.slow_loads()
    );
    assert!(gap < 2 * RENEWAL, "{gap:?}");
}

#[test]
fn a_worker_whose_application_is_blocked_loses_no_lease() {
    let stage = Stage::start(APPLICATION_STALL, |_| Provider::new(Manner::Nothing, None));
    assert_no_lease_is_lost(&stage, 0, "credentials that do not expire");
}

#[test]
fn a_worker_whose_application_is_blocked_during_a_slow_refresh_of_credentials_loses_no_lease() {
    // A refresh falls due when about half of the lifetime is over: less than the time for which the threads are blocked.
    let lifetime = Some(Duration::from_secs(4));
    let stage = Stage::start(APPLICATION_STALL, |_| {
        Provider::new(Manner::InTheCaller(FAILOVER), lifetime)
    });
    assert_no_lease_is_lost(&stage, 1, "credentials that take the failover time");
}

#[test]
fn a_worker_whose_credentials_its_blocked_application_fetches_loses_no_lease() {
    // Half of the lifetime is left when the refresh falls due, and it lasts longer than the block.
    let lifetime = Some(Duration::from_secs(8));
    let stage = Stage::start(APPLICATION_STALL, |application: &Handle| {
        Provider::new(Manner::OnTheApplicationsRuntime(application.clone()), lifetime)
    });
    assert_no_lease_is_lost(&stage, 1, "credentials that the blocked application fetches");
}

#[test]
fn the_shards_of_a_deadlocked_application_are_elsewhere_after_the_bound() {
    const BOUND: Duration = Duration::from_secs(2);
    let mut stage = Stage::start(BOUND, |_| Provider::new(Manner::Nothing, None));
    let held = keys_of(&stage.log.wait(|_| true), BLOCKED);
    let (begun, application) = stage.block();
    let rows = stage.log.wait_for_owner(OTHER, SHARDS);
    assert!(application.try_recv().is_err(), "no thread ran a task");

    let taken_at = |key: &String| -> Instant {
        let mut writes = rows[key].iter();
        writes.find(|write| write.owner.as_deref() == Some(OTHER)).unwrap().at
    };
    let first = held.iter().map(taken_at).min().unwrap() - begun;
    let last = held.iter().map(taken_at).max().unwrap() - begun;
    println!(
        "deadlocked: bound {BOUND:?}, failover {FAILOVER:?}, first lease elsewhere after {first:?}, last {last:?}"
    );
    assert!(first >= BOUND, "{first:?}");
    assert!(last < BOUND + 3 * FAILOVER, "{last:?}");

    stage.unblock();
    let passed = stage.gate.wait_for_passed(THREADS);
    assert!(passed.iter().all(|passed| !passed.lease_is_valid), "{passed:?}");
    let ended = stage.end_of_blocked().unwrap_err();
    assert!(
        matches!(ended.error(), WorkerError::ApplicationStalled { still } if *still >= BOUND),
        "{ended:?}"
    );
}
