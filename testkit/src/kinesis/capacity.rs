//! Pure: UpdateStreamMode, UpdateStreamWarmThroughput and UpdateMaxRecordSize.

use super::call::Call;
use super::change::{Change, Pending};
use super::error::ServiceError;
use super::request::{RecordDistributionStrategy, StreamMode};
use super::response::{self, WarmThroughput};
use super::settings::OnDemand;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

impl Kinesis {
    /// Changes who decides the number of shards. The shards stay as they are.
    pub(super) fn update_stream_mode(
        &mut self,
        request: &request::UpdateStreamMode,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        if request.warm_throughput_mibps.is_some() {
            return Err(ServiceError::validation(
                "WarmThroughputMiBps of UpdateStreamMode is not modelled; use UpdateStreamWarmThroughput.",
            ));
        }
        let mode = request.stream_mode_details.stream_mode;
        let (enforced, due) = (self.settings.limits, call.now + self.settings.update_time);
        let stream = self.stream_mut(call, None, Some(&request.stream_arn))?;
        stream.check_active()?;
        stream.check_new_mode(mode)?;
        let switches = &mut stream.daily.mode_switches;
        if !enforced.admit(|| switches.has_room(limits::MODE_SWITCHES_PER_DAY, call.now)) {
            return Err(stream.switched_too_often());
        }
        let (name, shards) = (stream.identity.name.clone(), stream.open_shard_count());
        match mode {
            StreamMode::OnDemand => self.check_on_demand_quota(call.account)?,
            StreamMode::Provisioned => {
                self.check_shard_quota(call.account, u32::try_from(shards).unwrap_or(u32::MAX))?;
            }
        }
        let change = Change::Mode(mode);
        if let Some(stream) = self.begin(call.account, &name, Pending { due, change }) {
            stream.daily.mode_switches.record(call.now);
        }
        Ok(())
    }

    /// Scales an on-demand stream to as many shards as MiB a second are asked for.
    pub(super) fn update_warm_throughput(
        &mut self,
        request: &request::UpdateStreamWarmThroughput,
        call: Call<'_>,
    ) -> Result<response::UpdateStreamWarmThroughput, ServiceError> {
        let asked = request.warm_throughput_mibps;
        Constraints::default()
            .range("warmThroughputMiBps", Some(asked), 0, i32::MAX)
            .check()?;
        let (on_demand, round) = (self.settings.on_demand, self.settings.resharding_time);
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        let warm = warm_throughput(asked, stream.config.mode, on_demand)?;
        stream.config.warm_mibps = Some(warm);
        let target = warm.max(limits::ON_DEMAND_SHARDS);
        stream.pending = Some(Pending {
            due: call.now + round,
            change: Change::Scale { target, round },
        });
        Ok(response::UpdateStreamWarmThroughput {
            stream_name: stream.identity.name.clone(),
            stream_arn: stream.identity.arn.clone(),
            warm_throughput: stream.warm_throughput(),
        })
    }

    pub(super) fn update_max_record_size(
        &mut self,
        request: &request::UpdateMaxRecordSize,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        let asked = request.max_record_size_in_kib;
        Constraints::default().record_kib(Some(asked)).check()?;
        let due = call.now + self.settings.update_time;
        let stream = self.stream_mut(call, None, request.stream_arn.as_deref())?;
        stream.check_active()?;
        let change = Change::RecordKib(u32::try_from(asked).unwrap_or(limits::DEFAULT_RECORD_KIB));
        stream.pending = Some(Pending { due, change });
        Ok(())
    }
}

impl Stream {
    /// What the stream is ready for, a MiB a second for each shard, and what it was asked to be ready for.
    pub(super) fn warm_throughput(&self) -> Option<WarmThroughput> {
        let target_mibps = self.config.warm_mibps?;
        Some(WarmThroughput {
            target_mibps,
            current_mibps: self.open_shard_count(),
        })
    }

    fn check_new_mode(&self, mode: StreamMode) -> Result<(), ServiceError> {
        let problem = match (self.config.mode, mode, self.config.distribution) {
            (old, new, _) if old == new => format!("is already in {} mode", mode.name()),
            (_, StreamMode::Provisioned, RecordDistributionStrategy::Auto) => {
                "uses the AUTO record distribution strategy, which streams in PROVISIONED mode do not have".to_owned()
            }
            (_, StreamMode::Provisioned | StreamMode::OnDemand, _) => return Ok(()),
        };
        let Self { identity, .. } = self;
        Err(ServiceError::invalid_argument(format!(
            "Stream {} under account {} {problem}.",
            identity.name, identity.account_id
        )))
    }

    fn switched_too_often(&self) -> ServiceError {
        ServiceError::limit_exceeded(format!(
            "The mode was switched {} times in the last 24 hours for {}.",
            limits::MODE_SWITCHES_PER_DAY,
            self.identity.label()
        ))
    }
}

/// The MiB a second that a stream is to be ready for, if such a stream can be.
pub(super) fn warm_throughput(asked: i32, mode: StreamMode, on_demand: OnDemand) -> Result<u32, ServiceError> {
    match (mode, on_demand) {
        (StreamMode::Provisioned, _) => Err(ServiceError::validation(
            "Warm throughput is only supported for streams in ON_DEMAND mode.",
        )),
        (StreamMode::OnDemand, OnDemand::Standard) => Err(ServiceError::validation(
            "Warm throughput is only supported for accounts with MinimumThroughputBillingCommitment enabled.",
        )),
        (StreamMode::OnDemand, OnDemand::Advantage) if asked > limits::MAX_WARM_MIBPS => {
            Err(ServiceError::limit_exceeded(format!(
                "WarmThroughputMiBps cannot be more than {}. Requested: {asked}.",
                limits::MAX_WARM_MIBPS
            )))
        }
        (StreamMode::OnDemand, OnDemand::Advantage) => Ok(u32::try_from(asked).unwrap_or(0)),
    }
}
