//! Pure: when a shard may be read again.
//!
//! ```text
//!  reply ──┬── 200 ms ──────────► five reads a second
//!          ├── bytes / 2 MiB ───► two MiB a second: a large reply is paid off before the next read
//!          ├── pace ────────────► behind: none; records flow: 250 ms; idle: up to a second
//!          └── wait ────────────► only after a failure
//!                                 the latest of these is the next read
//! ```
//!
//! The first two are the service's limits for all polling readers of a shard. This reader takes the configured share of them.
//! Each throttled read lowers its share of the reads, and each reply raises it. Bytes that were read are paid off by the
//! configured share whatever came before: at a share that was lowered while another reader got a large reply, a large reply
//! of one's own would hold up the reads behind it for minutes.
//!
//! Everything counts from the reply, so that no delay on the way can bring two reads closer together.

use std::time::{Duration, Instant};

/// How many times a second one shard may be read, by all its polling readers together.
///
/// Source: Amazon Kinesis Data Streams API reference, `GetRecords`.
const READS_PER_SECOND: f64 = 5.0;

/// How many bytes a second one shard yields, to all its polling readers together.
///
/// Source: Amazon Kinesis Data Streams API reference, `GetRecords`.
pub(crate) const BYTES_PER_SECOND: f64 = 2.0 * 1024.0 * 1024.0;

/// The wait between reads of a shard to which records are written now. Our choice: it leaves a fifth of the reads to others.
const FLOWING: Duration = Duration::from_millis(250);

/// How many reads without records in a row make a shard idle, and a lag stale. Our choice: two seconds, and one.
const IDLE_AFTER: u32 = 8;
const STALE_AFTER: u32 = 4;

/// By how much the wait of an idle shard grows with each read. Our choice.
const GROWTH: f64 = 1.5;

/// What a throttled read leaves of the share, what a reply adds to it, and the least that is left of it. Our choice: it
/// halves with three throttled reads, and is whole again after ten to twenty seconds.
const THROTTLED: f64 = 0.8;
const RECOVERED: f64 = 0.01;
const LEAST_SHARE: f64 = 0.1;

/// How a shard is polled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PacerConfig {
    /// The longest wait between reads of a shard that yields no records.
    pub(crate) idle: Duration,
    /// The part of the service's limits that this reader may use, above 0 and up to 1.
    pub(crate) read_share: f64,
}

impl Default for PacerConfig {
    /// A second, and all of the limits.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(1),
            read_share: 1.0,
        }
    }
}

/// What a reply brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brought {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    /// How far the reader is behind the newest record. Without it the reader counts as caught up, which is the slower pace.
    pub(crate) lag: Option<Duration>,
}

/// The pace of one shard's reader.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    config: PacerConfig,
    /// What throttling has left of the configured share, up to 1.
    left: f64,
    next_read_at: Instant,
    /// When all bytes that were read are paid off.
    paid_off_at: Instant,
    /// Reads in a row that brought no records and no progress.
    fruitless: u32,
    /// The smallest lag since records came.
    lag: Option<Duration>,
}

impl Pacer {
    /// A reader that may begin at once.
    pub(crate) fn new(config: PacerConfig, now: Instant) -> Self {
        Self {
            config,
            left: 1.0,
            next_read_at: now,
            paid_off_at: now,
            fruitless: 0,
            lag: None,
        }
    }

    /// The part of the shard's reads that this reader may use.
    pub(crate) fn read_share(&self) -> f64 {
        self.config.read_share
    }

    /// When the next read may be sent.
    pub(crate) fn next_read_at(&self) -> Instant {
        self.next_read_at
    }

    /// Notes a reply.
    pub(crate) fn on_reply(&mut self, now: Instant, brought: Brought) {
        self.left = (self.left + RECOVERED).min(1.0);
        let to_pay = Duration::from_secs_f64(brought.bytes as f64 / (BYTES_PER_SECOND * self.config.read_share));
        self.paid_off_at = self.paid_off_at.max(now) + to_pay;
        let wait = self.pace(brought);
        self.schedule(now, wait, self.between_reads(self.left));
    }

    /// Notes a read that was throttled, after which the caller wants to wait. It brought nothing, so that the next one comes at half of
    /// the lowered share's wait.
    pub(crate) fn on_throttled(&mut self, now: Instant, wait: Duration) {
        self.left = (self.left * THROTTLED).max(LEAST_SHARE);
        let soon = self.between_reads(self.left) / 2;
        self.schedule(now, wait, soon.max(self.between_reads(1.0)));
    }

    /// Notes a read that failed, after which the caller wants to wait; the service counts it all the same.
    pub(crate) fn on_failure(&mut self, now: Instant, wait: Duration) {
        self.schedule(now, wait, self.between_reads(self.left));
    }

    /// How long to leave the shard alone after a reply, apart from the limits.
    fn pace(&mut self, brought: Brought) -> Duration {
        let lag = brought.lag.filter(|lag| !lag.is_zero());
        let falls = lag.is_some_and(|lag| self.lag.is_none_or(|before| lag < before));
        let has_records = brought.records > 0;
        if has_records || falls {
            self.fruitless = 0;
        } else {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        self.lag = if has_records || falls { lag } else { self.lag };
        // An empty reply with a lag is on its way over a stretch without records; unless that never ends.
        if lag.is_some() && self.fruitless < STALE_AFTER {
            return Duration::ZERO;
        }
        let grown = self.fruitless.saturating_sub(IDLE_AFTER - 1).min(u32::from(u8::MAX));
        let factor = GROWTH.powi(grown.try_into().unwrap_or(i32::MAX));
        let idle = self.config.idle.as_secs_f64();
        Duration::from_secs_f64((FLOWING.as_secs_f64() * factor).min(idle))
    }

    /// The wait between reads at this part of the configured share.
    fn between_reads(&self, part: f64) -> Duration {
        Duration::from_secs_f64(1.0 / (READS_PER_SECOND * self.config.read_share * part))
    }

    fn schedule(&mut self, now: Instant, wait: Duration, between_reads: Duration) {
        self.next_read_at = (now + between_reads).max(self.paid_off_at).max(now + wait);
    }
}

#[cfg(test)]
mod tests;
