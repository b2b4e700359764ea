//! Who is told what the worker does.

use metrics::Recorder;

use crate::builder::WorkerBuilder;
use crate::event::Event;
use crate::metrics::{MetricsGranularity, MetricsLevel, SharedRecorder};
use crate::observers::Listener;

impl WorkerBuilder {
    /// Calls `listen` with each [`Event`], after it was logged. It is called by the tasks and the lease thread of the worker,
    /// several at a time, so it must not block; a panic in it is contained. Default: events go to the log alone.
    pub fn on_event(mut self, listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listen);
        self
    }

    /// How much the worker tells of itself through the [`metrics`](crate::metrics) facade. It costs next to nothing as long as
    /// the process has installed no recorder. Default: [`MetricsLevel::Detailed`], the KCL's.
    #[doc(alias = "metricsLevel")]
    pub fn metrics_level(mut self, level: MetricsLevel) -> Self {
        self.config.metrics.level = level;
        self
    }

    /// Of what there are series of its own. Each shard has up to 14 series, which most monitoring services charge for;
    /// [`WorkerControl::shards`](crate::WorkerControl::shards) shows the state and the lag of each shard for nothing. Default:
    /// [`MetricsGranularity::Application`] (the KCL's is `Shard`).
    #[doc(alias = "metricsEnabledDimensions")]
    pub fn metrics_granularity(mut self, granularity: MetricsGranularity) -> Self {
        self.config.metrics.granularity = granularity;
        self
    }

    /// The recorder that gets the series, in place of the one of the process: for tests, and for workers that report to
    /// different places. It is one of the crate `metrics` 0.24. Default: the one that `metrics::set_global_recorder` has
    /// installed when the worker is built, if any.
    #[doc(alias = "metricsFactory")]
    pub fn metrics_recorder(mut self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        self.recorder = SharedRecorder::new(recorder);
        self
    }
}
