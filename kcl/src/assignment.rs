//! Which worker reads which shard.
//!
//! `task` reads the table and writes what the pure `taker` decides. A lease that has no base of fencing tokens yet gets one
//! from the pure `token_bases`.

pub(crate) mod taker;
pub(crate) mod task;
pub(crate) mod token_bases;
