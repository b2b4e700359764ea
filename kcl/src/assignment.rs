//! Which worker reads which shard.

pub(crate) mod taker;
pub(crate) mod task;
