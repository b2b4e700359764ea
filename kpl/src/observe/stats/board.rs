//! Where the producer's task writes what it has done, for those who ask.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use service::ShardId;

use super::Stats;
use super::rate::Rate;
use super::totals::Totals;
use crate::error::PutErrorKind;
use crate::lanes::contents::Volume;
use crate::observe::tally::Tally;
use crate::sync::recover;

/// What is known of the pipeline. `put` does not come here: only the producer's task and the callers of `stats` meet at
/// its lock.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<Posted>,
}

#[derive(Debug, Default)]
struct Posted {
    totals: Totals,
    oldest: Option<Instant>,
    load: Load,
    /// Of the open shards.
    rates: BTreeMap<ShardId, Rate>,
}

/// What the pipeline is busy with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) in_flight: Volume,
    pub(crate) requests_in_flight: usize,
    /// Requests that were sent.
    pub(crate) requests: u64,
}

impl Board {
    /// Takes over what is new.
    pub(crate) fn publish(&self, tally: &mut Tally, load: Load, now: Instant) {
        let mut state = self.lock();
        let state = &mut *state;
        (state.totals, state.oldest, state.load) = (tally.totals, tally.oldest(), load);
        if tally.has_strangers {
            state.rates.retain(|shard, _| tally.is_open(shard));
        }
        for (shard, counts) in tally.take_counts() {
            let rate = state.rates.entry(shard.clone());
            rate.or_insert_with(|| Rate::new(now)).add(counts, now);
        }
    }

    /// The task has ended: what is left of `put` fails.
    pub(crate) fn close(&self, put: Volume) {
        let mut state = self.lock();
        let left = put.minus(state.totals.ended());
        state.totals.fail(left, &PutErrorKind::TaskEnded);
        state.totals.received = put;
        state.oldest = None;
        state.load = Load {
            requests: state.load.requests,
            ..Load::default()
        };
    }

    /// What has its outcome.
    pub(crate) fn ended(&self) -> Volume {
        self.lock().totals.ended()
    }

    /// All of it but for what the callers know. `put` is asked afterwards: nothing ends before it is put.
    pub(crate) fn stats(&self, put: impl FnOnce() -> Volume, now: Instant) -> Stats {
        let state = self.lock();
        let Posted {
            totals,
            oldest,
            load,
            rates,
        } = &*state;
        let put = put();
        Stats {
            put,
            delivered: totals.delivered,
            failed: totals.failed,
            failures: totals.failures,
            outstanding: put.minus(totals.ended()),
            buffered: put.minus(totals.received),
            in_flight: load.in_flight,
            oldest_outstanding: oldest.map(|at| now.saturating_duration_since(at)),
            requests_in_flight: load.requests_in_flight,
            requests: load.requests + totals.look_ups,
            requests_failed: totals.requests_failed,
            retries: totals.retries,
            shards: rates.iter().map(|(shard, rate)| rate.at(shard.clone(), now)).collect(),
            ..Stats::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Posted> {
        recover(self.state.lock())
    }
}
