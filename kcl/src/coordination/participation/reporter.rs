//! Writes the metrics row of this worker.

use tokio_util::sync::CancellationToken;

use super::{CALL_TIMEOUT, Context};
use crate::coordination::worker_metrics::MetricSource;
use crate::coordination::worker_metrics::recorder::{MetricsIdentity, Recorder, Work};
use crate::coordination::write::{FleetOutcome, FleetWrite};
use crate::event::FleetEvent;
use crate::lease::renewer::timed_out;
use crate::lease::table::service_time;

/// How often the row is tried to be deleted. Our choice: others take the worker for alive for a minute if it stays.
const DELETE_TRIES: u32 = 3;

/// Measures this worker and reports it.
#[derive(Debug)]
pub(crate) struct Reporter {
    context: Context,
    sources: Vec<Box<dyn MetricSource>>,
    recorder: Recorder,
    /// The time in the row that was written last: seconds since the Unix epoch.
    written: Option<u64>,
}

impl Reporter {
    pub(crate) fn new(
        context: Context,
        max_leases: Option<usize>,
        sources: Vec<Box<dyn MetricSource>>,
        rng: &mut fastrand::Rng,
    ) -> Self {
        let identity = MetricsIdentity {
            worker: context.worker.clone(),
            started: service_time(&*context.table, &context.clock, &context.observers),
            max_leases,
        };
        let metrics = sources.iter().map(|source| (source.name(), source.limit()));
        let recorder = Recorder::new(identity, metrics, context.clock.now(), rng);
        Self {
            context,
            recorder,
            sources,
            written: None,
        }
    }

    /// Measures and reports until `stop` is set; then deletes the row.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.context.clock.sleep_until(Some(self.recorder.next_at())) => {}
            }
            match self.recorder.next(self.context.clock.now()) {
                Some(Work::Capture) => self.capture().await,
                Some(Work::Report) => self.report().await,
                None => {}
            }
        }
        self.retire().await;
    }

    async fn capture(&mut self) {
        let clock = &self.context.clock;
        for source in &mut self.sources {
            let name = source.name().to_owned();
            if let Some(sample) = clock.timeout(CALL_TIMEOUT, source.sample(clock.now())).await {
                self.recorder.sampled(&name, &sample);
            }
        }
    }

    /// Writes the row. A worker that may not write it may write no lease either, and would not notice while it holds none.
    pub(super) async fn report(&mut self) {
        let Context {
            table,
            clock,
            observers,
            health,
            ..
        } = &self.context;
        let row = self.recorder.report(service_time(&**table, clock, observers));
        let updated = row.updated;
        match write(&self.context, &FleetWrite::Report(row)).await {
            FleetOutcome::Applied | FleetOutcome::Refused(_) => {
                health.reports.over();
                self.written = Some(updated);
            }
            FleetOutcome::Unknown(error) => {
                health.reports.met(error, clock.now());
                self.written = Some(updated);
            }
            FleetOutcome::NotApplied(error) => health.reports.met(error, clock.now()),
        }
    }

    async fn retire(&mut self) {
        let Some(updated) = self.written else {
            return;
        };
        let worker = self.context.worker.clone();
        let delete = FleetWrite::DeleteMetrics { worker, updated };
        for _ in 0..DELETE_TRIES {
            match write(&self.context, &delete).await {
                // Refused: another process with this id has written it since, or it is gone.
                FleetOutcome::Applied | FleetOutcome::Refused(_) => return,
                FleetOutcome::NotApplied(_) | FleetOutcome::Unknown(_) => {}
            }
        }
    }
}

async fn write(context: &Context, write: &FleetWrite) -> FleetOutcome {
    let outcome = context
        .clock
        .timeout(CALL_TIMEOUT, context.table.write_fleet(write))
        .await;
    let unknown = || FleetOutcome::Unknown(timed_out("a write of the metrics row", CALL_TIMEOUT));
    let outcome = outcome.unwrap_or_else(unknown);
    if let FleetOutcome::NotApplied(error) | FleetOutcome::Unknown(error) = &outcome {
        context.observers.tell(FleetEvent::RowNotWritten {
            row: "the metrics row of this worker",
            error: service::chain(error),
            repeated: 0,
        });
    }
    outcome
}
