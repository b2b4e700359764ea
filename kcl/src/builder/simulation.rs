//! The options of simulations and of tests that repeat a run. Not part of the API: they may change with any version.

use futures::future::BoxFuture;
use service::{Clock, Tasks};

use crate::builder::WorkerBuilder;

impl WorkerBuilder {
    /// The seed of all random choices, for tests that repeat a run. Default: random. The default
    /// [`worker_id`](Self::worker_id) is one of them: workers with the same seed need names of their own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Passes each task of the worker through `wrap`, together with its name, before it is spawned: to instrument it, or
    /// to freeze and kill a simulated process. The tasks are one
    /// `shard-consumer` and one `shard-source` for each lease, a `per-key` and `per-key-record`s for each shard of a
    /// [`PerKey`](crate::PerKey), a `shard-stream` for each [`ShardStream`](crate::ShardStream), in real time a `heartbeat`, and in virtual time
    /// `leases`, which in real time is a thread of its own; [`Worker::run`](crate::Worker::run) itself is the caller's.
    ///
    /// What `wrap` returns runs in the task's place. If it ends without having run the task to its end, the worker is
    /// dead, and only dropping [`Worker::run`](crate::Worker::run) ends it.
    /// Default: nothing is wrapped.
    pub fn wrap_tasks(
        mut self,
        wrap: impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.tasks = Tasks::wrapped_by(wrap);
        self
    }

    /// Reads the time from `clock`, for a simulation that gives each process its own. Default: the system's clocks.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}
