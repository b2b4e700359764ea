//! How a fleet coordinates itself on the lease table of KCL 3.5: who leads, and who reads what.
//!
//! `rows` are the rows of the lease table that are no leases: metrics of workers, the leader's lock, the version of the fleet.
//! `write` has their writes, and `table` is the port that reads and writes them. `leadership` says which worker leads, by the
//! lock; `lock_call` carries out what it asks for. The `planner` decides which worker is given which lease. `rule` says whether
//! the fleet follows the rule of KCL 3.x or that of 2.x; `version_row` creates the row that says it. `worker_metrics` measures this worker and reports it; `lease_watch` says
//! how long each lease has stood still, and `members` who is alive. By both, all workers find the leases that nobody reads, in
//! `turns`. `cleanup` says which ended leases are deleted. `participation` is what a worker does by all of this, and `decisions`
//! keeps what it has decided.

mod cleanup;
pub(crate) mod decisions;
pub(crate) mod leadership;
pub(crate) mod lease_watch;
pub(crate) mod lock_call;
pub(crate) mod members;
pub(crate) mod participation;
pub(crate) mod planner;
pub(crate) mod rows;
pub(crate) mod rule;
pub(crate) mod table;
pub(crate) mod turns;
pub(crate) mod version_row;
pub(crate) mod worker_metrics;
pub(crate) mod write;
