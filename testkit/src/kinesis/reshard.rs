//! Pure: SplitShard, MergeShards and UpdateShardCount. They are refused or accepted at once, and happen later.

use aggregation::HashKey;

use super::call::Call;
use super::change::{Change, Pending};
use super::error::ServiceError;
use super::request::StreamMode;
use super::response;
use super::shard::Shard;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

impl Kinesis {
    pub(super) fn split_shard(&mut self, request: &request::SplitShard, call: Call<'_>) -> Result<(), ServiceError> {
        Constraints::default()
            .name("shardToSplit", Some(&request.shard_to_split))
            .hash_key("newStartingHashKey", Some(&request.new_starting_hash_key))
            .check()?;
        let due = call.now + self.settings.resharding_time;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_reshardable()?;
        let shard = stream.open_shard_named(&request.shard_to_split)?;
        let at = shard
            .split_key(&request.new_starting_hash_key)
            .ok_or_else(|| stream.bad_split(shard, request))?;
        let (name, change) = (stream.identity.name.clone(), Change::Split { shard: shard.id, at });
        self.check_shard_quota(call.account, 1)?;
        self.begin(call.account, &name, Pending { due, change });
        Ok(())
    }

    pub(super) fn merge_shards(&mut self, request: &request::MergeShards, call: Call<'_>) -> Result<(), ServiceError> {
        let request::MergeShards {
            shard_to_merge,
            adjacent_shard_to_merge,
            ..
        } = request;
        Constraints::default()
            .name("shardToMerge", Some(shard_to_merge))
            .name("adjacentShardToMerge", Some(adjacent_shard_to_merge))
            .check()?;
        let due = call.now + self.settings.resharding_time;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_reshardable()?;
        let shard = stream.open_shard_named(shard_to_merge)?;
        let adjacent = stream.open_shard_named(adjacent_shard_to_merge)?;
        if !(shard.ends_before(adjacent) || adjacent.ends_before(shard)) {
            return Err(ServiceError::invalid_argument(format!(
                "Shards {} and {} in {} are not an adjacent pair of shards eligible for merging",
                shard.id,
                adjacent.id,
                stream.identity.label()
            )));
        }
        stream.pending = Some(Pending {
            due,
            change: Change::Merge {
                shard: shard.id,
                adjacent: adjacent.id,
            },
        });
        Ok(())
    }

    pub(super) fn update_shard_count(
        &mut self,
        request: &request::UpdateShardCount,
        call: Call<'_>,
    ) -> Result<response::UpdateShardCount, ServiceError> {
        Constraints::default()
            .range("targetShardCount", Some(request.target_shard_count), 1, i32::MAX)
            .check()?;
        let target = u32::try_from(request.target_shard_count).unwrap_or(1);
        let (enforced, round) = (self.settings.limits, self.settings.resharding_time);
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_reshardable()?;
        stream.check_target(target)?;
        if !enforced.admit(|| stream.daily.scalings.has_room(limits::SCALINGS_PER_DAY, call.now)) {
            return Err(stream.scaled_too_often());
        }
        let (name, stream_arn) = (stream.identity.name.clone(), stream.identity.arn.clone());
        let current_shard_count = stream.open_shard_count();
        let more = u64::from(target).saturating_sub(current_shard_count as u64);
        self.check_shard_quota(call.account, u32::try_from(more).unwrap_or(u32::MAX))?;

        let pending = Pending {
            due: call.now + round,
            change: Change::Scale { target, round },
        };
        if let Some(stream) = self.begin(call.account, &name, pending) {
            stream.daily.scalings.record(call.now);
        }
        Ok(response::UpdateShardCount {
            stream_name: name,
            stream_arn,
            current_shard_count,
            target_shard_count: target,
        })
    }

    /// Gives a stream of the account its next change, once the quota is checked.
    pub(super) fn begin(&mut self, account: &str, name: &str, pending: Pending) -> Option<&mut Stream> {
        let stream = self.account_mut(account).streams.get_mut(name)?;
        stream.pending = Some(pending);
        Some(stream)
    }
}

impl Stream {
    fn check_reshardable(&self) -> Result<(), ServiceError> {
        self.check_active()?;
        match self.config.mode {
            StreamMode::Provisioned => Ok(()),
            StreamMode::OnDemand => Err(ServiceError::validation(format!(
                "Shards of {} are managed by the service: it is in ON_DEMAND mode.",
                self.identity.label()
            ))),
        }
    }

    fn open_shard_named(&self, name: &str) -> Result<&Shard, ServiceError> {
        let label = self.identity.label();
        let shard = name.parse().ok().and_then(|id| self.shard(id));
        let shard = shard
            .ok_or_else(|| ServiceError::resource_not_found(format!("Could not find shard {name} in {label}.")))?;
        if !shard.is_open() {
            return Err(ServiceError::invalid_argument(format!(
                "Shard {name} in {label} is closed."
            )));
        }
        Ok(shard)
    }

    fn bad_split(&self, shard: &Shard, request: &request::SplitShard) -> ServiceError {
        ServiceError::invalid_argument(format!(
            "NewStartingHashKey {} used in SplitShard() on shard {} in {} is not both greater than one plus the shard's \
             StartingHashKey {} and less than the shard's EndingHashKey {}.",
            request.new_starting_hash_key,
            shard.id,
            self.identity.label(),
            shard.range.start(),
            shard.range.end()
        ))
    }

    fn check_target(&self, target: u32) -> Result<(), ServiceError> {
        let open = self.open_shard_count() as u64;
        let problem = if u64::from(target) > open * 2 {
            "cannot scale up over double your current open shard count."
        } else if u64::from(target) * 2 < open {
            "cannot scale down below half your current open shard count."
        } else if target > limits::MAX_TARGET_SHARD_COUNT {
            "cannot scale up to more than 10000 shards."
        } else {
            return Ok(());
        };
        Err(ServiceError::limit_exceeded(format!(
            "UpdateShardCount {problem} Current open shard count: {open} Target shard count: {target}"
        )))
    }

    fn scaled_too_often(&self) -> ServiceError {
        ServiceError::limit_exceeded(format!(
            "UpdateShardCount was called {} times in the last 24 hours for {}.",
            limits::SCALINGS_PER_DAY,
            self.identity.label()
        ))
    }
}

impl Shard {
    /// Reads the first hash key of the upper half of a split; each half keeps at least two keys of this shard.
    fn split_key(&self, text: &str) -> Option<HashKey> {
        let at: HashKey = text.parse().ok()?;
        let legal = at.value() > self.range.start().value().saturating_add(1) && at < self.range.end();
        legal.then_some(at)
    }

    fn ends_before(&self, other: &Self) -> bool {
        self.range.end().value().checked_add(1) == Some(other.range.start().value())
    }
}
