//! A stretch of time with the processor time and the records that fall into it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cpu;

/// How long the connections and the shard map get before anything counts.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// What happened in a stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) records: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu: Duration,
}

impl Measured {
    pub(crate) fn per_second(self) -> f64 {
        self.records as f64 / self.seconds
    }

    pub(crate) fn cpu_us_per_record(self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.records.max(1) as f64
    }
}

/// Lets the warm-up pass, then `stretch`, while others count the records.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
pub(crate) async fn measure(stretch: Duration, records: &AtomicU64) -> Measured {
    tokio::time::sleep(WARM_UP).await;
    let (begun, cpu, before) = (Instant::now(), cpu::of_process(), records.load(Ordering::Relaxed));
    tokio::time::sleep(stretch).await;
    Measured {
        records: records.load(Ordering::Relaxed) - before,
        seconds: begun.elapsed().as_secs_f64(),
        cpu: cpu::of_process().saturating_sub(cpu),
    }
}
