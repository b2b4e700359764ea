//! Which worker reads which shard.
//!
//! `task` reads the table and writes what the pure `taker` decides.

pub(crate) mod taker;
pub(crate) mod task;
