//! The end of a shard: its children get their leases before the application is told and the end is checkpointed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::checkpoint::position::Position;
use crate::consumer::application::Called;
use crate::consumer::mailbox::Report;
use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::consumer::state::Phase;
use crate::error::{TableError, WorkerError};
use crate::event::ShardEvent;
use crate::fold::{Fold, REMINDER};
use crate::lease::ended::EndedLeases;
use crate::lease::item::Row;
use crate::lease::model::{LeaseKey, OwnAttributes};
use crate::lease::scan::list;
use crate::lease::table::LeaseTable;
use crate::metrics::Series;
use crate::shard_sync::end_evidence::Hold;
use crate::shard_sync::planner;
use crate::shard_sync::task::{Creator, create_children};
use crate::stream::ShardId;

/// How often the shards and the leases are listed for children that wait for another parent's lease. Our choice: each list
/// costs a read of the whole table.
const LIST_AGAIN: Duration = Duration::from_secs(60);

/// Whether the children of an ended shard have their leases.
enum Children {
    Leased,
    /// A child of a merge must not exist before its other parent: a worker that took it would find that parent missing,
    /// and read the child at once.
    WaitFor(BTreeSet<ShardId>),
}

/// The wait for the leases of an ended shard's children, and what was reported of it.
#[derive(Debug)]
pub(super) struct ChildWait {
    since: Option<Instant>,
    /// The parents that have no lease yet, as far as is known.
    parents: BTreeSet<ShardId>,
    /// When the shards and the leases are listed again, though no awaited parent has got a lease.
    list_at: Option<Instant>,
    /// The first report is of the beginning.
    reports: Fold,
}

impl Default for ChildWait {
    fn default() -> Self {
        Self {
            since: None,
            parents: BTreeSet::new(),
            list_at: None,
            reports: Fold::into_one_each(REMINDER),
        }
    }
}

/// How far the end of a shard has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// The children have no leases yet.
    #[default]
    Begun,
    /// The application is to be told.
    ChildrenLeased,
    /// The end is to be checkpointed.
    Told,
}

fn not_leased(error: &WorkerError) -> ShardEvent {
    let error = service::chain(error);
    ShardEvent::ChildrenNotLeased { error, repeated: 0 }
}

/// Whether one of the rows is there and can be read: the list of leases leaves the others out.
async fn is_any_there(table: &dyn LeaseTable, rows: &[LeaseKey]) -> Result<bool, TableError> {
    for key in rows {
        if matches!(table.get(key).await?, Some(Row::Lease(_))) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl ShardConsumer {
    /// Creates the children's leases, lets the application finish, checkpoints the end, and wakes the consumers that wait
    /// for it.
    pub(super) async fn end_shard(&mut self) -> Result<(), Interrupted> {
        match self.ending {
            Ending::Begun => self.lease_children().await,
            Ending::ChildrenLeased => self.tell_the_application().await,
            Ending::Told => self.checkpoint_the_end().await,
        }
    }

    async fn lease_children(&mut self) -> Result<(), Interrupted> {
        let guard = self.guard.clone();
        let tried = tokio::select! {
            biased;
            // What was created stays, and is found by the next try, or by the next owner.
            signal = guard.interrupted() => return Err(self.heard.hear(signal)),
            tried = self.try_to_lease_children() => tried,
        };
        match tried {
            Ok(Children::Leased) => {
                self.ending = Ending::ChildrenLeased;
                return Ok(());
            }
            Ok(Children::WaitFor(parents)) => self.report_the_wait_for(parents),
            Err(error) => self.observer.tell(not_leased(&error)),
        }
        self.wait_for_change().await
    }

    fn report_the_wait_for(&mut self, parents: BTreeSet<ShardId>) {
        let now = self.parts.clock.now();
        let wait = &mut self.child_wait;
        let since = *wait.since.get_or_insert(now);
        wait.parents = parents;
        if wait.reports.happened(now).is_some() {
            let (parents, waited) = (wait.parents.clone(), now.saturating_duration_since(since));
            self.observer.tell(ShardEvent::ChildrenWait { parents, waited });
        }
    }

    /// The rows that tell whether to list the shards and the leases again for children that wait: those of the parents that
    /// they wait for. Empty when the shards and leases are due to be listed: a parent may have been trimmed without a lease.
    fn awaited_rows(&self) -> Vec<LeaseKey> {
        let wait = &self.child_wait;
        match wait.list_at.is_some_and(|at| self.parts.clock.now() < at) {
            true => wait.parents.iter().map(|id| self.rows().key_of(id)).collect(),
            false => Vec::new(),
        }
    }

    async fn tell_the_application(&mut self) -> Result<(), Interrupted> {
        self.check()?;
        self.checkpointer.shard_ended();
        let Some(processor) = &mut self.processor else {
            return Ok(());
        };
        let begun = self.parts.clock.now();
        let called = self.application.call(processor.shard_ended(&self.checkpointer)).await;
        self.observer.took(Series::ShutdownTime, begun);
        match called {
            Called::Returned(Ok(())) => {
                self.succeeded(None);
                self.ending = Ending::Told;
                Ok(())
            }
            Called::Returned(Err(error)) => {
                if self.checkpointer.reached() == Position::ShardEnd {
                    self.ending = Ending::Told;
                } else {
                    self.checkpointer.failed();
                }
                let failing = self.rewind(&error, self.done.clone());
                if failing.is_some() {
                    // Records are delivered again, and then the end.
                    self.state.enter(Phase::Reading);
                }
                self.on_failure(error, failing.unwrap_or_default()).await
            }
            Called::Dropped => Err(Interrupted::CallDropped),
        }
    }

    async fn checkpoint_the_end(&mut self) -> Result<(), Interrupted> {
        self.check()?;
        if let Err(error) = self.checkpointer.checkpoint().await {
            self.observer
                .tell(ShardEvent::EndNotCheckpointed { error, repeated: 0 });
            self.state.on_table_failure(self.parts.clock.now());
            return Ok(());
        }
        self.ports.board.checkpoint(Position::ShardEnd);
        let children = self.children.iter().map(|child| child.id.clone()).collect();
        self.observer.tell(ShardEvent::Ended { children });
        self.succeeded(None);
        self.state.enter(Phase::Ended);
        if let Some(processor) = self.processor.take() {
            self.application.drop(processor);
        }
        // Without a supervisor the worker is ending.
        drop(self.ports.reports.send(Report::ShardEnded).await);
        let ended_leases = *self.parts.ended_leases.borrow();
        match ended_leases {
            EndedLeases::Kept => Ok(()),
            EndedLeases::GivenBack => Err(Interrupted::EndedLeaseNotKept),
        }
    }

    async fn try_to_lease_children(&mut self) -> Result<Children, WorkerError> {
        let (table, surveyor) = (&self.parts.table, &self.parts.surveyor);
        let of_table = |source| WorkerError::LeaseTable {
            table: table.name().to_owned(),
            source,
        };
        let awaited = self.awaited_rows();
        if !awaited.is_empty() && !is_any_there(&**table, &awaited).await.map_err(of_table)? {
            return Ok(Children::WaitFor(self.child_wait.parents.clone()));
        }
        let mut children = self.children.clone();
        let known_to_merge = children.iter().any(|child| child.parents.len() > 1);
        if children.is_empty() || known_to_merge {
            let stream = self.shard.stream.to_string();
            let survey = match surveyor.survey(self.parts.clock.now()).await {
                Ok(survey) => survey,
                Err(source) => return Err(WorkerError::Stream { stream, source }),
            };
            if !surveyor.began_with().may_be(&survey.incarnation) {
                let reason = Hold::StreamCreatedAgain.to_string();
                return Err(WorkerError::InconsistentShards { stream, reason });
            }
            let shards = &survey.shards;
            let leases = list(&**table, &self.parts.clock, &mut self.rng, &self.parts.observers).await;
            let leases = leases.map_err(of_table)?.leases;
            let rows = self.parts.layout.rows_of(&self.shard.stream);
            if children.is_empty() {
                children = planner::listed_heirs(rows, &self.shard.shard, self.lease.range, shards, &leases);
            }
            let others = children.iter().flat_map(|child| &child.parents);
            let others = others.filter(|parent| **parent != self.shard.shard);
            let awaited: BTreeSet<_> = others
                .filter(|parent| planner::is_still_to_come(rows, parent, shards, &leases))
                .cloned()
                .collect();
            if !awaited.is_empty() {
                self.child_wait.list_at = self.parts.clock.now().checked_add(LIST_AGAIN);
                return Ok(Children::WaitFor(awaited));
            }
        }
        let own = OwnAttributes::of(surveyor.began_with());
        let leases = planner::children_plan(self.rows(), &self.shard.shard, &children, &own);
        let created = match self.parts.child_leases.create(leases.clone()).await {
            Some(created) => created,
            // The worker is asked to stop: another one is to have them.
            None => {
                let observers = &self.parts.observers;
                create_children(Creator { observers, table }, &leases).await
            }
        };
        created.map_err(of_table)?;
        let ids = children.iter().map(|child| child.id.clone()).collect();
        self.children = children;
        self.parts.renewer.set_children(&self.ownership, ids).await;
        Ok(Children::Leased)
    }
}
