//! Pure: CreateStream, DeleteStream and the retention period.

use super::call::Call;
use super::capacity::warm_throughput;
use super::change::{Change, Pending};
use super::configuration::Configuration;
use super::error::ServiceError;
use super::identity::Identity;
use super::request::{RecordDistributionStrategy, StreamMode};
use super::settings::OnDemand;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, distribution, limits, request, tags};

impl Kinesis {
    pub(super) fn create_stream(&mut self, request: request::CreateStream, call: Call<'_>) -> Result<(), ServiceError> {
        Constraints::default()
            .name("streamName", Some(&request.stream_name))
            .range("shardCount", request.shard_count, 1, limits::MAX_SHARD_COUNT)
            .record_kib(request.max_record_size_in_kib)
            .range("warmThroughputMiBps", request.warm_throughput_mibps, 0, i32::MAX)
            .tags(request.tags.as_ref())
            .check()?;
        self.check_account_rate(call)?;
        let (name, asked) = (request.stream_name.clone(), request.shard_count);
        let config = configuration(request, self.settings.on_demand)?;
        let shards = first_shards(&config, asked)?;
        if self.account_mut(call.account).streams.contains_key(&name) {
            let message = format!("Stream {name} under account {} already exists.", call.account);
            return Err(ServiceError::resource_in_use(message));
        }
        self.check_creations(call.account)?;
        match config.mode {
            StreamMode::Provisioned => self.check_shard_quota(call.account, shards)?,
            StreamMode::OnDemand => self.check_on_demand_quota(call.account)?,
        }
        let identity = Identity {
            arn: self.settings.stream_arn(call.account, &name),
            account_id: call.account.to_owned(),
            created: call.now,
            incarnation: self.account_mut(call.account).era_of_new(&name, call.now),
            name,
        };
        let mut stream = Stream::new(identity, config);
        stream.pending = Some(Pending {
            due: call.now + self.settings.creation_time,
            change: Change::Create { shards },
        });
        let streams = &mut self.account_mut(call.account).streams;
        streams.insert(stream.identity.name.clone(), stream);
        Ok(())
    }

    pub(super) fn delete_stream(
        &mut self,
        request: &request::DeleteStream,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        let due = call.now + self.settings.deletion_time;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        stream.pending = Some(Pending {
            due,
            change: Change::Delete,
        });
        Ok(())
    }

    pub(super) fn increase_retention(
        &mut self,
        request: &request::IncreaseStreamRetentionPeriod,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        let hours = request.retention_period_hours;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        let new = retention(hours)?;
        if new < stream.config.retention_hours {
            return Err(stream.wrong_way(hours, "shorter", "DecreaseRetentionPeriod"));
        }
        stream.config.retention_hours = new;
        Ok(())
    }

    pub(super) fn decrease_retention(
        &mut self,
        request: &request::DecreaseStreamRetentionPeriod,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        let hours = request.retention_period_hours;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        let new = retention(hours)?;
        if new > stream.config.retention_hours {
            return Err(stream.wrong_way(hours, "longer", "IncreaseRetentionPeriod"));
        }
        stream.config.retention_hours = new;
        stream.settle(call.now);
        Ok(())
    }
}

impl Stream {
    fn wrong_way(&self, hours: i32, comparison: &str, operation: &str) -> ServiceError {
        ServiceError::invalid_argument(format!(
            "Requested retention period ({hours} hours) for stream {} can not be {comparison} than existing retention \
             period ({} hours). Use {operation} API.",
            self.identity.name, self.config.retention_hours
        ))
    }
}

/// What a request says about the stream.
fn configuration(request: request::CreateStream, on_demand: OnDemand) -> Result<Configuration, ServiceError> {
    let details = request.stream_mode_details;
    let mode = details.map_or(StreamMode::Provisioned, |details| details.stream_mode);
    let distribution = request.record_distribution_strategy;
    let distribution = distribution.unwrap_or(RecordDistributionStrategy::UserPartitionKey);
    distribution::check(distribution, mode)?;
    let warm = request.warm_throughput_mibps;
    let warm_mibps = warm.map(|asked| warm_throughput(asked, mode, on_demand)).transpose()?;
    let record_kib = request.max_record_size_in_kib.and_then(|kib| u32::try_from(kib).ok());
    let tags = request.tags.unwrap_or_default();
    tags::check(&tags, &format!("stream {}", request.stream_name))?;
    Ok(Configuration {
        mode,
        tags,
        distribution,
        warm_mibps,
        record_kib: record_kib.unwrap_or(limits::DEFAULT_RECORD_KIB),
        ..Configuration::default()
    })
}

/// The shards with which a stream starts.
fn first_shards(config: &Configuration, asked: Option<i32>) -> Result<u32, ServiceError> {
    match (config.mode, asked.and_then(|count| u32::try_from(count).ok())) {
        (StreamMode::OnDemand, _) => Ok(limits::ON_DEMAND_SHARDS.max(config.warm_mibps.unwrap_or(0))),
        (StreamMode::Provisioned, Some(count)) => Ok(count),
        (StreamMode::Provisioned, None) => Err(ServiceError::validation(
            "ShardCount is required for streams in PROVISIONED mode.",
        )),
    }
}

fn retention(hours: i32) -> Result<u32, ServiceError> {
    let (least, most) = (limits::MIN_RETENTION_HOURS, limits::MAX_RETENTION_HOURS);
    match u32::try_from(hours).unwrap_or(0) {
        short if short < least => Err(ServiceError::invalid_argument(format!(
            "Minimum allowed retention period is {least} hours. Requested retention period ({hours} hours) is too short."
        ))),
        long if long > most => Err(ServiceError::invalid_argument(format!(
            "Maximum allowed retention period is {most} hours. Requested retention period ({hours} hours) is too long."
        ))),
        hours => Ok(hours),
    }
}
