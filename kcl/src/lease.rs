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

#[cfg(test)]
mod conformance;
pub(crate) mod dynamodb;
pub(crate) mod guard;
pub(crate) mod held;
pub(crate) mod item;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod renewer;
pub(crate) mod scan;
pub(crate) mod table;
pub(crate) mod update_expression;
pub(crate) mod write;

pub use guard::{LeaseEpoch, LeaseGuard};
pub use model::{LeaseKey, WorkerId};
