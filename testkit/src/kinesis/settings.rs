//! Pure: how the service behaves, and whose account it is.

use std::time::Duration;

use super::call::{CallRates, Scope};
use super::error::ServiceError;
use super::limits;
use super::refusal::no_stream;
use super::wire::VIOLATION;

/// How the service behaves, and whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether rates and quotas are enforced. Default: [`Limits::Enforced`].
    pub limits: Limits,
    /// The AWS account that calls, unless a call says otherwise. Default: `000000000000`.
    pub account_id: String,
    /// Accounts that let all others use their streams, by ARN, as a resource policy does. Default: none.
    pub sharing_accounts: Vec<String>,
    /// The AWS region. Default: `us-east-1`.
    pub region: String,
    /// The AWS partition, the second part of an ARN. Default: `aws`.
    pub partition: String,
    /// Open shards that an account may have in its provisioned streams. Default: 20,000.
    pub shard_quota: u32,
    /// On-demand streams that an account may have. Default: 50.
    pub on_demand_stream_quota: u32,
    /// How on-demand streams are paid for. Default: [`OnDemand::Standard`].
    pub on_demand: OnDemand,
    /// How often the operations of the control plane may be called. Default: as in the real service.
    pub call_rates: CallRates,
    /// How long a new stream is CREATING. Default: 500 ms; the real service takes some seconds.
    pub creation_time: Duration,
    /// How long a stream is UPDATING for one split or merge; scaling takes one such time for each round of splits or
    /// merges. Default: 500 ms; the real service takes about 30 s.
    pub resharding_time: Duration,
    /// How long a stream is UPDATING for a change that leaves its shards alone: of its mode, its record size, its
    /// encryption. Default: 500 ms; the real service takes some seconds.
    pub update_time: Duration,
    /// How long a deleted stream is DELETING. Default: 500 ms; the real service takes some seconds.
    pub deletion_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            account_id: "000000000000".to_owned(),
            sharing_accounts: Vec::new(),
            region: "us-east-1".to_owned(),
            partition: "aws".to_owned(),
            shard_quota: limits::DEFAULT_SHARD_QUOTA,
            on_demand_stream_quota: limits::DEFAULT_ON_DEMAND_STREAM_QUOTA,
            on_demand: OnDemand::default(),
            call_rates: CallRates::default(),
            creation_time: Duration::from_millis(500),
            resharding_time: Duration::from_millis(500),
            update_time: Duration::from_millis(500),
            deletion_time: Duration::from_millis(500),
        }
    }
}

impl Settings {
    /// The ARN of an account's stream.
    pub(super) fn stream_arn(&self, account: &str, name: &str) -> String {
        let Self { partition, region, .. } = self;
        format!("arn:{partition}:kinesis:{region}:{account}:stream/{name}")
    }

    /// The account and the name in a stream's ARN. Streams of other regions are not found.
    pub(super) fn stream_of_arn<'a>(&self, arn: &'a str) -> Result<(&'a str, &'a str), ServiceError> {
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let (account, name) = match parts.as_slice() {
            ["arn", partition, "kinesis", _, account, resource] if partition.starts_with("aws") => (
                *account,
                resource.strip_prefix("stream/").filter(|name| !name.is_empty()),
            ),
            _ => ("", None),
        };
        let Some(name) = name else {
            return Err(ServiceError::validation(format!(
                "{VIOLATION}Value '{arn}' at 'streamARN' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern: arn:aws.*:kinesis:.*:\\d{{12}}:stream/\\S+"
            )));
        };
        if self.stream_arn(account, name) == arn {
            Ok((account, name))
        } else {
            Err(no_stream(name, account))
        }
    }

    /// The account and the name of a stream that a test tells by its name, if it is the account's own, or by its ARN.
    pub(super) fn locate<'a>(&'a self, stream: &'a str) -> (&'a str, &'a str) {
        self.stream_of_arn(stream).unwrap_or((&self.account_id, stream))
    }

    /// The calls a second of an operation, if they are limited in this scope.
    pub(super) fn call_rate(&self, operation: &str, scope: Scope) -> Option<u64> {
        match self.limits {
            Limits::Enforced => self.call_rates.of(operation, scope),
            Limits::Off => None,
        }
    }
}

/// How the on-demand streams of the accounts are paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDemand {
    /// By use. Streams cannot be warmed.
    #[default]
    Standard,
    /// With a commitment to a minimum, `MinimumThroughputBillingCommitment`: streams can be warmed.
    Advantage,
}

/// Whether rates and quotas are enforced.
///
/// Sizes, lifetimes and the rules of resharding always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Limits {
    /// As in the real service: calls beyond a rate are throttled, calls beyond a quota refused.
    #[default]
    Enforced,
    /// Nothing is ever throttled or refused for a quota.
    Off,
}

impl Limits {
    /// Evaluates `admits` only if limits are enforced.
    pub(super) fn admit(self, admits: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Enforced => admits(),
            Self::Off => true,
        }
    }
}
