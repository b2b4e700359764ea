//! Pure: the writes of a lease row and how they end.
//!
//! | write | condition | effect |
//! |---|---|---|
//! | owner | the counter as seen; no checkpoint owner unless one was seen | counter + 1 and whatever else is set |
//! | take | the counter as seen | counter + 1, a new owner, no checkpoint owner, token base + 1 if there is one |
//! | adopt | the counter as seen; no checkpoint owner | counter + 1, token base + 1 if there is one |
//! | assign | owner and checkpoint owner as seen, and the counter if it is named | counter + 1, a new owner, no checkpoint owner |
//! | offer a hand-off | the owner as named and no checkpoint owner | the next owner; the present one becomes the checkpoint owner |
//! | make again | there is no row | the row |
//! | set children, set a range | the row exists | that attribute |
//! | delete | the counter as seen, and the shard was read to its end | no row |
//! | replace | counter and stream as seen, the stream a former one | counter + 1, no owner; stream, checkpoint, parents and range anew |
//! | discard | counter and stream as seen, the stream a former one | no row |
//!
//! The owner switches rise with each take or assignment from another owner and fall to 0 with each checkpoint. The
//! conditions are those of the Java KCL, and stricter for a delete, which is unconditional there.
//!
//! Source: amazon-kinesis-client, `DynamoDBLeaseRefresher` and `DynamoDBLeaseSerializer`.

use std::collections::BTreeSet;

use aggregation::HashKeyRange;

use crate::checkpoint::position::Position;
use crate::error::TableError;
use crate::lease::model::{IdlePosition, Lease, LeaseKey, OwnAttributes, PendingCheckpoint, WorkerId};
use crate::stream::ShardId;

/// One conditional write of a lease row.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the port is complete before all of its users are")
)]
pub(crate) enum LeaseWrite {
    /// A write by the owner.
    Owner(OwnerWrite),
    /// Makes a worker the owner by the rule of KCL 2.x, regardless of the owner before.
    ///
    /// It raises the token base, so that an owner whose lease was taken under its own id notices it.
    Take {
        seen: Lease,
        by: WorkerId,
        /// Is set where the row has none.
        own: OwnAttributes,
    },
    /// Begins the ownership of a lease that the row gives to this worker already, by the rule of KCL 3.x. The first renewal.
    ///
    /// It raises the token base, as a take does: another process with this worker's id notices it.
    Adopt {
        seen: Lease,
        /// Is set where the row has none.
        own: OwnAttributes,
    },
    /// Makes a worker the owner, if owner and checkpoint owner are still as they were seen.
    Assign {
        seen: Lease,
        to: WorkerId,
        counter: CounterCondition,
    },
    /// Asks the owner `from` to hand the lease over. The counter stays.
    OfferHandOff {
        key: LeaseKey,
        from: WorkerId,
        to: WorkerId,
    },
    /// Makes a row again that was deleted while its owner lives.
    MakeAgain { lease: Lease },
    /// Notes the children of a shard whose lease this worker does not own. The counter stays. An empty set removes them.
    SetChildren { key: LeaseKey, children: BTreeSet<ShardId> },
    /// Notes the hash keys of a shard. The counter stays.
    SetRange { key: LeaseKey, range: HashKeyRange },
    /// Deletes the row of a shard that was read to its end.
    Delete { seen: Lease },
    /// Makes the lease of a former stream that of `with`'s stream, as if it were created. The token base stays, so that fencing
    /// tokens go on.
    Replace { seen: Lease, with: Lease },
    /// Deletes the lease of a former stream.
    Discard { seen: Lease },
}

/// One write by the owner. The plain form is a renewal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnerWrite {
    pub(crate) seen: Lease,
    /// Notes how far the owner has come, and removes a pending checkpoint.
    pub(crate) checkpoint: Option<Position>,
    /// Notes a pending checkpoint.
    pub(crate) pending: Option<PendingCheckpoint>,
    /// Notes the children of the shard. An empty set removes them.
    pub(crate) children: Option<BTreeSet<ShardId>>,
    /// Is set where the row has none.
    pub(crate) own: OwnAttributes,
    /// Notes that the shard had no records behind its checkpoint at a time.
    pub(crate) idle: Option<IdlePosition>,
    pub(crate) then: Then,
}

/// How an owner's write changes the ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The owner goes on.
    Keep,
    /// Nobody owns the lease: any worker may take it at once.
    Release,
    /// The next owner, whom the row names already, is the owner.
    HandOver,
}

/// Whether an assignment is bound to the counter that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CounterCondition {
    /// It is: the owner must not have renewed since.
    AsSeen,
    /// It is not: the owner may go on renewing.
    Any,
}

/// How a write ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WriteOutcome {
    /// The row as it is now; after a delete, as it was.
    Applied(Lease),
    /// The condition does not hold for the row as it is now. `None`: there is no row, or none that can be read.
    Refused(Option<Lease>),
    /// It was certainly not applied: throttled, denied, invalid, never sent.
    NotApplied(TableError),
    /// It may have been applied: no answer came, or the answer leaves that open.
    Unknown(TableError),
}

impl WriteOutcome {
    /// Whether it was applied; without the error if its condition did not hold.
    pub(crate) fn result(&self) -> Result<(), Option<&TableError>> {
        match self {
            Self::Applied(_) => Ok(()),
            Self::Refused(_) => Err(None),
            Self::NotApplied(error) | Self::Unknown(error) => Err(Some(error)),
        }
    }
}

impl OwnerWrite {
    /// Says that the owner of `seen` is alive.
    pub(crate) fn renewal(seen: Lease) -> Self {
        Self {
            seen,
            checkpoint: None,
            pending: None,
            children: None,
            own: OwnAttributes::default(),
            idle: None,
            then: Then::Keep,
        }
    }
}

impl LeaseWrite {
    /// The checkpoint that its owner writes.
    pub(crate) fn checkpoint(&self) -> Option<&Position> {
        match self {
            Self::Owner(write) => write.checkpoint.as_ref(),
            Self::Take { .. }
            | Self::Adopt { .. }
            | Self::Assign { .. }
            | Self::OfferHandOff { .. }
            | Self::MakeAgain { .. }
            | Self::SetChildren { .. }
            | Self::SetRange { .. }
            | Self::Delete { .. }
            | Self::Replace { .. }
            | Self::Discard { .. } => None,
        }
    }

    /// The operation of DynamoDB that makes it.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::MakeAgain { .. } => "PutItem",
            Self::Delete { .. } | Self::Discard { .. } => "DeleteItem",
            Self::Owner(_)
            | Self::Take { .. }
            | Self::Adopt { .. }
            | Self::Assign { .. }
            | Self::OfferHandOff { .. }
            | Self::SetChildren { .. }
            | Self::SetRange { .. }
            | Self::Replace { .. } => "UpdateItem",
        }
    }

    /// The row that is written.
    pub(crate) fn key(&self) -> &LeaseKey {
        match self {
            Self::Owner(OwnerWrite { seen, .. })
            | Self::Take { seen, .. }
            | Self::Adopt { seen, .. }
            | Self::Assign { seen, .. }
            | Self::Delete { seen }
            | Self::Replace { seen, .. }
            | Self::Discard { seen }
            | Self::MakeAgain { lease: seen } => &seen.key,
            Self::OfferHandOff { key, .. } | Self::SetChildren { key, .. } | Self::SetRange { key, .. } => key,
        }
    }
}

/// Whether giving `seen` to `next` counts as a switch of owners.
pub(crate) fn is_switch(seen: &Lease, next: &WorkerId) -> bool {
    seen.owner.as_ref().is_some_and(|owner| owner != next) || seen.checkpoint_owner.as_ref() == Some(next)
}

/// The token base that a take or an adoption of `seen` writes. `None`: the row has none to raise.
pub(crate) fn raised_token_base(seen: &Lease) -> Option<u64> {
    Some(seen.own.token_base?.saturating_add(1))
}
