//! Pure: when a shard may be read again.
//!
//! ```text
//!  reply ──┬── 200 ms ──────────► five reads a second
//!          ├── bytes / 2 MiB ───► two MiB a second: a big reply is paid off before the next read
//!          ├── idle time ───────► only if the reader has caught up
//!          └── wait ────────────► only after a failure
//!                                 the latest of these is the next read
//! ```
//!
//! Everything counts from the reply, so that no delay on the way can bring two reads closer together.

use std::time::{Duration, Instant};

/// How many times a second one shard may be read, by all its polling readers together.
///
/// Source: Kinesis Data Streams API reference, GetRecords.
const READS_PER_SECOND: u32 = 5;

/// How many bytes a second one shard yields, to all its polling readers together.
///
/// Source: Kinesis Data Streams API reference, GetRecords.
const BYTES_PER_SECOND: u32 = 2 * 1024 * 1024;

/// How a shard is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacerConfig {
    /// How long a reader that has caught up leaves the shard alone.
    pub(crate) idle: Duration,
}

impl Default for PacerConfig {
    /// A second: with several applications on one stream, five reads a second are soon gone.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(1),
        }
    }
}

/// Whether a reply left records behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lag {
    CaughtUp,
    Behind,
}

impl Lag {
    /// The lag by a reply's `MillisBehindLatest`. Without it the reader counts as caught up, which is the slower pace.
    pub(crate) fn of(millis_behind_latest: Option<u64>) -> Self {
        if millis_behind_latest.is_some_and(|millis| millis > 0) {
            Self::Behind
        } else {
            Self::CaughtUp
        }
    }
}

/// The pace of one shard's reader.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    config: PacerConfig,
    next_read_at: Instant,
    /// When all bytes that were read are paid off.
    paid_off_at: Instant,
}

impl Pacer {
    /// A reader that may begin at once.
    pub(crate) fn new(config: PacerConfig, now: Instant) -> Self {
        Self {
            config,
            next_read_at: now,
            paid_off_at: now,
        }
    }

    /// When the next read may be sent.
    pub(crate) fn next_read_at(&self) -> Instant {
        self.next_read_at
    }

    /// Notes a reply with records of `bytes`.
    pub(crate) fn on_reply(&mut self, now: Instant, bytes: usize, lag: Lag) {
        self.paid_off_at = self.paid_off_at.max(now) + time_to_pay(bytes);
        let wait = match lag {
            Lag::CaughtUp => self.config.idle,
            Lag::Behind => Duration::ZERO,
        };
        self.schedule(now, wait);
    }

    /// Notes a read that failed, after which the caller wants to wait; the service counts it all the same.
    pub(crate) fn on_failure(&mut self, now: Instant, wait: Duration) {
        self.schedule(now, wait);
    }

    fn schedule(&mut self, now: Instant, wait: Duration) {
        let at_the_service_pace = now + Duration::from_secs(1) / READS_PER_SECOND;
        self.next_read_at = at_the_service_pace.max(self.paid_off_at).max(now + wait);
    }
}

fn time_to_pay(bytes: usize) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(BYTES_PER_SECOND);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "no other way to an Instant; only differences count"
        )]
        Instant::now()
    }

    /// The wait after one reply at the start.
    fn wait_after(bytes: usize, lag: Lag) -> Duration {
        let start = start();
        let mut pacer = Pacer::new(PacerConfig::default(), start);
        pacer.on_reply(start, bytes, lag);
        pacer.next_read_at() - start
    }

    #[test]
    fn the_first_read_is_sent_at_once() {
        let start = start();
        assert_eq!(Pacer::new(PacerConfig::default(), start).next_read_at(), start);
    }

    #[test]
    fn a_reader_that_is_behind_reads_five_times_a_second() {
        assert_eq!(wait_after(0, Lag::Behind), Duration::from_millis(200));
    }

    #[test]
    fn a_reader_that_has_caught_up_idles() {
        assert_eq!(wait_after(0, Lag::CaughtUp), Duration::from_secs(1));
    }

    #[test]
    fn a_big_reply_is_paid_off_first_whether_or_not_the_reader_is_behind() {
        assert_eq!(wait_after(10 * MIB, Lag::Behind), Duration::from_secs(5));
        assert_eq!(wait_after(10 * MIB, Lag::CaughtUp), Duration::from_secs(5));
        assert_eq!(wait_after(MIB, Lag::CaughtUp), Duration::from_secs(1));
    }

    #[test]
    fn an_idle_time_below_the_services_pace_does_not_exceed_it() {
        let start = start();
        let mut pacer = Pacer::new(PacerConfig { idle: Duration::ZERO }, start);
        pacer.on_reply(start, 0, Lag::CaughtUp);
        assert_eq!(pacer.next_read_at() - start, Duration::from_millis(200));
    }

    #[test]
    fn after_a_failure_the_callers_wait_counts_and_the_services_pace_holds() {
        let start = start();
        let mut pacer = Pacer::new(PacerConfig::default(), start);
        pacer.on_failure(start, Duration::from_secs(3));
        assert_eq!(pacer.next_read_at() - start, Duration::from_secs(3));
        pacer.on_failure(start, Duration::ZERO);
        assert_eq!(pacer.next_read_at() - start, Duration::from_millis(200));
    }

    #[test]
    fn a_failure_does_not_write_off_what_a_big_reply_costs() {
        let start = start();
        let mut pacer = Pacer::new(PacerConfig::default(), start);
        pacer.on_reply(start, 10 * MIB, Lag::Behind);
        pacer.on_failure(start + Duration::from_secs(1), Duration::ZERO);
        assert_eq!(pacer.next_read_at() - start, Duration::from_secs(5));
    }

    #[test]
    fn replies_that_come_together_are_paid_off_one_after_the_other() {
        let start = start();
        let mut pacer = Pacer::new(PacerConfig::default(), start);
        pacer.on_reply(start, 2 * MIB, Lag::Behind);
        pacer.on_reply(start, 2 * MIB, Lag::Behind);
        assert_eq!(pacer.next_read_at() - start, Duration::from_secs(2));
    }

    #[test]
    fn the_lag_is_told_by_the_milliseconds_behind() {
        assert_eq!(
            [None, Some(0), Some(1)].map(Lag::of),
            [Lag::CaughtUp, Lag::CaughtUp, Lag::Behind]
        );
    }

    #[derive(Debug, Clone)]
    struct Read {
        latency: Duration,
        outcome: Result<(usize, Lag), Duration>,
        /// How much later than allowed the next read is sent.
        delay: Duration,
    }

    fn any_read() -> impl Strategy<Value = Read> {
        let millis = |below: u64| (0..below).prop_map(Duration::from_millis);
        let lag = prop_oneof![Just(Lag::CaughtUp), Just(Lag::Behind)];
        let outcome = prop_oneof![
            4 => (0..10 * MIB, lag).prop_map(Ok),
            1 => millis(3_000).prop_map(Err),
        ];
        (millis(300), outcome, prop_oneof![Just(Duration::ZERO), millis(5_000)]).prop_map(
            |(latency, outcome, delay)| Read {
                latency,
                outcome,
                delay,
            },
        )
    }

    proptest! {
        #[test]
        fn no_window_exceeds_what_the_service_allows(reads in proptest::collection::vec(any_read(), 1..60)) {
            let start = start();
            let mut pacer = Pacer::new(PacerConfig { idle: Duration::ZERO }, start);
            let mut sent = Vec::new();
            for read in reads {
                let at = pacer.next_read_at() + read.delay;
                let replied_at = at + read.latency;
                match read.outcome {
                    Ok((bytes, lag)) => pacer.on_reply(replied_at, bytes, lag),
                    Err(wait) => pacer.on_failure(replied_at, wait),
                }
                sent.push((at, read.outcome.map_or(0, |(bytes, _)| bytes)));
            }
            // Any window that begins with a read and ends just before another.
            for begin in 0..sent.len() {
                let mut bytes = 0;
                for end in begin + 1..sent.len() {
                    bytes += sent[end - 1].1;
                    let window = (sent[end].0 - sent[begin].0).as_secs_f64();
                    prop_assert!((end - begin) as f64 <= window * f64::from(READS_PER_SECOND) + 1e-6);
                    prop_assert!(bytes as f64 <= window * f64::from(BYTES_PER_SECOND) + 1.0);
                }
            }
        }
    }
}
