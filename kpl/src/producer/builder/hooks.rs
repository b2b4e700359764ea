//! The option by which a producer calls the application.

use super::ProducerBuilder;
use crate::observe::event::{Event, Listener};

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
}
