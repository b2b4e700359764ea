//! What a simulation has seen of calls, callers and troubles, for a judge of the run.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::Sim;
pub use super::plan::{Phase, Turn};
use super::world::World;
use crate::clock;
use crate::dispatch::Service;
use crate::kinesis::ShardId;

impl Sim {
    /// The time from the start of a simulation until its clock shows `shown`; zero before its start.
    pub fn elapsed_at(shown: SystemTime) -> Duration {
        clock::elapsed_at(shown)
    }

    /// The process whose call is being applied, or was last.
    pub fn caller(&self) -> Arc<str> {
        Arc::clone(&self.world.state().caller)
    }

    /// When that call was sent.
    pub fn called_at(&self) -> Duration {
        self.world.state().called_at
    }

    /// The beginnings and ends of troubles after the first `seen` ones.
    pub fn turns_after(&self, seen: usize) -> Vec<Turn> {
        self.world.state().turns.get(seen..).unwrap_or_default().to_vec()
    }

    /// The calls that were applied and whose callers do not know it, after the first `seen` ones.
    pub fn unacknowledged_after(&self, seen: usize) -> Vec<Unacknowledged> {
        self.world
            .state()
            .unacknowledged
            .get(seen..)
            .unwrap_or_default()
            .to_vec()
    }

    /// What was learnt of the stream, when, and by whom, after the first `seen` times. A process learns what it reads: while it
    /// stands still, nothing.
    pub fn learnt_after(&self, seen: usize) -> Vec<(Duration, Arc<str>, Lesson)> {
        self.world.state().learnt.get(seen..).unwrap_or_default().to_vec()
    }

    /// A handle that does not keep the simulation alive.
    pub fn downgrade(&self) -> WeakSim {
        WeakSim(Arc::downgrade(&self.world))
    }
}

/// A [`Sim`], if it is still there.
#[derive(Debug, Clone)]
pub struct WeakSim(Weak<World>);

impl WeakSim {
    /// The simulation; `None` after its last handle was dropped.
    pub fn upgrade(&self) -> Option<Sim> {
        self.0.upgrade().map(|world| Sim { world })
    }
}

/// What a process learnt of a stream from Kinesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// The stream does not exist.
    Missing {
        /// When the answer came. A process that stood still then reads it later.
        answered: Duration,
    },
    /// Its open shards.
    Shards {
        /// When the process asked.
        asked: Duration,
        /// When they were these.
        as_of: Duration,
    },
    /// An iterator at `LATEST` was made for this shard: reading begins with what is stored after that. The time is that of the
    /// service, whether or not a reply comes.
    BeginsAtLatest(ShardId),
}

/// A call that was applied, and that its caller repeats because no reply came in time.
#[derive(Debug, Clone)]
pub struct Unacknowledged {
    /// The process that made it.
    pub caller: Arc<str>,
    /// The service that applied it.
    pub service: Service,
    /// The name of the operation.
    pub operation: String,
    /// When it was applied, since the start.
    pub applied: Duration,
    /// Why the caller does not know it.
    pub because: Missed,
}

/// Why a caller does not know that its call was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// No reply came in time.
    NoReply,
    /// The reply came while the caller stood still: the lease that it renewed may have run out, by the caller's clock, before
    /// the caller read it.
    Late,
    /// The network doubled the request: this is the second time that it was applied. The first may have been refused,
    /// as a whole or in part.
    Doubled,
}
