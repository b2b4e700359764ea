//! What the producer's handles and its driver have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::attempt::Attempts;
use crate::budget::Charge;
use crate::clock;
use crate::error::{PutError, PutErrorKind};
use crate::lanes::{LaneTemplate, Lanes, Retired};
use crate::receipt::Receipt;
use crate::record::Record;
use crate::routing::Routing;

/// The lanes in use, and how to make others.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) template: LaneTemplate,
    lanes: ArcSwap<Lanes>,
    /// Set when the producer takes no more records.
    pub(crate) closing: CancellationToken,
    /// Callers that wait for room. While all of it is in open lanes, nothing but sealing these makes any.
    waiting: AtomicUsize,
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
    pub(crate) fn new(template: LaneTemplate) -> Self {
        let lanes = ArcSwap::from_pointee(Lanes::new(Routing::Undecided, &template));
        Self {
            template,
            lanes,
            closing: CancellationToken::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(crate) fn lanes(&self) -> arc_swap::Guard<Arc<Lanes>> {
        self.lanes.load()
    }

    /// Says that a caller waits for room.
    pub(crate) fn wait_for_room(&self) -> WaitsForRoom<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.template.handover.nudge();
        WaitsForRoom(&self.waiting)
    }

    /// Whether a caller waits for room.
    pub(crate) fn is_short_of_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Puts the record into the lane of its shard.
    pub(crate) fn append(&self, record: Record, mut charge: Charge) -> Result<Receipt, PutError> {
        let now = clock::now();
        let user_record = record.as_user_record();
        loop {
            let lanes = self.lanes.load();
            match lanes.append(&user_record, charge, now) {
                Ok(seat) => return Ok(Receipt::new(seat.cohort, seat.index)),
                Err(_) if lanes.are_closed() => return Err(self.refuse(self.closed_reason(), record)),
                // The driver publishes new lanes before it retires the old ones, so this ends.
                Err(Retired(back)) => charge = back,
            }
        }
    }

    /// The record with the reason why it was not accepted.
    pub(crate) fn refuse(&self, kind: PutErrorKind, record: Record) -> PutError {
        PutError::new(kind, Arc::clone(&self.template.stream), record, Attempts::default())
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
            self.lanes.swap(Arc::new(Lanes::new(routing, &self.template))).retire();
        }
    }

    /// Takes no record from now on; what the lanes hold is handed over.
    pub(crate) fn close_lanes(&self) {
        self.lanes.swap(Arc::new(Lanes::closed(&self.template))).retire();
    }
}
