//! Reading the shards of the leases that this worker holds.
//!
//! One task for each lease: it waits for the parents, passes the records to the application's processor, and ends with
//! the shard, the lease or the worker. The supervisor starts these tasks and joins them.
//!
//! In the order of the data: the `supervisor` starts a `shard_consumer` for each lease; `mailbox` and `shards` are how the two,
//! and the application, reach each other. What a consumer does next is its `state`, what it tells is its `status`. Its steps
//! are `parents`, `delivery` (out of the `backlog`), `idleness`,
//! `holds`, `failures` and, for those that come late, `rewind`, `giving_up` what fails or what is to be `skip`ped, `shard_end`, `moving` by a `seek`, and `leaving`; each call to the processor goes through
//! `application`.

pub(crate) mod application;
pub(crate) mod backlog;
mod delivery;
mod failures;
mod giving_up;
mod holds;
mod idleness;
mod leaving;
pub(crate) mod mailbox;
mod moving;
mod parents;
mod rewind;
pub(crate) mod seek;
pub(crate) mod shard_consumer;
mod shard_end;
pub(crate) mod shards;
pub(crate) mod skip;
mod state;
pub(crate) mod status;
pub(crate) mod supervisor;
