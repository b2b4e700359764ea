//! The task of a producer: it carries facts into the pipeline and its wishes out.
//!
//! `errands` carries out what the pipeline asks for, by the `calls` to the service, `flushes` has the callers of `flush`, `report` feeds log,
//! statistics and metrics, and `repeats` keeps repeated failures from filling the log.

pub(crate) mod calls;
mod errands;
mod flushes;
mod repeats;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::{Clock, RangeFault, Tasks};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::errands::Finished;
use self::flushes::Flushes;
use self::repeats::Repeats;
use crate::driver::calls::Calls;
use crate::error::{PutError, PutErrorKind};
use crate::foreign::{contained, wake};
use crate::lanes::Handed;
use crate::limits::DROP_GRACE;
use crate::observe::event::{Event, Listener};
use crate::observe::metrics::Meter;
use crate::pipeline::{Input, Pipeline};
use crate::producer::shared::Shared;

/// How long an aggregate stays open, at most, while callers wait for room. Our choice: as long as by default in any case.
const SHORT_OF_ROOM_WAIT: Duration = Duration::from_millis(100);

/// What a producer asks of its driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer when everything accepted so far has its outcome.
    Flush(oneshot::Sender<()>),
    /// Take no more records, deliver until the deadline, give the rest back.
    Shutdown {
        deadline: Instant,
        report: oneshot::Sender<ShutdownReport>,
    },
}

/// What became of the records that a producer held when it was shut down.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How the producer ended.
    pub end: ShutdownEnd,
    /// User records that were delivered between the first call and the report; not those that were before.
    pub delivered: u64,
    /// The records that were not, with their reasons. Their receipts say the same.
    pub returned: Vec<PutError>,
}

/// How a producer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ShutdownEnd {
    /// Every record had its outcome before the deadline.
    Completed,
    /// The deadline came first; what was left is among the returned records.
    DeadlinePassed,
    /// There was nothing left to shut down: an earlier shutdown had ended it, or its task had, by a panic or with its
    /// runtime. Each receipt holds its own outcome.
    #[default]
    EndedBefore,
}

/// Code of the application that a producer calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    pub(crate) listener: Listener,
}

/// The ways by which a producer reaches the world outside.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) calls: Calls,
    pub(crate) meter: Meter,
    pub(crate) hooks: Hooks,
}

/// The producer's task.
#[derive(Debug)]
pub(crate) struct Driver {
    shared: Arc<Shared>,
    calls: Calls,
    pipeline: Pipeline,
    meter: Meter,
    repeats: Repeats,
    /// The faults of the newest list of shards.
    told_faults: Vec<RangeFault>,
    commands: mpsc::Receiver<Command>,
    running: JoinSet<Finished>,
    hooks: Hooks,
    /// Lanes with records in them, by the time at which these must leave. One entry for each lane.
    armed: BTreeSet<(Instant, usize)>,
    flushes: Flushes,
    draining: Option<Draining>,
}

#[derive(Debug)]
struct Draining {
    deadline: Instant,
    delivered_before: u64,
    reports: Vec<oneshot::Sender<ShutdownReport>>,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        pipeline: Pipeline,
        commands: mpsc::Receiver<Command>,
        ports: Ports,
    ) -> Self {
        let (running, armed, flushes) = (JoinSet::new(), BTreeSet::new(), Flushes::default());
        let Ports { calls, meter, hooks } = ports;
        Self {
            shared,
            calls,
            pipeline,
            meter,
            repeats: Repeats::default(),
            told_faults: Vec::new(),
            commands,
            running,
            hooks,
            armed,
            flushes,
            draining: None,
        }
    }

    /// Runs until the producer was shut down, or dropped, and everything has its outcome.
    pub(crate) async fn run(mut self) {
        loop {
            self.advance(self.now());
            if self.is_done(self.now()) {
                return self.finish();
            }
            let wake_at = self.wake_at();
            let wait = wake_at
                .unwrap_or_else(|| self.now())
                .saturating_duration_since(self.now());
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => self.on_command(command),
                () = self.shared.closing.cancelled(), if self.draining.is_none() => {
                    self.drain(self.now() + DROP_GRACE, None);
                }
                Some(finished) = self.running.join_next() => self.on_finished(finished),
                () = self.shared.template.handover.handed() => {}
                () = self.hooks.clock.sleep(wait), if wake_at.is_some() => {}
            }
        }
    }

    fn now(&self) -> Instant {
        self.hooks.clock.monotonic()
    }

    /// Carries what the lanes handed over into the pipeline, and out what it wants done.
    fn advance(&mut self, now: Instant) {
        self.seal_due_lanes(now);
        self.take_ready(now);
        if self.shared.is_short_of_room() {
            self.seal_for_room(now);
        }
        self.pipeline.handle_timeout(now, self.calls.wall_time());
        while let Some(output) = self.pipeline.poll_output() {
            self.perform(output);
        }
        self.publish(now);
        let pipeline = &self.pipeline;
        self.flushes.answer(|mark| pipeline.is_settled(mark));
    }

    /// Takes sealed aggregates and doubts; leaves an aggregate that a caller still frames.
    fn take_ready(&mut self, now: Instant) {
        self.take(self.shared.template.handover.take_ready(), now);
        for doubt in self.shared.doubts.take() {
            self.pipeline.on_refused_record(doubt, now);
        }
    }

    /// Takes everything that lanes have sealed.
    fn take_all(&mut self, now: Instant) {
        self.take(self.shared.template.handover.take_all(), now);
    }

    fn take(&mut self, handed: impl IntoIterator<Item = Handed>, now: Instant) {
        for handed in handed {
            match handed {
                Handed::Sealed(aggregate) => self.pipeline.handle(Input::Sealed(aggregate), now),
                Handed::Armed { lane, deadline } => drop(self.armed.insert((deadline, lane))),
            }
        }
    }

    /// Takes what retired lanes handed over, before what the lanes in their place may have sealed already.
    fn take_retired(&mut self, now: Instant) {
        self.take(self.shared.template.handover.take_all_by_lanes(), now);
    }

    /// Seals the lanes whose deadlines are no later than `by`. It looks at no others.
    fn seal_due_lanes(&mut self, by: Instant) {
        while let Some(&(deadline, lane)) = self.armed.first()
            && deadline <= by
        {
            self.armed.pop_first();
            let later = self.shared.lanes().seal_if_due(lane, by);
            self.armed.extend(later.map(|deadline| (deadline, lane)));
        }
    }

    /// Seals the aggregates that hold room for which callers wait. As long as the pipeline holds others, those may give
    /// room as well, and an open aggregate has a moment to grow: sealed at every turn, each would be of a single record.
    fn seal_for_room(&mut self, now: Instant) {
        let age = if self.pipeline.is_empty() {
            Duration::ZERO
        } else {
            SHORT_OF_ROOM_WAIT
        };
        let begun_by = now.checked_sub(age).unwrap_or(now);
        self.seal_due_lanes(self.shared.template.limits.deadline(begun_by));
        self.take_ready(now);
    }

    fn on_command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Flush(done) => {
                self.shared.lanes().seal_all();
                self.take_all(now);
                let mark = self.pipeline.mark(now);
                self.flushes.add(mark, done);
            }
            Command::Shutdown { deadline, report } => self.drain(deadline, Some(report)),
        }
    }

    /// Takes no more records and delivers what there is until the deadline.
    fn drain(&mut self, deadline: Instant, report: Option<oneshot::Sender<ShutdownReport>>) {
        wake(|| self.shared.closing.cancel());
        self.shared.close_lanes();
        let now = self.now();
        self.take_all(now);
        self.pipeline.mark(now);
        self.pipeline.report_failures();
        let delivered_before = self.pipeline.delivered();
        let draining = self.draining.get_or_insert_with(|| Draining {
            deadline,
            delivered_before,
            reports: Vec::new(),
        });
        draining.deadline = draining.deadline.min(deadline);
        draining.reports.extend(report);
    }

    fn wake_at(&self) -> Option<Instant> {
        let lanes = self.armed.first().map(|(deadline, _)| *deadline);
        let room = lanes.filter(|_| self.shared.is_short_of_room());
        let room = room.map(|deadline| self.shared.template.limits.begun(deadline) + SHORT_OF_ROOM_WAIT);
        let deadline = self.draining.as_ref().map(|draining| draining.deadline);
        let next_look = self.pipeline.tally().next_look_at();
        [lanes, room, self.pipeline.poll_timeout(), next_look, deadline]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_done(&self, now: Instant) -> bool {
        self.draining
            .as_ref()
            .is_some_and(|draining| self.pipeline.is_empty() || draining.deadline <= now)
    }

    fn finish(mut self) {
        let end = if self.pipeline.is_empty() {
            ShutdownEnd::Completed
        } else {
            ShutdownEnd::DeadlinePassed
        };
        let returned = self.pipeline.give_up(&PutErrorKind::ShutDown, self.now());
        let now = self.now();
        self.look_at_pending(0, now);
        self.publish(now);
        let Some(draining) = self.draining.take() else { return };
        for (reason, records) in self.pipeline.take_losses() {
            let reason = &reason;
            self.emit(&Event::RecordsLost { reason, records });
        }
        let delivered = self.pipeline.delivered();
        self.emit(&Event::Ended {
            delivered,
            returned: returned.len(),
        });
        let delivered = delivered - draining.delivered_before;
        let mut left = returned;
        for report in draining.reports {
            // The first caller gets the records, if it still waits.
            let told = ShutdownReport {
                end,
                delivered,
                returned: std::mem::take(&mut left),
            };
            wake(|| {
                if let Err(unheard) = report.send(told) {
                    left = unheard.returned;
                }
            });
        }
    }
}

/// However the task ends, also by a panic or with its runtime, no record enters after it and none waits for ever (P1).
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.close_lanes();
        self.publish_stats(self.now());
        let outstanding = self.shared.outstanding().records;
        if outstanding > 0 {
            self.emit(&Event::TaskEnded { outstanding });
        }
        contained(|| self.meter.show(0, 0)).unwrap_or_default();
        self.shared.board.close(self.shared.put());
        drop(self.shared.template.handover.take_all());
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests;
