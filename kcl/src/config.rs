//! Pure: the options of a worker and the rules between them.

use std::time::Duration;

use crate::coordination::rule::Coordination;
use crate::error::BuildErrorKind;
use crate::lease::table_options::TableOptions;
use crate::limits::{APPLICATION_STALL, MAX_RECORDS_PER_READ};
use crate::metrics::Selection;
use crate::processor::error_policy::ErrorPolicy;
use crate::processor::simple::HandlerForm;
use crate::retrieval::loss::OnPossibleLoss;
use crate::shard_sync::former::OnRecreated;
use crate::stream::StartingPosition;

/// The validated, immutable options of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) start_at: StartingPosition,
    /// Whether the application has set it.
    pub(crate) start_is_set: bool,
    pub(crate) failover_time: Duration,
    pub(crate) lease_assignment_interval: Option<Duration>,
    pub(crate) max_leases: usize,
    pub(crate) idle_time_between_reads: Duration,
    pub(crate) max_records: u32,
    pub(crate) parent_shard_poll_interval: Duration,
    pub(crate) kinesis_request_timeout: Duration,
    pub(crate) initialization_timeout: Duration,
    pub(crate) wait_for_stream: Duration,
    pub(crate) read_share: f64,
    pub(crate) read_budget: u64,
    pub(crate) max_batch_records: usize,
    pub(crate) form: HandlerForm,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) on_possible_loss: OnPossibleLoss,
    pub(crate) on_recreated: OnRecreated,
    pub(crate) coordination: Coordination,
    pub(crate) error_policy: ErrorPolicy,
    pub(crate) handler_grace: Duration,
    pub(crate) handler_timeout: Option<Duration>,
    pub(crate) metrics: Selection,
    /// How long the application's runtime may stand still. Tests shorten it; it is no option. An option could not exceed
    /// [`APPLICATION_STALL`] unless credentials were refreshed that much earlier (`lease/dynamodb/refresh.rs`).
    pub(crate) application_stall: Duration,
    pub(crate) table: TableOptions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            start_at: StartingPosition::TrimHorizon,
            start_is_set: false,
            failover_time: Duration::from_secs(10),
            lease_assignment_interval: None,
            max_leases: usize::MAX,
            idle_time_between_reads: Duration::from_secs(1),
            max_records: MAX_RECORDS_PER_READ,
            parent_shard_poll_interval: Duration::from_secs(2),
            kinesis_request_timeout: Duration::from_secs(30),
            initialization_timeout: Duration::from_secs(60),
            wait_for_stream: Duration::ZERO,
            read_share: 1.0,
            read_budget: 64 * 1024 * 1024,
            max_batch_records: MAX_RECORDS_PER_READ as usize,
            form: HandlerForm::Processor,
            checkpoint_interval: Duration::from_secs(5),
            on_possible_loss: OnPossibleLoss::default(),
            on_recreated: OnRecreated::default(),
            coordination: Coordination::Kcl2,
            error_policy: ErrorPolicy::default(),
            handler_grace: Duration::from_secs(5),
            handler_timeout: None,
            metrics: Selection::default(),
            application_stall: APPLICATION_STALL,
            table: TableOptions::default(),
        }
    }
}

impl Config {
    /// Every option that is out of its range.
    pub(crate) fn out_of_range(&self) -> Vec<BuildErrorKind> {
        let mut broken = self.times_out_of_range();
        broken.extend(self.table.out_of_range());
        if !(LEAST_READ_SHARE..=1.0).contains(&self.read_share) {
            broken.push(BuildErrorKind::ShareOutOfRange {
                option: "read_share",
                value: self.read_share.to_string(),
            });
        }
        for (option, value, max) in [
            ("max_records", self.max_records as usize, MAX_RECORDS_PER_READ as usize),
            ("max_leases", self.max_leases, usize::MAX),
            ("max_batch_records", self.max_batch_records, usize::MAX),
            (
                "ErrorPolicy::attempts",
                self.error_policy.allowed() as usize,
                usize::MAX,
            ),
        ] {
            let min = 1;
            if !(min..=max).contains(&value) {
                broken.push(BuildErrorKind::OutOfRange {
                    option,
                    value,
                    min,
                    max,
                });
            }
        }
        broken
    }

    fn times_out_of_range(&self) -> Vec<BuildErrorKind> {
        let millis = Duration::from_millis;
        let handler_timeout = self.handler_timeout.unwrap_or(LONGEST);
        let times = [
            ("failover_time", self.failover_time, millis(100)),
            ("lease_assignment_interval", self.assignment_interval(), millis(10)),
            ("idle_time_between_reads", self.idle_time_between_reads, millis(200)),
            (
                "parent_shard_poll_interval",
                self.parent_shard_poll_interval,
                millis(10),
            ),
            ("kinesis_request_timeout", self.kinesis_request_timeout, millis(10)),
            ("initialization_timeout", self.initialization_timeout, millis(1)),
            ("checkpoint_interval", self.checkpoint_interval, Duration::ZERO),
            ("handler_grace", self.handler_grace, Duration::ZERO),
            ("handler_timeout", handler_timeout, millis(1)),
        ];
        let is_broken = |(_, value, min): &(_, Duration, Duration)| !(*min..=LONGEST).contains(value);
        let broken = times.into_iter().filter(is_broken);
        broken
            .map(|(option, value, min)| BuildErrorKind::DurationOutOfRange {
                option,
                value,
                min,
                max: LONGEST,
            })
            .collect()
    }

    /// How often the lease table is read for leases to take.
    pub(crate) fn assignment_interval(&self) -> Duration {
        self.lease_assignment_interval.unwrap_or(self.failover_time)
    }

    /// How often a lease is renewed: three times within the time after which others may take it.
    pub(crate) fn renewal_interval(&self) -> Duration {
        self.failover_time / 3
    }

    /// The longest that a write of a held lease may take: long enough for a slow answer, short enough that it can be
    /// tried again before the lease runs out.
    pub(crate) fn lease_write_timeout(&self) -> Duration {
        self.failover_time / 5
    }
}

/// The least part of a shard's reads that is of any use: one read in 20 seconds. Our choice.
const LEAST_READ_SHARE: f64 = 0.01;

/// No time of a worker is longer than this: a day is more than any of them means, and can always be added to a clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::table_options::BillingMode;

    /// The names of the options that are refused, which their reasons begin with.
    fn refused(config: &Config) -> Vec<String> {
        let name = |kind: BuildErrorKind| kind.to_string().split(' ').next().unwrap().to_owned();
        config.out_of_range().into_iter().map(name).collect()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(refused(&Config::default()), [""; 0]);
    }

    #[test]
    fn all_options_out_of_range_are_refused_together() {
        let config = Config {
            // Below the service's limit of reads.
            idle_time_between_reads: Duration::from_millis(199),
            // No clock can add it.
            handler_timeout: Some(Duration::MAX),
            handler_grace: LONGEST,
            read_share: 0.0,
            max_leases: 0,
            max_records: 10_001,
            table: TableOptions {
                billing: BillingMode::Provisioned { read: 0, write: 0 },
                ..TableOptions::default()
            },
            ..Config::default()
        };
        let expected = [
            "idle_time_between_reads",
            "handler_timeout",
            "BillingMode::Provisioned::read",
            "BillingMode::Provisioned::write",
            "read_share",
            "max_records",
            "max_leases",
        ];
        assert_eq!(refused(&config), expected);
    }

    #[test]
    fn a_lost_renewal_and_a_second_try_fit_into_the_failover_time() {
        let config = Config::default();
        assert!(config.renewal_interval() + config.lease_write_timeout() * 2 < config.failover_time);
    }
}
