//! Pure: a lease and the names in it.
//!
//! A lease row holds three kinds of attributes.
//!
//! * **The KCL's.** Each is a field of [`Lease`].
//! * **Our own.** The Java KCL ignores them and keeps them, because all its writes after the creation of a row change
//!   single attributes. Hence two rules:
//!   * What says *whose row it is* belongs to the row: the stream's ARN and creation time, and the base of the fencing
//!     tokens ([`OwnAttributes`]). The base is set when the lease is first taken, and the stream when the row is created, or
//!     else when its reader has read by its checkpoint. Neither is changed afterwards, except that each take raises the token
//!     base by one. A row that is deleted and created again, also by a Java worker, begins without it and gets a
//!     larger token base. A row whose stream was deleted and created again keeps the creation time of the former stream, and
//!     is recognised by it.
//!   * What says *where its reader stands* (an idle position; a pinned start and a halt do not exist yet) belongs to one
//!     checkpoint. A Java worker moves the checkpoint and leaves such an attribute behind, so a stale one comes back when
//!     we read the row again. It is therefore stored in the same write as its checkpoint, together with a copy of the
//!     checkpoint's pair of attributes, and ignored when the row's checkpoint differs from that copy.
//! * **Unknown ones**, of later versions and of other programs. They are kept as they are ([`OtherAttributes`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aggregation::HashKeyRange;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::checkpoint::position::Position;
pub(crate) use crate::lease::layout::LeaseKey;
use crate::lease::layout::TableLayout;
use crate::stream::{Incarnation, ShardId, ShardRef};

/// A worker's name in the lease table; unique in its fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "workerIdentifier")]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// The name `id`.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One row of the lease table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lease {
    pub(crate) key: LeaseKey,
    /// In a table for several streams the stream, as the KCL spells it there: `account:name:created`.
    pub(crate) stream: Option<Arc<str>>,
    pub(crate) shard: ShardId,
    /// The owner, or during a hand-off the next one.
    pub(crate) owner: Option<WorkerId>,
    /// During a hand-off the owner that still reads.
    pub(crate) checkpoint_owner: Option<WorkerId>,
    /// Raised by every change of the row's ownership or checkpoint; what a conditional write names.
    pub(crate) counter: u64,
    pub(crate) owner_switches: u64,
    /// How far the shard was read. `None`: reading begins at the configured position.
    pub(crate) checkpoint: Option<Position>,
    pub(crate) pending: Option<PendingCheckpoint>,
    pub(crate) parents: BTreeSet<ShardId>,
    pub(crate) children: BTreeSet<ShardId>,
    pub(crate) range: Option<HashKeyRange>,
    pub(crate) own: OwnAttributes,
    pub(crate) idle: Option<IdlePosition>,
    pub(crate) others: OtherAttributes,
}

/// A checkpoint that was prepared and not committed: the first of its two phases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "pendingCheckpointSequenceNumber")]
pub struct PendingCheckpoint {
    /// Where the checkpoint will be once it is committed.
    pub position: Position,
    /// The bytes that the application has stored with it, if any.
    #[doc(alias = "pendingCheckpointState")]
    pub state: Option<Vec<u8>>,
}

/// A time at which a shard had no records behind a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdlePosition {
    /// Milliseconds since the Unix epoch, by the time of the lease table's service.
    pub(crate) at: u64,
    /// The checkpoint that the row had then. The time says nothing of another one.
    pub(crate) checkpoint: Position,
}

/// The attributes of ours that belong to the row as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnAttributes {
    /// The shard's stream.
    pub(crate) stream: Incarnation,
    /// What the fencing tokens of this row begin with: milliseconds since the Unix epoch by the service's clock when it was
    /// first taken, plus one for each take since then.
    pub(crate) token_base: Option<u64>,
}

impl IdlePosition {
    /// A time as it is in the row. `None` for a time before the Unix epoch.
    pub(crate) fn millis(time: SystemTime) -> Option<u64> {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        u64::try_from(since_epoch.as_millis()).ok()
    }
}

impl OwnAttributes {
    /// What tells the stream of a shard.
    pub(crate) fn of(stream: &Incarnation) -> Self {
        Self {
            stream: stream.clone(),
            token_base: None,
        }
    }
}

/// Attributes of a row that are not read here, kept so that a row that is written again loses none.
///
/// An attribute of the KCL that counts as absent, because it is NULL or empty, is one of them.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct OtherAttributes(Option<Arc<BTreeMap<String, AttributeValue>>>);

impl OtherAttributes {
    pub(crate) fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.as_ref()?.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &AttributeValue)> {
        self.0.iter().flat_map(|attributes| attributes.iter())
    }
}

impl FromIterator<(String, AttributeValue)> for OtherAttributes {
    fn from_iter<I: IntoIterator<Item = (String, AttributeValue)>>(attributes: I) -> Self {
        let attributes: BTreeMap<_, _> = attributes.into_iter().collect();
        Self((!attributes.is_empty()).then(|| Arc::new(attributes)))
    }
}

/// Shows the names, never the values: they are other programs' data.
impl fmt::Debug for OtherAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl Lease {
    /// The lease of `shard` that is about to be created: unowned, never changed.
    pub(crate) fn new(layout: &TableLayout, shard: &ShardRef, checkpoint: Position) -> Self {
        Self {
            key: layout.key_of(shard),
            stream: None,
            shard: shard.shard.clone(),
            owner: None,
            checkpoint_owner: None,
            counter: 0,
            owner_switches: 0,
            checkpoint: Some(checkpoint),
            pending: None,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            range: None,
            own: OwnAttributes::default(),
            idle: None,
            others: OtherAttributes::default(),
        }
    }

    /// A time at which the shard had no records behind the checkpoint, if one is known.
    pub(crate) fn idle_at(&self) -> Option<SystemTime> {
        let idle = self.idle.as_ref();
        let idle = idle.filter(|idle| self.checkpoint.as_ref() == Some(&idle.checkpoint))?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(idle.at))
    }

    /// Whether its shard was read to the end.
    pub(crate) fn is_finished(&self) -> bool {
        self.checkpoint == Some(Position::ShardEnd)
    }

    /// The worker that reads: during a hand-off not yet the next owner.
    pub(crate) fn actual_owner(&self) -> Option<&WorkerId> {
        self.checkpoint_owner.as_ref().or(self.owner.as_ref())
    }

    /// The fencing token of the ownership that this row's counter names. `None` without a token base.
    pub(crate) fn fencing_token(&self) -> Option<u64> {
        Some(self.own.token_base?.saturating_add(self.counter))
    }
}
