//! Reading the shards of the leases that this worker holds.
//!
//! One task for each lease: it waits for the parents, passes the records to the application's processor, and ends with
//! the shard, the lease or the worker. The supervisor starts these tasks and joins them.
//!
//! In the order of the data: `supervisor`, `mailbox` between it and each `shard_consumer`, `parents` that it waits for,
//! `handler` for each call of the application, `shard_end`.

pub(crate) mod handler;
pub(crate) mod mailbox;
mod parents;
pub(crate) mod shard_consumer;
mod shard_end;
pub(crate) mod supervisor;
