//! A lease for every shard: created at the start of a worker, and for its children at the end of a shard.
//!
//! In the order of the data: `graph` knows parents and children, the pure `planner` says which leases are missing,
//! `task` creates them.

pub(crate) mod graph;
pub(crate) mod planner;
pub(crate) mod task;
