//! Leases: who reads which shard, and how far.
//!
//! ```text
//!  created ──► taken ──► renewed … checkpointed … renewed ──► released or expired ──► taken by another
//!                                        │
//!                                        └─► SHARD_END, until the children have progressed
//! ```
//!
//! A lease is one row of the lease table. A worker that changes the row raises its counter and names the counter that it has
//! seen, so of two workers that change a row at once exactly one succeeds.
//!
//! In the order of the data: `model` is a lease, `layout` says how its row
//! names its shard, `write` its writes and their outcomes, `table` the port to where leases are
//! kept, `table_options` say how it is created, `scan` reads a whole table. Two backends, held to one `conformance` suite: `dynamodb`, with `item` for rows and
//! `update_expression` for writes, and `memory`. The `renewer` writes the rows of the leases that the worker holds: the pure
//! `holdings` know which of them has something to do, the pure `ownership` of each decides what. A `guard` tells a consumer
//! whether its lease is still valid, and `lost` tells the application why it is not. `ended` says what becomes of the lease of an
//! ended shard. By `listings` the renewer learns whether the shard of a row that is gone still exists.

#[cfg(test)]
mod conformance;
pub(crate) mod dynamodb;
pub(crate) mod ended;
pub(crate) mod guard;
pub(crate) mod holdings;
pub(crate) mod item;
pub(crate) mod layout;
pub(crate) mod listings;
pub(crate) mod lost;
#[cfg(any(test, feature = "_bench"))]
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod ownership;
pub(crate) mod renewer;
pub(crate) mod scan;
pub(crate) mod table;
pub(crate) mod table_options;
pub(crate) mod update_expression;
pub(crate) mod write;

pub use guard::{LeaseEpoch, LeaseGuard};
pub use layout::LeaseKey;
pub use model::{PendingCheckpoint, WorkerId};
