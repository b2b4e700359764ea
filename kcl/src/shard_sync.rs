//! A lease for every shard: created at the start of a worker, and for its children at the end of a shard.

pub(crate) mod end_evidence;
pub(crate) mod graph;
pub(crate) mod planner;
pub(crate) mod surveyor;
pub(crate) mod task;
