//! Pure: which shards are throttled, and whose records fill them. Where the service chooses the shards, all count as one.
//!
//! Only what the service refused is looked into, so that a producer within its limits pays nothing for it. A report
//! covers ten seconds from the first refusal.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use service::ShardId;

use crate::lanes::aggregate::SealedAggregate;
use crate::limits::HOT_SHARD_REPORT_INTERVAL;
use crate::pipeline::flow::limiter::Destination;
use crate::pipeline::knowledge::heavy_keys::{HeavyKey, HeavyKeys};

/// How many refused Kinesis records of one report are looked into; the rest only count.
const SAMPLES: u32 = 64;

/// The shards that were throttled since their last report.
#[derive(Debug, Default)]
pub(crate) struct HotShards {
    heat: BTreeMap<Destination, Heat>,
    /// When each of them is to be reported, the first one first: each after the same time.
    reports: VecDeque<(Instant, Destination)>,
}

#[derive(Debug)]
struct Heat {
    refused: u32,
    refused_bytes: u64,
    keys: HeavyKeys,
}

/// What the service refused of a shard in ten seconds, because it was over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HotShard {
    /// The shard; `None` where the service chooses shards itself.
    pub shard: Option<ShardId>,
    /// Kinesis records that the service refused.
    pub refused: u32,
    /// Their bytes.
    pub refused_bytes: u64,
    /// The partition keys with the most bytes, at most eight, heaviest first, as the first 64 refused Kinesis records show
    /// them. They may be personal data.
    pub heaviest: Vec<HeavyKey>,
}

impl HotShards {
    /// The service refused `aggregate` because its shard is over its limit.
    pub(crate) fn refused(&mut self, destination: Destination, aggregate: &SealedAggregate, now: Instant) {
        let reports = &mut self.reports;
        let heat = self.heat.entry(destination).or_insert_with_key(|destination| {
            reports.push_back((now + HOT_SHARD_REPORT_INTERVAL, destination.clone()));
            Heat {
                refused: 0,
                refused_bytes: 0,
                keys: HeavyKeys::default(),
            }
        });
        if heat.refused < SAMPLES {
            for record in aggregate.records() {
                let bytes = record.partition_key().len() + record.data().len();
                heat.keys.add(record.partition_key(), bytes as u64);
            }
        }
        heat.refused = heat.refused.saturating_add(1);
        heat.refused_bytes += aggregate.bytes() as u64;
    }

    /// When the next report is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.reports.front().map(|(at, _)| *at)
    }

    /// The reports that are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<HotShard> {
        let mut due = Vec::new();
        while let Some((_, destination)) = self.reports.pop_front_if(|(at, _)| *at <= now) {
            let heat = self.heat.remove(&destination);
            due.extend(heat.map(|heat| HotShard {
                shard: destination,
                refused: heat.refused,
                refused_bytes: heat.refused_bytes,
                heaviest: heat.keys.into_heaviest(),
            }));
        }
        due
    }
}
