//! The options of simulations and of tests that repeat a run. Not part of the API: they may change with any version.

use futures::future::BoxFuture;
use service::{Clock, Tasks};

use super::ProducerBuilder;

impl ProducerBuilder {
    /// The seed of the jitter, for tests that repeat a run. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Passes each task of the producer through `wrap`, together with its name, before it is spawned: to instrument it, or
    /// to freeze and kill a simulated process. The tasks are `driver`, one `put-records` for each request, one
    /// `wait-for-room` for each request that finds no room for its copies, one `list-shards` for each look at the shards,
    /// and one `describe-stream-summary` for each look at the stream's description.
    ///
    /// What `wrap` returns runs in the task's place. If the task is dropped before its end, or it or its wrapper panics:
    ///
    /// * without its `driver` the producer is dead, and what it held is given back as
    ///   [`TaskEnded`](crate::PutErrorKind::TaskEnded);
    /// * a call has failed without an answer, so that its records may have been stored; it is made again like any that
    ///   failed;
    /// * `wait-for-room` goes on without its wrapper.
    ///
    /// Default: nothing is wrapped.
    pub fn wrap_tasks(
        mut self,
        wrap: impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.tasks = Tasks::wrapped_by(wrap);
        self
    }

    /// Reads the time from `clock`, for a simulation that gives each process its own. Default: the system's clocks.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.hooks.clock = clock;
        self
    }
}
