//! From a lane's buffers to a Kinesis record: framed and hashed outside of the lane's lock.
//!
//! Under its lock a lane only gives its buffers away, in its place in the queue of the handover. The caller whose record filled
//! the aggregate frames it, or the driver, if it takes the aggregate first. So no second caller waits for the hash, and no two
//! aggregates swap their places.

use std::sync::Arc;

use crate::lanes::aggregate::{SealedAggregate, Sealing};
use crate::lanes::buffers::{Buffer, Buffers};
use crate::sync::{Mutex, lock, try_lock};

/// An aggregate as its lane gives it away: its buffers, and what is known of its records. Dropping it fails their receipts.
#[derive(Debug)]
pub(crate) struct Unframed(Option<Parts>);

#[derive(Debug)]
struct Parts {
    buffer: Buffer,
    sealing: Sealing,
    rest: Rest,
}

/// Where the buffers go, and what they were charged.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) buffers: Arc<Buffers>,
    /// The largest buffer that is worth keeping.
    pub(crate) largest: usize,
    /// Bytes that were charged for the buffers.
    pub(crate) owed: usize,
}

impl Unframed {
    pub(crate) fn new(buffer: Buffer, sealing: Sealing, rest: Rest) -> Self {
        Self(Some(Parts { buffer, sealing, rest }))
    }

    /// Assembles and hashes the Kinesis record; `None` only if there are no records.
    pub(crate) fn frame(mut self) -> Option<SealedAggregate> {
        self.0.take().and_then(Parts::frame)
    }
}

impl Parts {
    fn frame(self) -> Option<SealedAggregate> {
        let Self {
            mut buffer,
            sealing,
            rest: Rest { buffers, largest, owed },
        } = self;
        let record = buffer.encoder.seal();
        // From here on a panic fails its receipts: room that is given back wakes callers, whose wakers may panic.
        let aggregate = record.map(|record| SealedAggregate::new(record, sealing));
        buffers.give_back(buffer, largest);
        aggregate.map(|aggregate| aggregate.forgiven(owed))
    }
}

impl Drop for Unframed {
    fn drop(&mut self) {
        drop(self.0.take().and_then(Parts::frame));
    }
}

/// A sealed aggregate in its place in the queue, framed or about to be. Its clones are one. It is locked while it is framed.
#[derive(Debug, Clone)]
pub(crate) struct Pledge(Arc<Mutex<Stage>>);

#[derive(Debug)]
enum Stage {
    Unframed(Unframed),
    Framed(SealedAggregate),
    /// The driver took it, or framing it panicked.
    Gone,
}

impl Pledge {
    pub(super) fn new(unframed: Unframed) -> Self {
        Self(Arc::new(Mutex::new(Stage::Unframed(unframed))))
    }

    /// Frames it, unless the driver has taken it.
    pub(super) fn frame(&self) {
        let mut stage = lock(&self.0);
        if let Stage::Unframed(unframed) = std::mem::replace(&mut *stage, Stage::Gone) {
            *stage = unframed.frame().map_or(Stage::Gone, Stage::Framed);
        }
    }

    /// Takes it. Blocks while another thread frames it.
    pub(super) fn claim(&self) -> Claimed {
        Claimed(std::mem::replace(&mut *lock(&self.0), Stage::Gone))
    }

    /// Takes it, unless another thread frames it; that thread wakes the driver afterwards.
    pub(super) fn try_claim(&self) -> Option<Claimed> {
        try_lock(&self.0).map(|mut stage| Claimed(std::mem::replace(&mut *stage, Stage::Gone)))
    }

    /// Whether no thread frames it.
    #[cfg(test)]
    #[cfg(not(feature = "_loom"))]
    pub(super) fn is_free(&self) -> bool {
        try_lock(&self.0).is_some()
    }

    /// Holds it as a thread does that frames it.
    #[cfg(test)]
    #[cfg(not(feature = "_loom"))]
    pub(super) fn hold(&self) -> impl Sized + '_ {
        lock(&self.0)
    }
}

/// An aggregate that the driver has taken out of its place, and nobody else can reach.
pub(super) struct Claimed(Stage);

impl Claimed {
    /// Frames it, if no caller has. `None` if framing it panicked.
    pub(super) fn framed(self) -> Option<SealedAggregate> {
        match self.0 {
            Stage::Unframed(unframed) => unframed.frame(),
            Stage::Framed(aggregate) => Some(aggregate),
            Stage::Gone => None,
        }
    }
}
