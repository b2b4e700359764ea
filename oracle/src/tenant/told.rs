//! Pure: what an ownership learns from each fact about it.

use super::Tenant;
use crate::fact::ConsumerFact;
use crate::judge::Judge;
use crate::rare::Rare;
use crate::shard::Shard;

impl Tenant {
    /// Takes note of a fact, as far as it is about this ownership and its records alone.
    pub(crate) fn told(&mut self, fact: &ConsumerFact, shard: &mut Shard, judge: &mut Judge) {
        match fact {
            ConsumerFact::Offered { .. } => self.check_life(judge),
            ConsumerFact::RecordBegun { .. } => self.check_end(judge),
            ConsumerFact::Processed { through } => self.processed(*through, shard, judge),
            ConsumerFact::BegunAnew { checkpoint } => {
                judge.reached(Rare::TaskBegunAnew);
                self.begun_anew(*checkpoint, shard, judge);
            }
            ConsumerFact::RecordNamed { place, asks } => self.named(*place, *asks, shard),
            ConsumerFact::Failed => self.failed(None, shard),
            ConsumerFact::GaveUp { asks } => self.failed(Some(*asks), shard),
            ConsumerFact::RecordDone { place } => self.record_done(*place, shard, judge),
            ConsumerFact::RecordFailed { place, asks } => self.record_failed(*place, *asks, shard, judge),
            ConsumerFact::ShardEnded => self.shard_ended(shard, judge),
            ConsumerFact::ShutdownRequested => self.ends("it was asked to stop", judge),
            ConsumerFact::Left => self.over("its worker let go of it"),
            ConsumerFact::LeaseLost => self.ends("it was told that the lease is lost", judge),
            ConsumerFact::ShardHalted => self.halted(judge.now),
            ConsumerFact::HaltEnds { by } => self.halt_ends(*by),
            ConsumerFact::Initialized { .. }
            | ConsumerFact::PendingFound { .. }
            | ConsumerFact::AtWork { .. }
            | ConsumerFact::CheckpointAcknowledged { .. }
            | ConsumerFact::CheckpointDeferred { .. } => {}
        }
    }
}
