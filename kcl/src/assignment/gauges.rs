//! What a worker measures of itself at each search for leases.

use crate::consumer::shards::Shards;
use crate::consumer::status::ShardState;
use crate::metrics::Series;
use crate::observers::Observers;
use crate::retrieval::permit::ReadBudget;

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) shards: Shards,
    pub(crate) budget: ReadBudget,
}

impl Gauges {
    /// Adds what there is now to the series.
    pub(crate) fn sample(&self, observers: &Observers) {
        let statuses = self.shards.statuses();
        let is_halted = |state: &ShardState| match state {
            ShardState::Halted { .. } | ShardState::OnHold { .. } => true,
            ShardState::WaitingForParents
            | ShardState::Initializing
            | ShardState::Reading
            | ShardState::Retrying { .. }
            | ShardState::Paused
            | ShardState::Ending
            | ShardState::Ended
            | ShardState::Leaving => false,
        };
        let halted = statuses.iter().filter(|status| is_halted(&status.state)).count();
        observers.add(Series::CurrentLeases, statuses.len() as f64);
        observers.add(Series::HaltedShards, halted as f64);
        observers.add(Series::ReadBudgetBytes, self.budget.charged() as f64);
        if let Some(lag) = self.shards.max_lag() {
            observers.add(Series::MaxMillisBehindLatest, lag.as_secs_f64() * 1e3);
        }
    }
}
