//! The consumer against the simulated services: nothing is skipped (C1), parents come before their children (C2), one
//! owner at a time (C3), and a handler's error loses nothing (C5).
//!
//! By subject: `reading`, `checkpoints`, `handler_errors`, `one_owner`, `resharding`, `shard_ends`, `lease_table`,
//! `worker_errors`.

mod checkpoints;
mod handler_errors;
mod lease_table;
mod log;
mod one_owner;
mod reading;
mod resharding;
mod shard_ends;
mod shutdown;
mod worker_errors;

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
