//! Pure: UpdateStreamRecordDistributionStrategy, by which a producer or the service chooses the shard of a record.

use super::call::Call;
use super::error::ServiceError;
use super::request::{RecordDistributionStrategy, StreamMode};
use super::stream::Stream;
use super::{Kinesis, request};

impl Kinesis {
    pub(super) fn update_distribution(
        &mut self,
        request: &request::UpdateStreamRecordDistributionStrategy,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        let stream = self.stream_mut(call, None, Some(&request.stream_arn))?;
        stream.distribute(request.record_distribution_strategy)
    }
}

impl Stream {
    /// Places records by another strategy from now on.
    pub(super) fn distribute(&mut self, strategy: RecordDistributionStrategy) -> Result<(), ServiceError> {
        self.check_listable()?;
        check(strategy, self.promised_mode())?;
        self.config.distribution = strategy;
        Ok(())
    }
}

/// Refuses a strategy that streams of this mode do not have.
pub(super) fn check(strategy: RecordDistributionStrategy, mode: StreamMode) -> Result<(), ServiceError> {
    match (strategy, mode) {
        (RecordDistributionStrategy::UserPartitionKey, _) | (_, StreamMode::OnDemand) => Ok(()),
        (RecordDistributionStrategy::Auto, StreamMode::Provisioned) => Err(ServiceError::invalid_argument(
            "The AUTO record distribution strategy is only supported for streams in ON_DEMAND mode.",
        )),
    }
}
