//! Getting records out of a shard.

pub(crate) mod deaggregate;
pub(crate) mod pacer;
pub(crate) mod polling;
