//! How long a record takes from `put` to its receipt, at a rate that leaves the producer idle in between.

use std::error::Error;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use kpl::Record;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::args::Args;
use crate::measure::WARM_UP;
use crate::putter::{key, producer};

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
pub(crate) async fn run(client: Client, args: &Args, rate: u32) -> Result<String, Box<dyn Error>> {
    let producer = producer(client, args)?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (begun, mut waiting) = (Instant::now(), JoinSet::new());
    let end = begun + WARM_UP + Duration::from_secs(args.seconds);
    for n in 0.. {
        ticks.tick().await;
        let put = Instant::now();
        if put >= end {
            break;
        }
        let receipt = producer
            .put(Record::new(key(n), vec![b'x'; args.size as usize]))
            .await?;
        let counts = put >= begun + WARM_UP;
        waiting.spawn(async move { receipt.await.ok().filter(|_| counts).map(|_| put.elapsed()) });
    }
    let mut times: Vec<Duration> = waiting.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    let percentile = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    Ok(format!(
        "latency: rate={rate} buffered_ms={} records={} p50_ms={:.2} p99_ms={:.2} max_ms={:.2}",
        args.buffered,
        times.len(),
        percentile(50),
        percentile(99),
        percentile(100),
    ))
}
