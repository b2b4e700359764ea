//! The end of a shard: its children get their leases before the application is told and the end is checkpointed.

use crate::checkpoint::position::Position;
use crate::consumer::mailbox::Report;
use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::error::WorkerError;
use crate::event::ShardEvent;
use crate::lease::model::OwnAttributes;
use crate::lease::scan::list;
use crate::processor::AnyProcessor;
use crate::shard_sync::end_evidence::Hold;
use crate::shard_sync::graph::ChildShard;
use crate::shard_sync::planner;
use crate::shard_sync::task::{Creator, create_children};

/// Whether the children of an ended shard have their leases.
enum Children {
    Leased,
    /// A child of a merge must not exist before its other parent: whoever took it would find that parent missing, and
    /// read the child at once.
    WaitForTheOtherParent,
}

impl ShardConsumer {
    /// Creates the children's leases, lets the application finish, and wakes who waits for it.
    pub(super) async fn end_shard(
        &mut self,
        processor: &mut dyn AnyProcessor,
        children: Vec<ChildShard>,
    ) -> Result<(), Interrupted> {
        loop {
            match self.lease_children(&children).await {
                Ok(Children::Leased) => break,
                Ok(Children::WaitForTheOtherParent) => {}
                Err(error) => ShardEvent::ChildrenNotLeased { error: &error }.emit(&self.shard),
            }
            self.wait_for_change().await?;
        }
        self.tell_the_application(processor).await?;
        ShardEvent::Ended {
            children: children.len(),
        }
        .emit(&self.shard);
        // Without a supervisor the worker is ending.
        drop(self.reports.send(Report::ShardEnded).await);
        Ok(())
    }

    async fn tell_the_application(&mut self, processor: &mut dyn AnyProcessor) -> Result<(), Interrupted> {
        while self.checkpointer.last() != Position::ShardEnd {
            self.check()?;
            self.checkpointer.shard_ended();
            let checkpointer = &self.checkpointer;
            let ended = async {
                processor.shard_ended(checkpointer).await?;
                if checkpointer.last() == Position::ShardEnd {
                    return Ok(());
                }
                Err("shard_ended returned without a checkpoint".into())
            };
            let attempted = self.retries.attempt(ended).await;
            if self.checkpointer.last() != Position::ShardEnd {
                self.checkpointer.failed();
            }
            attempted?;
        }
        Ok(())
    }

    async fn lease_children(&mut self, children: &[ChildShard]) -> Result<Children, WorkerError> {
        let (table, surveyor) = (&self.parts.table, &self.parts.surveyor);
        let of_table = |source| WorkerError::LeaseTable {
            table: table.name().to_owned(),
            source,
        };
        let known_to_merge = children.iter().any(|child| child.parents.len() > 1);
        let mut children = children.to_vec();
        if children.is_empty() || known_to_merge {
            let stream = self.shard.stream.to_string();
            let survey = match surveyor.survey(self.parts.clock.now()).await {
                Ok(survey) => survey,
                Err(source) => return Err(WorkerError::Stream { stream, source }),
            };
            // A stream whose description is denied counts as the same.
            let known = surveyor.began_with().zip(survey.incarnation.as_ref());
            if known.is_some_and(|(began_with, seen)| began_with != seen) {
                let reason = Hold::StreamCreatedAgain.to_string();
                return Err(WorkerError::InconsistentShards { stream, reason });
            }
            let shards = &survey.shards;
            if children.is_empty() {
                children = planner::listed_children(&self.shard.shard, shards);
            }
            let leases = list(&**table, &self.parts.clock, &mut self.rng).await;
            let leases = leases.map_err(of_table)?.leases;
            let others = children
                .iter()
                .flat_map(|child| &child.parents)
                .filter(|parent| **parent != self.shard.shard);
            if others
                .into_iter()
                .any(|parent| planner::is_still_to_come(self.rows(), parent, shards, &leases))
            {
                return Ok(Children::WaitForTheOtherParent);
            }
        }
        let own = OwnAttributes::of(surveyor.began_with());
        let worker = &self.parts.worker;
        let created = create_children(
            Creator { worker, table },
            self.rows(),
            &self.shard.shard,
            &children,
            &own,
        )
        .await;
        created.map_err(of_table)?;
        let ids = children.into_iter().map(|child| child.id).collect();
        self.parts.renewer.set_children(&self.ownership, ids).await;
        Ok(Children::Leased)
    }
}
