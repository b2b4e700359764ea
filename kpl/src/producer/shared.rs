//! What the producer's handles and its driver have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::budget::Permit;
use crate::error::{PutError, PutErrorKind};
use crate::foreign::wake;
use crate::lanes::contents::Volume;
use crate::lanes::intake::Intake;
use crate::lanes::{LaneTemplate, Lanes, Retired};
use crate::observe::stats::{Board, Stats};
use crate::receipt::Receipt;
use crate::receipt::attempt::Attempts;
use crate::record::Record;
use crate::record::doubts::{Doubt, Doubts};
use crate::record::limit::RecordLimit;
use crate::routing::Routing;

/// The lanes in use, and how to make others.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) template: LaneTemplate,
    /// How large a record may be.
    pub(crate) record_limit: RecordLimit,
    /// What was refused that the stream may take by now.
    pub(crate) doubts: Doubts,
    lanes: ArcSwap<Lanes>,
    intake: ArcSwap<Intake>,
    /// What the driver tells of the rest.
    pub(crate) board: Board,
    /// Set when the producer takes no more records.
    pub(crate) closing: CancellationToken,
    /// Set once the lanes are closed: however the producer ends, nobody waits for room after it.
    closed: CancellationToken,
    /// Callers that wait for room, of which open lanes may hold all that there is.
    waiting: AtomicUsize,
    /// How often one had to.
    waited: AtomicU64,
}

/// Counts a caller that waits for room, until it is dropped.
#[derive(Debug)]
pub(crate) struct WaitsForRoom<'a>(&'a AtomicUsize);

impl Drop for WaitsForRoom<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(template: LaneTemplate, record_limit: RecordLimit) -> Self {
        let lanes = Arc::new(Lanes::new(Routing::Undecided, &template));
        Self {
            template,
            record_limit,
            doubts: Doubts::default(),
            intake: ArcSwap::from_pointee(Intake::new(Arc::clone(&lanes))),
            lanes: ArcSwap::new(lanes),
            board: Board::default(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
            waiting: AtomicUsize::new(0),
            waited: AtomicU64::new(0),
        }
    }

    pub(crate) fn lanes(&self) -> arc_swap::Guard<Arc<Lanes>> {
        self.lanes.load()
    }

    /// Says that a caller waits for room.
    pub(crate) fn wait_for_room(&self) -> WaitsForRoom<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.waited.fetch_add(1, Ordering::Relaxed);
        self.template.handover.nudge();
        WaitsForRoom(&self.waiting)
    }

    /// How many callers wait for room.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a caller waits for room.
    pub(crate) fn is_short_of_room(&self) -> bool {
        self.waiting() > 0
    }

    /// Puts the record into the lane of its shard.
    pub(crate) fn append(&self, record: Record, mut permit: Permit<'_>) -> Result<Receipt, PutError> {
        let now = self.template.clock.monotonic();
        let user_record = record.as_user_record();
        loop {
            let lanes = self.lanes.load();
            match lanes.append(&user_record, permit, now) {
                Ok(seat) => {
                    if seat.index == 0 && self.is_short_of_room() {
                        // An aggregate was begun that others may have to have sealed.
                        self.template.handover.nudge();
                    }
                    return Ok(Receipt::new(seat.cohort, seat.index));
                }
                Err(_) if lanes.are_closed() => return Err(self.refuse(self.closed_reason(), record)),
                // The driver publishes new lanes before it retires the old ones, so this ends.
                Err(Retired(back)) => permit = back,
            }
        }
    }

    /// Notes that a refusal may be out of date, for the driver to find out.
    pub(crate) fn doubt(&self, doubt: Doubt) {
        if self.doubts.note(doubt) {
            self.template.handover.nudge();
        }
    }

    /// The record with the reason why it was not accepted.
    pub(crate) fn refuse(&self, kind: PutErrorKind, record: Record) -> PutError {
        PutError::new(kind, Arc::clone(&self.template.stream), record, Attempts::default())
    }

    /// Waits until no more records are taken; returns why.
    pub(crate) async fn closed(&self) -> PutErrorKind {
        self.closed.cancelled().await;
        self.closed_reason()
    }

    /// Why no more records are taken; `None` if they still are.
    pub(crate) fn why_closed(&self) -> Option<PutErrorKind> {
        self.closed.is_cancelled().then(|| self.closed_reason())
    }

    fn closed_reason(&self) -> PutErrorKind {
        if self.closing.is_cancelled() {
            PutErrorKind::ShutDown
        } else {
            PutErrorKind::TaskEnded
        }
    }

    /// Replaces the lanes by those of a new routing. Nothing happens to a producer that is closed.
    pub(crate) fn replace_lanes(&self, routing: Routing) {
        if !self.lanes.load().are_closed() {
            self.exchange_lanes(Lanes::new(routing, &self.template));
        }
    }

    /// Takes no record from now on, and lets nobody wait for room to put one; what the lanes hold is handed over.
    pub(crate) fn close_lanes(&self) {
        self.exchange_lanes(Lanes::closed(&self.template));
        wake(|| self.closed.cancel());
    }

    /// What was put so far.
    pub(crate) fn put(&self) -> Volume {
        self.intake.load().volume()
    }

    /// What has no outcome yet.
    pub(crate) fn outstanding(&self) -> Volume {
        let ended = self.board.ended();
        self.put().minus(ended)
    }

    /// A snapshot of everything. It locks no lane.
    pub(crate) fn stats(&self, now: Instant) -> Stats {
        let stats = self.board.stats(|| self.put(), now);
        let in_lanes = self.intake.load().oldest();
        let in_lanes = in_lanes.map(|at| now.saturating_duration_since(at));
        Stats {
            oldest_outstanding: stats.oldest_outstanding.max(in_lanes),
            budget: self.template.budget.in_use(),
            puts_waiting: self.waiting(),
            puts_waited: self.waited.load(Ordering::Relaxed),
            ..stats
        }
    }

    /// Only the driver comes here. While callers may meet either lanes, both are counted.
    fn exchange_lanes(&self, lanes: Lanes) {
        let lanes = Arc::new(lanes);
        let both = self.intake.load().with(Arc::clone(&lanes));
        self.intake.store(Arc::new(both));
        self.lanes.swap(lanes).retire();
        let rest = self.intake.load().without_retired();
        self.intake.store(Arc::new(rest));
    }
}
