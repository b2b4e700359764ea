//! Pure: DescribeStream, DescribeStreamSummary and ListStreams.

use std::ops::Bound;

use super::error::ServiceError;
use super::request::StreamModeDetails;
use super::response::{self, EnhancedMetrics, StreamDescription, StreamDescriptionSummary, StreamFacts, StreamSummary};
use super::shard::Shard;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::timestamp::Timestamp;
use super::validate::Constraints;
use super::{Kinesis, limits, request, token};

impl Kinesis {
    pub(super) fn describe_stream(
        &mut self,
        request: &request::DescribeStream,
        now: Timestamp,
    ) -> Result<response::DescribeStream, ServiceError> {
        Constraints::default()
            .name("exclusiveStartShardId", request.exclusive_start_shard_id.as_deref())
            .range("limit", request.limit, 1, limits::MAX_LISTING_LIMIT)
            .check()?;
        let admitted = self.settings.limits.admit(|| self.describe_calls.try_take(1, now));
        let settings = self.settings.clone();
        let stream = self.stream_mut(request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        if !admitted {
            return Err(stream.call_rate_exceeded());
        }
        let limit = page(request.limit, limits::SHARDS_PER_DESCRIBE);
        let start: Option<ShardId> = request
            .exclusive_start_shard_id
            .as_deref()
            .and_then(|id| id.parse().ok());
        let mut rest = stream.shards().filter(|shard| Some(shard.id) > start);
        let shards = rest.by_ref().take(limit).map(Shard::describe).collect();
        let has_more_shards = rest.next().is_some();
        let stream = facts(stream, settings.stream_arn(&stream.name));
        Ok(response::DescribeStream {
            stream_description: StreamDescription {
                stream,
                shards,
                has_more_shards,
            },
        })
    }

    pub(super) fn describe_stream_summary(
        &mut self,
        request: &request::DescribeStreamSummary,
        now: Timestamp,
    ) -> Result<response::DescribeStreamSummary, ServiceError> {
        let admitted = self
            .settings
            .limits
            .admit(|| self.describe_summary_calls.try_take(1, now));
        let settings = self.settings.clone();
        let stream = self.stream_mut(request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        if !admitted {
            return Err(stream.call_rate_exceeded());
        }
        let stream_description_summary = StreamDescriptionSummary {
            stream: facts(stream, settings.stream_arn(&stream.name)),
            open_shard_count: stream.open_shard_count(),
            consumer_count: 0,
            max_record_size_in_kib: stream.record_kib,
        };
        Ok(response::DescribeStreamSummary {
            stream_description_summary,
        })
    }

    pub(super) fn list_streams(&self, request: &request::ListStreams) -> Result<response::ListStreams, ServiceError> {
        Constraints::default()
            .name(
                "exclusiveStartStreamName",
                request.exclusive_start_stream_name.as_deref(),
            )
            .range("limit", request.limit, 1, limits::MAX_LISTING_LIMIT)
            .check()?;
        let start = match &request.next_token {
            Some(text) => {
                let [name] = token::open(text).ok_or_else(|| ServiceError::invalid_argument("Invalid NextToken."))?;
                Some(name)
            }
            None => request.exclusive_start_stream_name.clone(),
        };
        let start = start.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.streams.range((start, Bound::Unbounded)).map(|(_, stream)| stream);
        let stream_summaries: Vec<_> = rest
            .by_ref()
            .take(page(request.limit, limits::STREAMS_PER_LIST))
            .map(|stream| summary(stream, self.settings.stream_arn(&stream.name)))
            .collect();
        let has_more_streams = rest.next().is_some();
        let last = stream_summaries.last().filter(|_| has_more_streams);
        Ok(response::ListStreams {
            next_token: last.map(|last| token::seal(&[&last.stream_name])),
            stream_names: stream_summaries
                .iter()
                .map(|stream| stream.stream_name.clone())
                .collect(),
            has_more_streams,
            stream_summaries,
        })
    }
}

/// The size of a page, given what is asked for and the service's own cap.
fn page(limit: Option<i32>, cap: usize) -> usize {
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(cap)
        .min(cap)
}

fn facts(stream: &Stream, stream_arn: String) -> StreamFacts {
    StreamFacts {
        stream_name: stream.name.clone(),
        stream_arn,
        stream_status: stream.status(),
        stream_mode_details: StreamModeDetails {
            stream_mode: stream.mode,
        },
        retention_period_hours: stream.retention_hours,
        stream_creation_timestamp: stream.created,
        enhanced_monitoring: [EnhancedMetrics::default()],
        encryption_type: "NONE",
    }
}

fn summary(stream: &Stream, stream_arn: String) -> StreamSummary {
    StreamSummary {
        stream_name: stream.name.clone(),
        stream_arn,
        stream_status: stream.status(),
        stream_mode_details: StreamModeDetails {
            stream_mode: stream.mode,
        },
        stream_creation_timestamp: stream.created,
    }
}
