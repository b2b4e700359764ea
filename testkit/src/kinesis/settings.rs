//! Pure: how the service behaves, and whose account it is.

use std::time::Duration;

use super::error::ServiceError;
use super::limits;
use super::refusal::no_stream;
use super::wire::VIOLATION;

/// How the service behaves, and whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether rates and quotas are enforced. Default: [`Limits::Enforced`].
    pub limits: Limits,
    /// The AWS account. Default: `000000000000`.
    pub account_id: String,
    /// The AWS region. Default: `us-east-1`.
    pub region: String,
    /// The AWS partition, the second part of an ARN. Default: `aws`.
    pub partition: String,
    /// Open shards that the account may have. Default: 20,000.
    pub shard_quota: u32,
    /// How long a new stream is CREATING. Default: 500 ms; the real service takes some seconds.
    pub creation_time: Duration,
    /// How long a stream is UPDATING for one split or merge; scaling takes one such time for each round of splits or
    /// merges. Default: 500 ms; the real service takes about 30 s.
    pub resharding_time: Duration,
    /// How long a deleted stream is DELETING. Default: 500 ms; the real service takes some seconds.
    pub deletion_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            account_id: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            partition: "aws".to_owned(),
            shard_quota: limits::DEFAULT_SHARD_QUOTA,
            creation_time: Duration::from_millis(500),
            resharding_time: Duration::from_millis(500),
            deletion_time: Duration::from_millis(500),
        }
    }
}

impl Settings {
    /// The ARN of the stream called `name`.
    pub(super) fn stream_arn(&self, name: &str) -> String {
        format!(
            "arn:{}:kinesis:{}:{}:stream/{name}",
            self.partition, self.region, self.account_id
        )
    }

    /// The name in a stream's ARN. Streams of other regions and accounts are not found.
    pub(super) fn stream_of_arn<'a>(&self, arn: &'a str) -> Result<&'a str, ServiceError> {
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
        if self.stream_arn(name) == arn {
            Ok(name)
        } else {
            Err(no_stream(name, account))
        }
    }
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
