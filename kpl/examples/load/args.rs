//! The options of the load program.

use std::env;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Puts records of one size into an endpoint for some seconds, and tells what that cost.
#[derive(Debug, Clone, Parser)]
#[command(name = "load")]
pub(crate) struct Args {
    /// Where Kinesis is, for instance https://localhost:4567; if not given, AWS_ENDPOINT_URL_KINESIS says it
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// A file with the certificate to trust, instead of the system's; if not given, AWS_CA_BUNDLE may name one
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,

    /// The bytes of each record's data
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) size: u32,

    /// For how long it puts, after one second of warm-up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,

    /// The shards of the stream that it makes
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(crate) shards: i32,

    /// The threads of the runtime, and the tasks that put
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,

    /// What is measured
    #[arg(long, value_enum, default_value_t = Measure::Put, conflicts_with = "rate")]
    pub(crate) measure: Measure,

    /// Puts only so many records a second, and tells how long each took to be acknowledged
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: Option<u32>,

    /// The producer's record_max_buffered_time in milliseconds
    #[arg(long, default_value_t = 100)]
    pub(crate) buffered: u64,
}

impl Args {
    /// Where Kinesis is, if anybody says so.
    pub(crate) fn endpoint(&self) -> Option<String> {
        let given = self.endpoint.clone();
        given.or_else(|| env::var("AWS_ENDPOINT_URL_KINESIS").ok())
    }

    /// The file with the certificate to trust.
    pub(crate) fn ca(&self) -> Option<PathBuf> {
        let given = self.ca.clone();
        given.or_else(|| env::var_os("AWS_CA_BUNDLE").map(PathBuf::from))
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// A producer that is given as much as it takes.
    Put,
    /// The same bytes as records of 50 KiB through the SDK alone.
    Bare,
    /// A producer that has nothing to do.
    Idle,
}
