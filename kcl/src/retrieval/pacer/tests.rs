//! Cases of when a shard is read again.

use proptest::prelude::*;

use super::*;

const MIB: usize = 1024 * 1024;

const AT_THE_LIMIT: Duration = Duration::from_millis(200);

fn start() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "no other way to an Instant; only differences count"
    )]
    Instant::now()
}

const CAUGHT_UP: Option<Duration> = Some(Duration::ZERO);
const BEHIND: Option<Duration> = Some(Duration::from_secs(5));

fn brought(bytes: usize, lag: Option<Duration>) -> Brought {
    Brought {
        records: usize::from(bytes > 0),
        bytes,
        lag,
    }
}

/// The waits after replies that come one after the other, each read sent as early as allowed.
fn waits(config: PacerConfig, replies: impl IntoIterator<Item = Brought>) -> Vec<Duration> {
    let mut now = start();
    let mut pacer = Pacer::new(config, now);
    let wait = |reply| {
        pacer.on_reply(now, reply);
        let wait = pacer.next_read_at() - now;
        now = pacer.next_read_at();
        wait
    };
    replies.into_iter().map(wait).collect()
}

fn wait_after(bytes: usize, lag: Option<Duration>) -> Duration {
    waits(PacerConfig::default(), [brought(bytes, lag)])[0]
}

#[test]
fn the_first_read_is_sent_at_once() {
    let start = start();
    assert_eq!(Pacer::new(PacerConfig::default(), start).next_read_at(), start);
}

#[test]
fn a_reader_that_is_behind_reads_five_times_a_second() {
    assert_eq!(wait_after(1, BEHIND), AT_THE_LIMIT);
}

#[test]
fn a_shard_to_which_records_are_written_is_read_four_times_a_second() {
    assert_eq!(wait_after(1, CAUGHT_UP), FLOWING);
    assert_eq!(wait_after(1, None), FLOWING);
}

#[test]
fn an_idle_shard_is_read_more_and_more_seldom_down_to_once_a_second() {
    let waits = waits(PacerConfig::default(), vec![brought(0, CAUGHT_UP); 30]);
    assert!(waits[..7].iter().all(|wait| *wait == FLOWING), "{waits:?}");
    assert!(waits.is_sorted(), "{waits:?}");
    assert_eq!(waits[29], Duration::from_secs(1));
}

#[test]
fn the_first_record_of_an_idle_shard_brings_the_quick_pace_back() {
    let idle = vec![brought(0, CAUGHT_UP); 30];
    let waits = waits(PacerConfig::default(), idle.into_iter().chain([brought(1, CAUGHT_UP)]));
    assert_eq!(waits[30], FLOWING);
}

#[test]
fn the_longest_wait_is_the_configured_one() {
    let config = PacerConfig {
        idle: Duration::from_secs(4),
        ..PacerConfig::default()
    };
    assert_eq!(
        waits(config, vec![brought(0, CAUGHT_UP); 60])[59],
        Duration::from_secs(4)
    );
    let config = PacerConfig {
        idle: AT_THE_LIMIT,
        ..PacerConfig::default()
    };
    assert_eq!(waits(config, [brought(1, CAUGHT_UP)]), [AT_THE_LIMIT]);
}

#[test]
fn empty_replies_are_read_through_at_once_while_the_lag_falls() {
    let replies = (1..100)
        .rev()
        .map(|seconds| brought(0, Some(Duration::from_secs(seconds))));
    let waits = waits(PacerConfig::default(), replies);
    assert!(waits.iter().all(|wait| *wait == AT_THE_LIMIT), "{waits:?}");
}

#[test]
fn empty_replies_with_a_lag_that_does_not_fall_make_fewer_than_150_reads_a_minute() {
    let waits = waits(PacerConfig::default(), vec![brought(0, BEHIND); 150]);
    assert!(waits.iter().sum::<Duration>() > Duration::from_secs(60), "{waits:?}");
    assert_eq!(waits[..3], [AT_THE_LIMIT; 3]);
}

#[test]
fn a_large_reply_is_paid_off_first_whether_or_not_the_reader_is_behind() {
    assert_eq!(wait_after(10 * MIB, BEHIND), Duration::from_secs(5));
    assert_eq!(wait_after(10 * MIB, CAUGHT_UP), Duration::from_secs(5));
    assert_eq!(wait_after(MIB, CAUGHT_UP), Duration::from_millis(500));
}

#[test]
fn after_a_failure_the_callers_wait_counts_and_the_services_pace_holds() {
    let start = start();
    let mut pacer = Pacer::new(PacerConfig::default(), start);
    pacer.on_failure(start, Duration::from_secs(3));
    assert_eq!(pacer.next_read_at() - start, Duration::from_secs(3));
    pacer.on_failure(start, Duration::ZERO);
    assert_eq!(pacer.next_read_at() - start, AT_THE_LIMIT);
}

#[test]
fn a_failure_does_not_write_off_what_a_large_reply_costs() {
    let start = start();
    let mut pacer = Pacer::new(PacerConfig::default(), start);
    pacer.on_reply(start, brought(10 * MIB, BEHIND));
    pacer.on_failure(start + Duration::from_secs(1), Duration::ZERO);
    assert_eq!(pacer.next_read_at() - start, Duration::from_secs(5));
}

#[test]
fn replies_that_come_together_are_paid_off_one_after_the_other() {
    let start = start();
    let mut pacer = Pacer::new(PacerConfig::default(), start);
    pacer.on_reply(start, brought(2 * MIB, BEHIND));
    pacer.on_reply(start, brought(2 * MIB, BEHIND));
    assert_eq!(pacer.next_read_at() - start, Duration::from_secs(2));
}

#[test]
fn a_read_share_stretches_both_limits() {
    let config = PacerConfig {
        read_share: 0.5,
        ..PacerConfig::default()
    };
    assert_eq!(waits(config, [brought(1, BEHIND)]), [AT_THE_LIMIT * 2]);
    assert_eq!(waits(config, [brought(10 * MIB, BEHIND)]), [Duration::from_secs(10)]);
}

#[test]
fn throttling_lowers_the_share_and_replies_raise_it_again() {
    let mut now = start();
    let mut pacer = Pacer::new(PacerConfig::default(), now);
    for _ in 0..3 {
        pacer.on_throttled(now, Duration::ZERO);
        now = pacer.next_read_at();
    }
    assert!(pacer.left < 0.52, "{}", pacer.left);
    let lowered = now;
    while pacer.left < 1.0 {
        pacer.on_reply(now, brought(1, BEHIND));
        now = pacer.next_read_at();
    }
    let recovery = now - lowered;
    assert!((10..20).contains(&recovery.as_secs()), "{recovery:?}");
}

#[test]
fn a_throttled_read_is_followed_by_another_after_half_of_the_wait() {
    let now = start();
    let mut pacer = Pacer::new(PacerConfig::default(), now);
    for (left, wait) in [(1.0, 200), (0.8, 200), (0.4, 312), (0.1, 1_000)] {
        pacer.left = left;
        pacer.on_throttled(now, Duration::ZERO);
        assert_eq!((pacer.next_read_at() - now).as_millis(), wait, "of {left}");
    }
}

#[test]
fn a_large_reply_behind_throttled_reads_is_paid_off_at_the_configured_share() {
    let mut now = start();
    let mut pacer = Pacer::new(PacerConfig::default(), now);
    for _ in 0..10 {
        pacer.on_throttled(now, Duration::ZERO);
        now = pacer.next_read_at();
    }
    pacer.on_reply(now, brought(10 * 1024 * 1024, BEHIND));
    assert_eq!(pacer.next_read_at() - now, Duration::from_secs(5));
}

#[test]
fn a_reader_that_is_throttled_for_ever_still_reads_now_and_then() {
    let mut now = start();
    let mut pacer = Pacer::new(PacerConfig::default(), now);
    for _ in 0..1_000 {
        pacer.on_throttled(now, Duration::ZERO);
        assert!(pacer.next_read_at() - now <= Duration::from_secs(2));
        now = pacer.next_read_at();
    }
}

#[derive(Debug, Clone)]
struct Read {
    latency: Duration,
    outcome: Outcome,
    /// How much later than allowed the next read is sent.
    delay: Duration,
}

#[derive(Debug, Clone)]
enum Outcome {
    Brought(Brought),
    Failed(Duration),
    Throttled(Duration),
}

fn any_read() -> impl Strategy<Value = Read> {
    let millis = |below: u64| (0..below).prop_map(Duration::from_millis);
    let lag = proptest::option::of(millis(10_000));
    let outcome = prop_oneof![
        8 => (0..10 * MIB, lag).prop_map(|(bytes, lag)| Outcome::Brought(brought(bytes, lag))),
        1 => millis(3_000).prop_map(Outcome::Failed),
        1 => millis(3_000).prop_map(Outcome::Throttled),
    ];
    (millis(300), outcome, prop_oneof![Just(Duration::ZERO), millis(5_000)]).prop_map(|(latency, outcome, delay)| {
        Read {
            latency,
            outcome,
            delay,
        }
    })
}

proptest! {
    #[test]
    fn no_window_exceeds_the_share_of_what_the_service_allows(
        reads in proptest::collection::vec(any_read(), 1..60),
        share in 0.05..=1.0_f64,
    ) {
        let start = start();
        let config = PacerConfig { idle: AT_THE_LIMIT, read_share: share };
        let mut pacer = Pacer::new(config, start);
        let mut sent = Vec::new();
        for read in reads {
            let at = pacer.next_read_at() + read.delay;
            let replied_at = at + read.latency;
            let bytes = match read.outcome {
                Outcome::Brought(brought) => {
                    pacer.on_reply(replied_at, brought);
                    brought.bytes
                }
                Outcome::Failed(wait) => {
                    pacer.on_failure(replied_at, wait);
                    0
                }
                Outcome::Throttled(wait) => {
                    pacer.on_throttled(replied_at, wait);
                    0
                }
            };
            sent.push((at, bytes));
        }
        // Any window that begins with a read and ends just before another.
        for begin in 0..sent.len() {
            let mut bytes = 0;
            for end in begin + 1..sent.len() {
                bytes += sent[end - 1].1;
                let window = (sent[end].0 - sent[begin].0).as_secs_f64();
                prop_assert!((end - begin) as f64 <= window * READS_PER_SECOND * share + 1e-6);
                prop_assert!(bytes as f64 <= window * BYTES_PER_SECOND * share + 1.0);
            }
        }
    }
}
