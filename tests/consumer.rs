//! The consumer against the simulated services: nothing is skipped (C1), parents come before their children (C2), one
//! owner at a time (C3), and a handler's error loses nothing (C5).
//!
//! By subject: `adapters`, `per_key`, `stream`, `reading`, `read_budget`, `pace`, `checkpoints`, `simple_forms`, `callbacks`,
//! `handler_errors`, `error_policies`, `misbehaving_handlers`, `control`, `skips`, `asked_skips`, `named_records`, `seeks`, `costs`, `deploy`, `health`, `events`, `log`,
//! `one_owner`, `late_calls`, `resharding`, `shard_ends`, `recreated_stream`, `recreated_restart`, `refused_position`, `losses`,
//! `lease_table`, `coverage`, `vanished_rows`, `start_times`, `starts`, `permissions`, `worker_errors`.

mod adapters;
mod asked_skips;
mod callbacks;
mod checkpoints;
mod control;
mod costs;
mod coverage;
mod deploy;
mod error_policies;
mod events;
mod handler_errors;
mod health;
mod late_calls;
mod lease_table;
mod log;
mod losses;
mod misbehaving_handlers;
mod named_records;
mod one_owner;
mod pace;
mod per_key;
mod permissions;
mod read_budget;
mod reading;
mod recreated_restart;
mod recreated_stream;
mod refused_position;
mod resharding;
mod seeks;
mod shard_ends;
mod shutdown;
mod simple_forms;
mod skips;
mod start_times;
mod starts;
mod stream;
mod table_options;
mod vanished_rows;
mod worker_errors;

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
