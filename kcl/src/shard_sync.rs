//! A lease for every shard: created at the start of a worker, and for its children at the end of a shard.
//!
//! In the order of the data: `graph` knows parents and children; the pure `planner` says which leases are missing, and
//! `task` creates them, or by `replacement` makes them of what the pure `former` finds to be of a former stream; the `surveyor` looks at the stream for consumers in doubt, by a `single_flight` for all of them, and
//! the pure `end_evidence` judges whether their shard has ended. The pure `auditor` finds the open shards that no lease leads to; a
//! search for leases tells it by `audit_signals` when it is its worker's turn.

pub(crate) mod audit_signals;
pub(crate) mod auditor;
pub(crate) mod end_evidence;
pub(crate) mod former;
pub(crate) mod graph;
pub(crate) mod planner;
mod replacement;
mod single_flight;
pub(crate) mod surveyor;
pub(crate) mod task;
