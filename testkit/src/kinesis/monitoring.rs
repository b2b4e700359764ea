//! Pure: EnableEnhancedMonitoring and DisableEnhancedMonitoring. The choice is kept; no metric is sent.

use std::collections::BTreeSet;

use super::call::Call;
use super::error::ServiceError;
use super::request::MetricsName;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request, response};

impl Kinesis {
    pub(super) fn enable_metrics(
        &mut self,
        request: request::EnableEnhancedMonitoring,
        call: Call<'_>,
    ) -> Result<response::EnhancedMonitoring, ServiceError> {
        let named = named(request.shard_level_metrics)?;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.set_metrics(|current| current | &named)
    }

    pub(super) fn disable_metrics(
        &mut self,
        request: request::DisableEnhancedMonitoring,
        call: Call<'_>,
    ) -> Result<response::EnhancedMonitoring, ServiceError> {
        let named = named(request.shard_level_metrics)?;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.set_metrics(|current| current - &named)
    }
}

impl Stream {
    fn set_metrics(
        &mut self,
        change: impl FnOnce(&BTreeSet<MetricsName>) -> BTreeSet<MetricsName>,
    ) -> Result<response::EnhancedMonitoring, ServiceError> {
        self.check_listable()?;
        let desired = change(&self.config.metrics);
        let current = std::mem::replace(&mut self.config.metrics, desired);
        Ok(response::EnhancedMonitoring {
            stream_name: self.identity.name.clone(),
            stream_arn: self.identity.arn.clone(),
            current_shard_level_metrics: current,
            desired_shard_level_metrics: self.config.metrics.clone(),
        })
    }
}

/// The metrics that a request names, one by one or all at once.
fn named(metrics: Vec<MetricsName>) -> Result<BTreeSet<MetricsName>, ServiceError> {
    Constraints::default()
        .count("shardLevelMetrics", metrics.len(), limits::METRICS_PER_CALL)
        .check()?;
    if metrics.contains(&MetricsName::All) {
        return Ok(MetricsName::EACH.into());
    }
    Ok(metrics.into_iter().collect())
}
