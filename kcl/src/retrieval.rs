//! Getting records out of a shard.
//!
//! In the order of the data: the `pacer` says when to read, `polling` reads, `deaggregate` takes the records apart.

pub(crate) mod deaggregate;
pub(crate) mod pacer;
pub(crate) mod polling;
