//! Pure: the outputs of changing what a stream is like, of its tags and of the account's quotas.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::kinesis::request::MetricsName;

output! {
    /// The output of DescribeLimits.
    DescribeLimits {
        /// Open shards that provisioned streams may have.
        shard_limit: u32,
        /// Open shards that they have.
        open_shard_count: usize,
        /// On-demand streams.
        on_demand_stream_count: usize,
        /// On-demand streams that there may be.
        on_demand_stream_count_limit: u32,
    }
}

output! {
    /// The output of EnableEnhancedMonitoring and DisableEnhancedMonitoring.
    EnhancedMonitoring {
        /// The name of the stream.
        stream_name: String,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// Metrics before the call.
        current_shard_level_metrics: BTreeSet<MetricsName>,
        /// Metrics after the call.
        desired_shard_level_metrics: BTreeSet<MetricsName>,
    }
}

output! {
    /// The output of UpdateStreamWarmThroughput.
    UpdateStreamWarmThroughput {
        /// The name of the stream.
        stream_name: String,
        /// Its ARN.
        #[serde(rename = "StreamARN")]
        stream_arn: String,
        /// What it is ready for, and what it is to be ready for.
        #[serde(skip_serializing_if = "Option::is_none")]
        warm_throughput: Option<WarmThroughput>,
    }
}

output! {
    /// The writes that an on-demand stream is ready for.
    #[derive(Copy)]
    WarmThroughput {
        /// MiB a second that were asked for.
        #[serde(rename = "TargetMiBps")]
        target_mibps: u32,
        /// MiB a second that its shards take now.
        #[serde(rename = "CurrentMiBps")]
        current_mibps: usize,
    }
}

output! {
    /// The output of ListTagsForStream.
    ListTagsForStream {
        /// Tags, by key.
        tags: Vec<Tag>,
        /// Whether there are more.
        has_more_tags: bool,
    }
}

output! {
    /// The output of ListTagsForResource.
    ListTagsForResource {
        /// Tags, by key.
        tags: Vec<Tag>,
    }
}

output! {
    /// A tag.
    Tag {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    }
}
