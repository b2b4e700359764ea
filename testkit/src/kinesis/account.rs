//! Pure: one AWS account, its streams and what it may have of them.

use std::collections::BTreeMap;

use super::call::{Call, CallCounter};
use super::error::ServiceError;
use super::request::StreamMode;
use super::response::{self, StreamStatus};
use super::stream::Stream;
use super::timestamp::Timestamp;
use super::{Kinesis, limits};

/// An AWS account.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) streams: BTreeMap<String, Stream>,
    /// By the name of a deleted stream, the largest second under which its sequence numbers sorted.
    retired: BTreeMap<String, u64>,
    pub(super) calls: CallCounter,
}

impl Account {
    /// Lets pending changes happen, and forgets what is gone.
    pub(super) fn settle(&mut self, now: Timestamp) {
        for stream in self.streams.values_mut() {
            stream.settle(now);
        }
        for (name, stream) in self.streams.extract_if(.., |_, stream| stream.is_gone(now)) {
            self.retired.insert(name, stream.era());
        }
    }

    /// The second under which the numbers of a new stream sort: above those of its namesakes before it.
    pub(super) fn era_of_new(&self, name: &str, now: Timestamp) -> u64 {
        self.retired.get(name).map_or(0, |last| last + 1).max(now.as_secs())
    }

    fn creating(&self) -> usize {
        let streams = self.streams.values();
        streams
            .filter(|stream| stream.status() == StreamStatus::Creating)
            .count()
    }

    /// Open shards that count against the quota, those to come included. The service decides how many an on-demand
    /// stream has, so they do not count.
    fn open_shards(&self) -> usize {
        let streams = self.streams.values();
        streams
            .filter(|stream| stream.promised_mode() == StreamMode::Provisioned)
            .map(Stream::promised_shard_count)
            .sum()
    }

    fn on_demand_streams(&self) -> usize {
        let streams = self.streams.values();
        streams
            .filter(|stream| stream.promised_mode() == StreamMode::OnDemand)
            .count()
    }
}

impl Kinesis {
    pub(super) fn describe_limits(&mut self, call: Call<'_>) -> Result<response::DescribeLimits, ServiceError> {
        self.check_account_rate(call)?;
        let account = self.account_mut(call.account);
        let (open_shard_count, on_demand_stream_count) = (account.open_shards(), account.on_demand_streams());
        Ok(response::DescribeLimits {
            shard_limit: self.settings.shard_quota,
            open_shard_count,
            on_demand_stream_count,
            on_demand_stream_count_limit: self.settings.on_demand_stream_quota,
        })
    }

    /// Refuses one more stream in creation than the account may have.
    pub(super) fn check_creations(&mut self, account: &str) -> Result<(), ServiceError> {
        let creating = self.account_mut(account).creating();
        if self.settings.limits.admit(|| creating < limits::STREAMS_IN_CREATION) {
            return Ok(());
        }
        Err(ServiceError::limit_exceeded(format!(
            "You have exceeded the limit of {} streams in the CREATING state for the account {account}.",
            limits::STREAMS_IN_CREATION,
        )))
    }

    /// Refuses one more on-demand stream than the account may have.
    pub(super) fn check_on_demand_quota(&mut self, account: &str) -> Result<(), ServiceError> {
        let count = self.account_mut(account).on_demand_streams();
        let quota = self.settings.on_demand_stream_quota;
        if self.settings.limits.admit(|| (count as u64) < u64::from(quota)) {
            return Ok(());
        }
        Err(ServiceError::limit_exceeded(format!(
            "This request would exceed the limit of {quota} on-demand streams for the account {account} in {}.",
            self.settings.region
        )))
    }

    /// Refuses more open shards than the account may have.
    pub(super) fn check_shard_quota(&mut self, account: &str, more: u32) -> Result<(), ServiceError> {
        let count = self.account_mut(account).open_shards();
        let settings = &self.settings;
        let quota = settings.shard_quota;
        if settings
            .limits
            .admit(|| count as u64 + u64::from(more) <= u64::from(quota))
        {
            return Ok(());
        }
        Err(ServiceError::limit_exceeded(format!(
            "This request would exceed the shard limit for the account {account} in {}. Current shard count for the \
             account: {count}. Limit: {quota}. Number of additional shards that would have resulted from this request: \
             {more}. Refer to the AWS Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to \
             request higher limits.",
            settings.region
        )))
    }
}
