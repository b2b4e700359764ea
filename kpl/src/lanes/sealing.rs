//! From a lane's buffers to a Kinesis record: framed and hashed outside of the lane's lock.
//!
//! Under its lock a lane only gives its buffers away, in its place in the queue of the handover. Whoever comes first then
//! frames them: the caller whose record filled the aggregate, or the driver. So no second caller waits for the hash, and
//! no two aggregates swap their places.

use std::sync::Arc;

use crate::budget::Charge;
use crate::lanes::aggregate::{SealedAggregate, Sealing};
use crate::lanes::buffers::{Buffer, Buffers};
use crate::routing::shard_map::Epoch;
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

    /// By which shard map it was built.
    fn epoch(&self) -> Option<Epoch> {
        let target = self.0.as_ref().and_then(|parts| parts.sealing.target.as_ref());
        target.map(|target| target.epoch)
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
            mut sealing,
            rest: Rest { buffers, largest, owed },
        } = self;
        let record = buffer.encoder.seal();
        buffers.give_back(buffer, largest);
        Charge::forgive(&mut sealing.charge, owed);
        record.map(|record| SealedAggregate::new(record, sealing))
    }
}

impl Drop for Unframed {
    fn drop(&mut self) {
        drop(self.0.take().and_then(Parts::frame));
    }
}

/// A sealed aggregate in its place in the queue, framed or about to be. Its clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Pledge {
    stage: Arc<Mutex<Stage>>,
    epoch: Option<Epoch>,
}

#[derive(Debug)]
enum Stage {
    Unframed(Unframed),
    Framed(SealedAggregate),
    /// The driver has it; or a panic has cost its receipts their records.
    Gone,
}

impl Pledge {
    pub(super) fn new(unframed: Unframed) -> Self {
        let epoch = unframed.epoch();
        let stage = Arc::new(Mutex::new(Stage::Unframed(unframed)));
        Self { stage, epoch }
    }

    /// The shard map by which it was sealed.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// Frames it, unless somebody else has.
    pub(super) fn frame(&self) {
        lock(&self.stage).frame();
    }

    /// Takes it, after waiting for whoever is framing it.
    pub(super) fn take(&self) -> Option<SealedAggregate> {
        lock(&self.stage).take()
    }

    /// Whether nobody is framing it right now. Whoever is will wake the driver.
    pub(super) fn is_free(&self) -> bool {
        try_lock(&self.stage).is_some()
    }

    /// Holds it as whoever frames it does.
    #[cfg(test)]
    #[cfg(not(feature = "_loom"))]
    pub(super) fn hold(&self) -> impl Sized + '_ {
        lock(&self.stage)
    }
}

impl Stage {
    fn frame(&mut self) {
        if let Self::Unframed(unframed) = self {
            let framed = Unframed::frame(Unframed(unframed.0.take()));
            *self = framed.map_or(Self::Gone, Self::Framed);
        }
    }

    fn take(&mut self) -> Option<SealedAggregate> {
        self.frame();
        match std::mem::replace(self, Self::Gone) {
            Self::Framed(aggregate) => Some(aggregate),
            Self::Unframed(_) | Self::Gone => None,
        }
    }
}
