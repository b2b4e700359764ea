//! Pure: CreateStream, DeleteStream and the retention period.

use super::change::{Change, Pending};
use super::error::ServiceError;
use super::request::StreamMode;
use super::response::StreamStatus;
use super::stream::Stream;
use super::timestamp::Timestamp;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

impl Kinesis {
    pub(super) fn create_stream(&mut self, request: request::CreateStream, now: Timestamp) -> Result<(), ServiceError> {
        let record_kib = request.max_record_size_in_kib;
        Constraints::default()
            .name("streamName", Some(&request.stream_name))
            .range("shardCount", request.shard_count, 1, limits::MAX_SHARD_COUNT)
            .range(
                "maxRecordSizeInKiB",
                record_kib,
                kib(limits::DEFAULT_RECORD_KIB),
                kib(limits::MAX_RECORD_KIB),
            )
            .check()?;
        let mode = request
            .stream_mode_details
            .map_or(StreamMode::Provisioned, |details| details.stream_mode);
        let shards = first_shards(mode, request.shard_count)?;
        let (name, account_id) = (request.stream_name, self.settings.account_id.clone());
        if self.streams.contains_key(&name) {
            let message = format!("Stream {name} under account {account_id} already exists.");
            return Err(ServiceError::resource_in_use(message));
        }
        self.check_creations()?;
        self.check_shard_quota(shards)?;

        // Numbers of a stream sort above those of its namesakes before it.
        let era = self.retired.get(&name).map_or(0, |last| last + 1).max(now.as_secs());
        let mut stream = Stream::new(name.clone(), account_id, era, now);
        stream.mode = mode;
        stream.record_kib = record_kib
            .and_then(|kib| u32::try_from(kib).ok())
            .unwrap_or(limits::DEFAULT_RECORD_KIB);
        stream.pending = Some(Pending {
            due: now + self.settings.creation_time,
            change: Change::Create { shards },
        });
        self.streams.insert(name, stream);
        Ok(())
    }

    pub(super) fn delete_stream(
        &mut self,
        request: &request::DeleteStream,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let due = now + self.settings.deletion_time;
        let stream = self.stream_mut(request.stream_name.as_deref(), request.stream_arn.as_deref())?;
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
    ) -> Result<(), ServiceError> {
        let hours = request.retention_period_hours;
        let stream = self.stream_mut(request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        let new = retention(hours)?;
        if new < stream.retention_hours {
            return Err(stream.wrong_way(hours, "shorter", "DecreaseRetentionPeriod"));
        }
        stream.retention_hours = new;
        Ok(())
    }

    pub(super) fn decrease_retention(
        &mut self,
        request: &request::DecreaseStreamRetentionPeriod,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let hours = request.retention_period_hours;
        let stream = self.stream_mut(request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        let new = retention(hours)?;
        if new > stream.retention_hours {
            return Err(stream.wrong_way(hours, "longer", "IncreaseRetentionPeriod"));
        }
        stream.retention_hours = new;
        stream.settle(now);
        Ok(())
    }

    /// Refuses one more stream in creation than the account may have.
    fn check_creations(&self) -> Result<(), ServiceError> {
        let creating = self
            .streams
            .values()
            .filter(|stream| stream.status() == StreamStatus::Creating)
            .count();
        if self.settings.limits.admit(|| creating < limits::STREAMS_IN_CREATION) {
            return Ok(());
        }
        Err(ServiceError::limit_exceeded(format!(
            "You have exceeded the limit of {} streams in the CREATING state for the account {}.",
            limits::STREAMS_IN_CREATION,
            self.settings.account_id
        )))
    }

    /// Refuses more open shards than the account may have.
    pub(super) fn check_shard_quota(&self, more: u32) -> Result<(), ServiceError> {
        let settings = &self.settings;
        let count: usize = self.streams.values().map(Stream::promised_shard_count).sum();
        let quota = settings.shard_quota;
        if settings
            .limits
            .admit(|| count as u64 + u64::from(more) <= u64::from(quota))
        {
            return Ok(());
        }
        Err(ServiceError::limit_exceeded(format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: \
             {count}. Limit: {quota}. Number of additional shards that would have resulted from this request: {more}. \
             Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) \
             for current limits and how to request higher limits.",
            settings.account_id, settings.region
        )))
    }
}

impl Stream {
    fn wrong_way(&self, hours: i32, comparison: &str, operation: &str) -> ServiceError {
        ServiceError::invalid_argument(format!(
            "Requested retention period ({hours} hours) for stream {} can not be {comparison} than existing retention \
             period ({} hours). Use {operation} API.",
            self.name, self.retention_hours
        ))
    }
}

/// The shards with which a stream starts.
fn first_shards(mode: StreamMode, asked: Option<i32>) -> Result<u32, ServiceError> {
    match (mode, asked.and_then(|count| u32::try_from(count).ok())) {
        (StreamMode::OnDemand, _) => Ok(limits::ON_DEMAND_SHARDS),
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

fn kib(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
