//! The future of one accepted record.
//!
//! Receipts of one aggregate share a `cohort`, which gets one `outcome` with its `attempt`s; each is told whether its
//! record was `delivered`, and where.

pub(crate) mod attempt;
pub(crate) mod cohort;
mod delivered;
pub(crate) mod outcome;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub use self::delivered::Delivered;

use crate::error::PutError;
use crate::receipt::cohort::Cohort;

/// A promise for one accepted record: it resolves exactly once, to where the record was stored or to why it was not,
/// and in the latter case gives the record back.
///
/// # Cancellation
///
/// Dropping a receipt cancels nothing and costs nothing: the record is delivered all the same. Nothing is kept of the task
/// that waited for it.
#[must_use = "a receipt tells whether the record was delivered; drop it explicitly if that does not matter"]
pub struct Receipt {
    cohort: Arc<Cohort>,
    index: u32,
    waits: Waits,
}

/// Whether the cohort has a waker of the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    No,
    Yes,
}

impl Receipt {
    pub(crate) fn new(cohort: Arc<Cohort>, index: u32) -> Self {
        Self {
            cohort,
            index,
            waits: Waits::No,
        }
    }
}

impl Future for Receipt {
    type Output = Result<Delivered, PutError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waits = Waits::Yes;
        let (outcome, position) = ready!(self.cohort.poll(self.index, cx));
        self.waits = Waits::No;
        Poll::Ready(outcome.for_record(position))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.waits == Waits::Yes {
            self.cohort.forget(self.index);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
