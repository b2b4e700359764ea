//! Replaces and deletes the leases that a former stream has left in the table.

use std::collections::BTreeMap;

use crate::error::{TableError, WorkerError};
use crate::event::LeaseEvent;
use crate::lease::model::{Lease, LeaseKey};
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::shard_sync::former::{Age, age};
use crate::shard_sync::task::Creator;
use crate::stream::Incarnation;

/// How often a write is tried against an owner that still renews the row: three times in its failover time at most. Our choice.
const TRIES: usize = 5;

/// The leases of a former stream that are still in the table, while this worker makes room for the present one.
///
/// Each write names the row's counter and stream as they were read, so no write touches a row that another worker has made one of
/// the present stream, or of a later one.
#[derive(Debug)]
pub(crate) struct Former<'a> {
    creator: Creator<'a>,
    present: &'a Incarnation,
    leases: BTreeMap<LeaseKey, Lease>,
}

/// What became of a write.
enum Written {
    /// It was applied, or another worker has done the same.
    Done,
    /// There is no row any more.
    Gone,
}

impl<'a> Former<'a> {
    pub(crate) fn new(creator: Creator<'a>, present: &'a Incarnation, leases: BTreeMap<LeaseKey, Lease>) -> Self {
        Self {
            creator,
            present,
            leases,
        }
    }

    /// Makes a lease of the former stream this one of the present stream. Returns whether the table has it then; it is to be
    /// created if not.
    pub(crate) async fn replace(&mut self, with: &Lease) -> Result<bool, WorkerError> {
        let Some(seen) = self.leases.remove(&with.key) else {
            return Ok(false);
        };
        let replace = |seen| LeaseWrite::Replace {
            seen,
            with: with.clone(),
        };
        let event = LeaseEvent::Replaced {
            lease: with.key.clone(),
        };
        Ok(matches!(self.write(seen, replace, event).await?, Written::Done))
    }

    /// Deletes the leases that are left: of shards that the present stream does not have, or comes to read later.
    pub(crate) async fn discard(mut self) -> Result<(), WorkerError> {
        for seen in std::mem::take(&mut self.leases).into_values() {
            let event = LeaseEvent::Discarded {
                lease: seen.key.clone(),
            };
            self.write(seen, |seen| LeaseWrite::Discard { seen }, event).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        seen: Lease,
        write: impl Fn(Lease) -> LeaseWrite,
        event: LeaseEvent,
    ) -> Result<Written, WorkerError> {
        let (mut seen, table) = (seen, self.creator.table);
        for _ in 0..TRIES {
            match table.write(&write(seen.clone())).await {
                WriteOutcome::Applied(_) => {
                    self.creator.observers.tell(event);
                    return Ok(Written::Done);
                }
                WriteOutcome::Refused(None) => return Ok(Written::Gone),
                // Its owner has not noticed yet, and renews it.
                WriteOutcome::Refused(Some(found)) if self.is_former(&found) => seen = found,
                WriteOutcome::Refused(Some(_)) => return Ok(Written::Done),
                WriteOutcome::NotApplied(error) | WriteOutcome::Unknown(error) => return Err(self.failed(error)),
            }
        }
        Err(WorkerError::InconsistentShards {
            stream: table.name().to_owned(),
            reason: format!("the lease {} of a former stream changes all the time", seen.key),
        })
    }

    fn is_former(&self, row: &Lease) -> bool {
        age(&row.own.stream, self.present) == Age::Former
    }

    fn failed(&self, source: TableError) -> WorkerError {
        WorkerError::LeaseTable {
            table: self.creator.table.name().to_owned(),
            source,
        }
    }
}
