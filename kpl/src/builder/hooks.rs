//! The options by which a producer calls the application.

use futures::future::BoxFuture;
use service::{Clock, Tasks};

use super::ProducerBuilder;
use crate::event::{Event, Listener};

impl ProducerBuilder {
    /// Calls `listen` with each event, beside the log: to count hot shards, say, or to raise an alarm.
    ///
    /// It runs in the producer's task, which does nothing else meanwhile: it must neither block nor take long. What
    /// [`build`](Self::build) warns of it hears on the thread that builds, and
    /// [`TaskEnded`](Event::TaskEnded) where the task is dropped, perhaps by a runtime that ends. A panic in it costs the
    /// event and nothing else. It must not hold the producer itself, which would then never be the last to be dropped.
    ///
    /// A second call replaces the first. Default: nobody listens.
    pub fn on_event(mut self, listen: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.hooks.listener = Listener::new(listen);
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
    #[doc(hidden)]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.hooks.clock = clock;
        self
    }
}
