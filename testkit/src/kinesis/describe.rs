//! Pure: DescribeStream, DescribeStreamSummary and ListStreams.

use std::ops::Bound;

use super::call::Call;
use super::error::ServiceError;
use super::request::{StreamMode, StreamModeDetails};
use super::response::{self, EnhancedMetrics, StreamDescription, StreamDescriptionSummary, StreamFacts, StreamSummary};
use super::shard::Shard;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request, token};

impl Kinesis {
    pub(super) fn describe_stream(
        &mut self,
        request: &request::DescribeStream,
        call: Call<'_>,
    ) -> Result<response::DescribeStream, ServiceError> {
        Constraints::default()
            .name("exclusiveStartShardId", request.exclusive_start_shard_id.as_deref())
            .range("limit", request.limit, 1, limits::MAX_LISTING_LIMIT)
            .check()?;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        let limit = page(request.limit, limits::SHARDS_PER_DESCRIBE);
        let start: Option<ShardId> = request
            .exclusive_start_shard_id
            .as_deref()
            .and_then(|id| id.parse().ok());
        let mut rest = stream.shards().filter(|shard| Some(shard.id) > start);
        let shards = rest.by_ref().take(limit).map(Shard::describe).collect();
        let has_more_shards = rest.next().is_some();
        Ok(response::DescribeStream {
            stream_description: StreamDescription {
                stream: facts(stream),
                shards,
                has_more_shards,
            },
        })
    }

    pub(super) fn describe_stream_summary(
        &mut self,
        request: &request::DescribeStreamSummary,
        call: Call<'_>,
    ) -> Result<response::DescribeStreamSummary, ServiceError> {
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        let on_demand = stream.config.mode == StreamMode::OnDemand;
        let stream_description_summary = StreamDescriptionSummary {
            stream: facts(stream),
            open_shard_count: stream.open_shard_count(),
            consumer_count: 0,
            max_record_size_in_kib: stream.config.record_kib,
            warm_throughput: stream.warm_throughput().filter(|_| on_demand),
            record_distribution_strategy: on_demand.then_some(stream.config.distribution),
        };
        Ok(response::DescribeStreamSummary {
            stream_description_summary,
        })
    }

    pub(super) fn list_streams(
        &mut self,
        request: &request::ListStreams,
        call: Call<'_>,
    ) -> Result<response::ListStreams, ServiceError> {
        Constraints::default()
            .name(
                "exclusiveStartStreamName",
                request.exclusive_start_stream_name.as_deref(),
            )
            .range("limit", request.limit, 1, limits::MAX_LISTING_LIMIT)
            .check()?;
        self.check_account_rate(call)?;
        let start = match &request.next_token {
            Some(text) => {
                let [name] = token::open(text).ok_or_else(|| ServiceError::invalid_argument("Invalid NextToken."))?;
                Some(name)
            }
            None => request.exclusive_start_stream_name.clone(),
        };
        let start = start.map_or(Bound::Unbounded, Bound::Excluded);
        let streams = &self.account_mut(call.account).streams;
        let mut rest = streams.range((start, Bound::Unbounded)).map(|(_, stream)| stream);
        let stream_summaries: Vec<_> = rest
            .by_ref()
            .take(page(request.limit, limits::STREAMS_PER_LIST))
            .map(summary)
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

fn facts(stream: &Stream) -> StreamFacts {
    let (identity, config) = (&stream.identity, &stream.config);
    StreamFacts {
        stream_name: identity.name.clone(),
        stream_arn: identity.arn.clone(),
        stream_status: stream.status(),
        stream_mode_details: StreamModeDetails {
            stream_mode: config.mode,
        },
        retention_period_hours: config.retention_hours,
        stream_creation_timestamp: identity.created,
        enhanced_monitoring: [EnhancedMetrics {
            shard_level_metrics: config.metrics.clone(),
        }],
        encryption_type: config.encryption_type(),
        key_id: config.encryption_key.clone(),
    }
}

fn summary(stream: &Stream) -> StreamSummary {
    let identity = &stream.identity;
    StreamSummary {
        stream_name: identity.name.clone(),
        stream_arn: identity.arn.clone(),
        stream_status: stream.status(),
        stream_mode_details: StreamModeDetails {
            stream_mode: stream.config.mode,
        },
        stream_creation_timestamp: identity.created,
    }
}
