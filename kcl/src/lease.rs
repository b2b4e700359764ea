//! Leases: who reads which shard, and how far.
//!
//! ```text
//!  created ──► taken ──► renewed … checkpointed … renewed ──► released or expired ──► taken by another
//!                                        │
//!                                        └─► SHARD_END, kept until the children have progressed
//! ```
//!
//! A lease is one row of the lease table. Whoever changes the row raises its counter and names the counter that it has
//! seen, so of two that change it at once exactly one succeeds.
//!
//! In the order of the data: `model` is a lease, `table` the port to where leases are kept, `dynamodb` its
//! implementation, with `item` for rows and `update_expression` for changes; `renewer` writes the rows of the leases
//! that the pure `held` knows; a `guard` tells a holder whether its lease is still valid.

#[cfg(test)]
mod conformance;
pub(crate) mod dynamodb;
pub(crate) mod guard;
pub(crate) mod holdings;
pub(crate) mod item;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod ownership;
pub(crate) mod renewer;
pub(crate) mod scan;
pub(crate) mod table;
pub(crate) mod update_expression;
pub(crate) mod write;

pub use guard::{LeaseEpoch, LeaseGuard};
pub use model::{LeaseKey, WorkerId};
