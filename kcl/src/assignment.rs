//! Which worker reads which shard.
//!
//! `task` reads the table and leaves out the rows of `other_streams`, by the pure `origin`. Of the others it takes what
//! the pure `taker` decides, by the pure `families`. A lease that has no base of fencing tokens yet gets one from the pure
//! `token_bases`. `children` creates the leases of the children of a shard that this worker has read to its end, as leases of
//! this worker. At each search the task reports the `gauges` of the worker.

pub(crate) mod children;
pub(crate) mod families;
pub(crate) mod gauges;
pub(crate) mod origin;
pub(crate) mod other_streams;
pub(crate) mod taker;
pub(crate) mod task;
pub(crate) mod token_bases;
