//! Sees each minute, in turn with the other workers, whether each open shard is read some day, and creates the leases that are
//! missing.

use std::collections::BTreeSet;

use super::Worker;
use super::start::Occasion;
use crate::error::WorkerError;
use crate::event::{LeaseEvent, WorkerEvent};
use crate::lease::scan::list;
use crate::lease::table::service_time;
use crate::metrics::Series;
use crate::shard_sync::audit_signals::AuditInbox;
use crate::shard_sync::auditor::{EACH, HoleReason, SECOND_LOOK, audit, holes};
use crate::shard_sync::planner;
use crate::shard_sync::surveyor::Surveyor;
use crate::stream::ShardId;

type Holes = BTreeSet<(ShardId, HoleReason)>;

impl Worker {
    /// Audits as long as it is polled. What fails is told, and tried again in this worker's next turn.
    ///
    /// Returns why the worker has to end: the lease table is gone, and may not be created.
    pub(super) async fn audit(&self, surveyor: &Surveyor, inbox: AuditInbox, mut rng: fastrand::Rng) -> WorkerError {
        let mut holes = Holes::new();
        loop {
            let next = self.clock.now() + EACH;
            tokio::select! {
                biased;
                () = inbox.table_is_gone.notified() => match self.make_table_again(rng.fork()).await {
                    Ok(()) => {}
                    Err(error) => return error,
                },
                () = self.clock.sleep_until(Some(next)) => {
                    let time = service_time(&*self.table, &self.clock, &self.observers);
                    let turn = *inbox.turn.borrow();
                    // Holes that this worker has told of are its own to watch.
                    if turn.is_now(time) || !holes.is_empty() {
                        holes = self.audit_once(surveyor, &mut rng).await.unwrap_or(holes);
                    }
                }
            }
        }
    }

    /// Finds the holes, has them filled, and returns those that are left. `None`: not known.
    async fn audit_once(&self, surveyor: &Surveyor, rng: &mut fastrand::Rng) -> Option<Holes> {
        let mut found = self.look(surveyor, rng).await?;
        if !found.is_empty() {
            self.clock.sleep(SECOND_LOOK).await;
            let again = self.look(surveyor, rng).await?;
            found.retain(|hole| again.contains(hole));
        }
        self.observers.add(Series::UncoveredShards, found.len() as f64);
        for (shard, reason) in &found {
            self.observers.tell(LeaseEvent::NotCovered {
                shard: shard.clone(),
                problem: reason.to_string(),
                repeated: 0,
            });
        }
        if found.iter().any(|(_, reason)| *reason == HoleReason::NoLease) {
            match self.starter(rng.fork(), Occasion::Tidy).attempt(None).await {
                Ok(_) => found.retain(|(_, reason)| *reason != HoleReason::NoLease),
                Err(error) => self.tell_of_failed_audit(&error),
            }
        }
        let uncovered = found.iter().map(|(shard, reason)| (shard.clone(), reason.to_string()));
        self.control.health.uncovered(uncovered.collect());
        Some(found)
    }

    /// The holes at this moment. `None`: not known, because a call failed, the list of shards is older than the leases, or the
    /// stream is another one than the worker began with.
    async fn look(&self, surveyor: &Surveyor, rng: &mut fastrand::Rng) -> Option<Holes> {
        let listing = match list(&*self.table, &self.clock, rng, &self.observers).await {
            Ok(listing) => listing,
            Err(source) => {
                let table = self.table.name().to_owned();
                self.tell_of_failed_audit(&WorkerError::LeaseTable { table, source });
                return None;
            }
        };
        let survey = match surveyor.survey(self.clock.now()).await {
            Ok(survey) => survey,
            Err(source) => {
                let stream = self.stream.to_string();
                self.tell_of_failed_audit(&WorkerError::Stream { stream, source });
                return None;
            }
        };
        let is_this_stream = surveyor.began_with().may_be(&survey.incarnation);
        if !is_this_stream || planner::is_outdated(&survey.shards, &listing.leases) {
            return None;
        }
        let rows = self.layout.rows_of(&self.stream);
        let unreadable = listing.holes.iter().map(|hole| hole.key.clone()).collect();
        Some(holes(&audit(rows, &survey.shards, &listing.leases, &unreadable)))
    }

    fn tell_of_failed_audit(&self, error: &WorkerError) {
        let error = service::chain(error);
        self.observers.tell(WorkerEvent::AuditFailed { error, repeated: 0 });
    }

    /// Makes a lease table that was deleted again, if that is allowed. Workers that hold leases put their rows back at their next
    /// renewals; the other leases are created by the next audit.
    async fn make_table_again(&self, rng: fastrand::Rng) -> Result<(), WorkerError> {
        let starter = self.starter(rng, Occasion::Tidy);
        match starter.make_table_again().await {
            Err(error @ WorkerError::LeaseTableMissing { .. }) => Err(error),
            Err(error) => {
                self.tell_of_failed_audit(&error);
                Ok(())
            }
            Ok(()) => {
                let table = self.table.name().to_owned();
                self.observers.tell(LeaseEvent::TableMadeAgain { table, repeated: 0 });
                Ok(())
            }
        }
    }
}
