//! Pure: what is counted in a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::cause::Cause;
use super::rare::Rare;
use super::seconds::Seconds;

/// What was counted in a run. Records are user records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Records that producers accepted.
    pub accepted: u64,
    /// Records whose receipts said that they were stored.
    pub delivered: u64,
    /// Records given back, by reason.
    pub returned: BTreeMap<String, u64>,
    /// Accepted records whose outcomes were not told.
    pub open: u64,
    /// Stored copies of records.
    pub stored: u64,
    /// Copies beyond the first of a record, by their causes.
    pub stored_again: BTreeMap<String, u64>,
    /// Records that handlers were called with, duplicates included.
    pub offered: u64,
    /// Records that were offered again, by cause.
    pub offered_again: BTreeMap<Cause, u64>,
    /// Records that a handler still had to process at the end.
    pub unread: u64,
    /// Records that the service forgot before a handler had processed them.
    pub trimmed_unread: u64,
    /// Records that were passed over, by how.
    pub passed_over: BTreeMap<String, u64>,
    /// Shards that were halted.
    pub halted: u64,
    /// Ownerships that began.
    pub ownerships: u64,
    /// Writes to the lease table.
    pub lease_writes: u64,
    /// Leases that passed from one worker to another.
    pub lease_moves: u64,
    /// Faults, by name.
    pub faults: BTreeMap<String, u64>,
    /// The time from the end of the last fault, or the death of a worker, until what was stored then was processed and
    /// each open shard's lease owned by a living worker. `None` if there was none, or if that never came.
    pub recovery: Option<Duration>,
    /// Tasks that outlived the shutdown.
    pub tasks_left: u64,
    /// How often each rare state was reached.
    pub rare: BTreeMap<Rare, u64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "producers: {} accepted, {} delivered, {} returned{}, {} open; {} copies stored, of which again{}",
            self.accepted,
            self.delivered,
            self.returned.values().sum::<u64>(),
            Parts(&self.returned),
            self.open,
            self.stored,
            Parts(&self.stored_again),
        )?;
        writeln!(
            f,
            "consumers: {} offered, of which again{}; {} unread, {} trimmed unread, passed over{}, {} shards halted",
            self.offered,
            Parts(&self.offered_again),
            self.unread,
            self.trimmed_unread,
            Parts(&self.passed_over),
            self.halted,
        )?;
        writeln!(
            f,
            "leases: {} ownerships, {} moves, {} writes; {} tasks left",
            self.ownerships, self.lease_moves, self.lease_writes, self.tasks_left,
        )?;
        write!(f, "faults{}; ", Parts(&self.faults))?;
        match self.recovery {
            Some(time) => write!(f, "recovered in {}", Seconds(time)),
            None => f.write_str("no recovery"),
        }
    }
}

/// Counts by name, in brackets.
struct Parts<'a, K>(&'a BTreeMap<K, u64>);

impl<K: fmt::Display> fmt::Display for Parts<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(" (none)");
        }
        for (place, (name, count)) in self.0.iter().enumerate() {
            write!(f, "{}{count} {name}", if place == 0 { " (" } else { ", " })?;
        }
        f.write_str(")")
    }
}
