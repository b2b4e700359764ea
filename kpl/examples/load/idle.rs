//! What a producer costs that has nothing to do.

use std::error::Error;
use std::fs;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use kpl::Record;

use crate::args::Args;
use crate::cpu;
use crate::measure::WARM_UP;
use crate::putter::{key, producer};

pub(crate) async fn run(client: Client, args: &Args) -> Result<String, Box<dyn Error>> {
    let producer = producer(client, args)?;
    let record = Record::new(key(0), vec![b'x'; args.size as usize]);
    producer.put(record).await?.await?;
    // The connection and what the start left to do come to rest.
    tokio::time::sleep(WARM_UP).await;
    let (wake_ups, cpu) = (context_switches(), cpu::of_process());
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    // The end of the sleep is the only one that this program itself asks for.
    let wake_ups = context_switches().saturating_sub(wake_ups).saturating_sub(1);
    let cpu = cpu::of_process().saturating_sub(cpu);
    drop(producer);
    Ok(format!(
        "idle: seconds={} wake_ups={wake_ups} wake_ups_per_s={:.2} cpu_ms={} resident_mib={:.1}",
        args.seconds,
        wake_ups as f64 / args.seconds as f64,
        cpu.as_millis(),
        resident_kib() as f64 / 1024.0,
    ))
}

/// How often the threads of this process went to sleep or were put aside; zero where the system does not tell.
fn context_switches() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let switches = threads.map(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        number_of(&status, "voluntary_ctxt_switches:") + number_of(&status, "nonvoluntary_ctxt_switches:")
    });
    switches.sum()
}

fn resident_kib() -> u64 {
    number_of(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmRSS:")
}

/// The number behind `name` at the beginning of a line.
fn number_of(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
