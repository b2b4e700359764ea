//! The wait for the parents of a shard: its records come after theirs.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::consumer::state::Phase;
use crate::event::{LeaseEvent, ShardEvent};
use crate::fold::{Fold, REMINDER};
use crate::lease::item::{Hole, Row};
use crate::stream::ShardId;

/// One wait, and what was reported of it.
#[derive(Debug)]
struct ParentWait {
    /// The parents that were not read to their ends, as far as is known.
    parents: BTreeSet<ShardId>,
    since: Instant,
    /// The first report is of the beginning.
    reports: Fold,
    /// The parents whose rows were reported as unreadable.
    unreadable: BTreeSet<ShardId>,
}

impl ParentWait {
    fn begin(parents: BTreeSet<ShardId>, now: Instant) -> Self {
        Self {
            parents,
            since: now,
            reports: Fold::into_one_each(REMINDER),
            unreadable: BTreeSet::new(),
        }
    }

    /// What to report of the wait now, if anything.
    fn report(&mut self, now: Instant) -> Option<ShardEvent> {
        self.reports.happened(now)?;
        let (parents, waited) = (self.parents.clone(), now.saturating_duration_since(self.since));
        Some(match waited < REMINDER {
            true => ShardEvent::WaitsForParents { parents },
            false => ShardEvent::StillWaitsForParents { parents, waited },
        })
    }
}

impl ShardConsumer {
    /// Waits until every parent was read to its end, or is gone.
    pub(super) async fn wait_for_parents(&mut self) -> Result<(), Interrupted> {
        #[cfg(feature = "_simulation")]
        if crate::planted_bugs::PlantedBug::SkipParent.is_planted() {
            self.state.enter(Phase::Initializing);
            return Ok(());
        }
        let mut wait = ParentWait::begin(self.lease.parents.clone(), self.parts.clock.now());
        loop {
            let guard = self.guard.clone();
            tokio::select! {
                biased;
                signal = guard.interrupted() => return Err(self.heard.hear(signal)),
                () = self.look_at_parents(&mut wait) => {}
            }
            if wait.parents.is_empty() {
                self.state.enter(Phase::Initializing);
                return Ok(());
            }
            if let Some(report) = wait.report(self.parts.clock.now()) {
                self.observer.tell(report);
            }
            self.wait_for_change().await?;
        }
    }

    /// Removes the parents that need no waiting for.
    async fn look_at_parents(&mut self, wait: &mut ParentWait) {
        for parent in wait.parents.clone() {
            let is_over = match self.parts.table.get(&self.rows().key_of(&parent)).await {
                Ok(None | Some(Row::Foreign(..))) => true,
                Ok(Some(Row::Lease(lease))) => lease.is_finished(),
                Ok(Some(Row::Hole(hole))) => {
                    let has_left = self.has_left_the_stream(&parent).await;
                    if !has_left {
                        self.report_unreadable(&parent, &hole, wait);
                    }
                    has_left
                }
                Err(error) => {
                    self.parts.observers.tell(LeaseEvent::TableUnavailable {
                        table: self.parts.table.name().to_owned(),
                        error,
                        repeated: 0,
                    });
                    false
                }
            };
            if is_over {
                wait.parents.remove(&parent);
            }
        }
    }

    fn report_unreadable(&self, parent: &ShardId, hole: &Hole, wait: &mut ParentWait) {
        if wait.unreadable.insert(parent.clone()) {
            let (parent, problem) = (parent.clone(), service::chain(&hole.problem));
            self.observer.tell(ShardEvent::ParentUnreadable { parent, problem });
        }
    }

    /// Whether the list of shards proves that `parent` is gone with all of its records: it lists this shard of the same
    /// stream, and no such parent.
    async fn has_left_the_stream(&mut self, parent: &ShardId) -> bool {
        let Ok(survey) = self.parts.surveyor.survey(self.parts.clock.now()).await else {
            return false;
        };
        let lists = |id: &ShardId| survey.shards.iter().any(|shard| shard.id == *id);
        self.parts.surveyor.began_with().may_be(&survey.incarnation) && lists(&self.shard.shard) && !lists(parent)
    }
}
