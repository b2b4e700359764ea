//! The options of the sink.

use clap::Parser;

/// More shards than a stream has anywhere.
pub(crate) const MAX_SHARDS: u32 = 10_000;

/// A PutRecords sink on a loopback port: it answers at once and keeps nothing.
#[derive(Debug, Clone, Parser)]
#[command(name = "put_records_sink")]
pub(crate) struct Args {
    /// The port on 127.0.0.1; 0 stands for a random one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,

    /// Speaks TLS, with a certificate of its own that is made at the start
    #[arg(long)]
    pub(crate) tls: bool,

    /// The shards of each stream, until one is created with another number
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SHARDS)))]
    pub(crate) shards: u32,

    /// How long each PutRecords takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    pub(crate) delay: u64,

    /// Of how many entries one is throttled; 0 for none
    #[arg(long, default_value_t = 0)]
    pub(crate) fail_every: u64,

    /// After how many seconds it ends
    #[arg(long, default_value_t = 600)]
    pub(crate) seconds: u64,

    /// The threads that serve
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
}
