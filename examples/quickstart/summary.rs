//! The last line of a run.

use std::process::ExitCode;
use std::time::Duration;

use crate::error::Error;
use crate::ledger::{Ledger, Totals};
use crate::service::Service;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Records that the producer accepted.
    put: u64,
    totals: Totals,
    /// Kinesis records that the service stored; in AWS, those that this run has receipts for.
    kinesis_records: u64,
    /// Shards that the stream has, those included that were split.
    shards: usize,
}

impl Summary {
    pub(crate) async fn new(put: u64, ledger: &Ledger, service: &Service) -> Result<Self, Error> {
        let totals = ledger.totals();
        Ok(Self {
            put,
            totals,
            kinesis_records: service.stored_count().unwrap_or(totals.kinesis_records),
            shards: service.stream.shards().await?.len(),
        })
    }

    /// Prints the result line of a run that took so long.
    #[expect(clippy::print_stdout, reason = "the result of the program")]
    pub(crate) fn print(&self, elapsed: Duration) {
        let Self {
            put,
            totals,
            kinesis_records,
            shards,
        } = self;
        let Totals {
            delivered,
            read,
            distinct,
            ..
        } = totals;
        let (lost, duplicates, seconds) = (totals.lost(), totals.duplicates(), elapsed.as_secs_f64());
        println!(
            "quickstart: put={put} delivered={delivered} kinesis_records={kinesis_records} read={read} \
             distinct={distinct} lost={lost} duplicates={duplicates} shards={shards} seconds={seconds:.1}"
        );
    }

    /// Success, unless a record is missing.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.totals.delivered == self.put && self.totals.lost() == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
