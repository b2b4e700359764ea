//! The bound on what a producer holds: bytes and records, from `put` to the outcome.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::stats::BudgetUse;

/// How much a producer, or several that share it, may hold at a time.
///
/// A record is charged its data, its partition key and 64 bytes of bookkeeping when [`put`](crate::Producer::put)
/// accepts it, and credited when its outcome is known, however long the service is away. While nothing is left, `put`
/// waits in order and [`try_put`](crate::Producer::try_put) gives the record back.
///
/// Producers that share a budget wait in one line. One that waits sends its own open aggregates at once; those of the
/// others leave when they are full or due. The budget is not divided among them: the records of a stream that is down
/// stay in it until they have their outcome, and may come to hold all of it. Streams that must not hold each other up
/// need a budget each.
///
/// What the SDK holds of the requests in flight, about 3.3 bytes for each byte sent, comes on top, and is bounded by
/// [`max_bytes_in_flight`](crate::ProducerBuilder::max_bytes_in_flight).
#[derive(Debug, Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes: Semaphore,
    records: Semaphore,
    max_bytes: u32,
    max_records: u32,
}

/// What is asked of a budget at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) records: u32,
    pub(crate) bytes: usize,
}

impl Room {
    /// That of one record of `cost` bytes.
    pub(crate) fn of(cost: usize) -> Self {
        Self {
            records: 1,
            bytes: cost,
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl Budget {
    /// A budget of so many bytes (at most 4 GiB − 1) and records (at least one of each).
    pub fn new(max_bytes: u32, max_records: u32) -> Self {
        let (max_bytes, max_records) = (max_bytes.max(1), max_records.max(1));
        let inner = Inner {
            bytes: Semaphore::new(max_bytes as usize),
            records: Semaphore::new(max_records as usize),
            max_bytes,
            max_records,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether `room` could be had at all, if nobody else held any.
    pub(crate) fn is_enough_for(&self, room: Room) -> bool {
        room.bytes <= self.inner.max_bytes as usize && room.records <= self.inner.max_records
    }

    /// How much of it is in use right now.
    pub(crate) fn in_use(&self) -> BudgetUse {
        let Inner {
            bytes,
            records,
            max_bytes,
            max_records,
        } = &*self.inner;
        let (max_bytes, max_records) = (*max_bytes as usize, *max_records as usize);
        BudgetUse {
            records: max_records.saturating_sub(records.available_permits()),
            max_records,
            bytes: max_bytes.saturating_sub(bytes.available_permits()),
            max_bytes,
        }
    }

    /// Waits for room, first come, first served. Dropping the future takes nothing.
    pub(crate) async fn acquire(&self, room: Room) -> Charge {
        let (count, bytes) = self.chargeable(room);
        let Inner {
            records, bytes: room, ..
        } = &*self.inner;
        // The semaphores are never closed; a permit that is dropped half-way goes back.
        let (Ok(record), Ok(room)) = (records.acquire_many(count).await, room.acquire_many(bytes).await) else {
            return Charge::none(self.clone());
        };
        record.forget();
        room.forget();
        self.charged(count, bytes)
    }

    /// Takes room for one record of `cost` bytes if there is some right now.
    pub(crate) fn try_acquire(&self, cost: usize) -> Option<Charge> {
        self.try_acquire_room(Room::of(cost))
    }

    /// Takes room if there is some right now.
    pub(crate) fn try_acquire_room(&self, room: Room) -> Option<Charge> {
        let (count, bytes) = self.chargeable(room);
        let record = self.inner.records.try_acquire_many(count).ok()?;
        let room = self.inner.bytes.try_acquire_many(bytes).ok()?;
        record.forget();
        room.forget();
        Some(self.charged(count, bytes))
    }

    fn charged(&self, records: u32, bytes: u32) -> Charge {
        Charge {
            budget: self.clone(),
            bytes: bytes as usize,
            records: records as usize,
        }
    }

    /// What is larger than the whole budget is charged all of it, so that it can pass at all, alone.
    fn chargeable(&self, room: Room) -> (u32, u32) {
        let bytes = u32::try_from(room.bytes).unwrap_or(u32::MAX);
        (
            room.records.min(self.inner.max_records),
            bytes.min(self.inner.max_bytes),
        )
    }
}

/// 64 MiB and 500,000 records.
impl Default for Budget {
    fn default() -> Self {
        Self::new(64 * 1024 * 1024, 500_000)
    }
}

/// Room taken from a budget; dropping it gives the room back.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    bytes: usize,
    records: usize,
}

impl Charge {
    /// Nothing of `budget`.
    pub(crate) fn none(budget: Budget) -> Self {
        Self {
            budget,
            bytes: 0,
            records: 0,
        }
    }

    /// Adds `other`, which must be of the same budget.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.records += std::mem::take(&mut other.records);
    }

    /// Leaves nothing behind and returns all of it.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::none(self.budget.clone()))
    }

    /// Moves one record of `cost` bytes (or what is left of them) into a charge of its own.
    pub(crate) fn split_record(&mut self, cost: usize) -> Self {
        let bytes = cost.min(self.bytes);
        let records = self.records.min(1);
        self.bytes -= bytes;
        self.records -= records;
        Self {
            budget: self.budget.clone(),
            bytes,
            records,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.inner.bytes.add_permits(self.bytes);
        self.budget.inner.records.add_permits(self.records);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn what_was_charged_comes_back_when_the_charge_is_dropped() {
        let budget = Budget::new(100, 10);
        let mut first = budget.try_acquire(60).unwrap();
        assert!(budget.try_acquire(60).is_none());
        first.absorb(budget.try_acquire(40).unwrap());
        assert!(budget.try_acquire(1).is_none());
        drop(first);
        assert!(budget.try_acquire(100).is_some());
    }

    #[test]
    fn a_refused_acquire_takes_no_record_permit() {
        let budget = Budget::new(10, 1);
        let all = budget.try_acquire(10).unwrap();
        assert!(budget.try_acquire(1).is_none());
        drop(all);
        assert!(budget.try_acquire(1).is_some());
    }

    #[test]
    fn a_record_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(10, 5);
        let giant = budget.try_acquire(1_000).unwrap();
        assert!(budget.try_acquire(1).is_none());
        drop(giant);
        assert!(budget.try_acquire(1).is_some());
    }

    #[test]
    fn splitting_a_charge_loses_nothing() {
        let budget = Budget::new(100, 10);
        let mut whole = budget.try_acquire(30).unwrap();
        whole.absorb(budget.try_acquire(70).unwrap());
        let part = whole.split_record(30);
        drop(whole);
        assert!(budget.try_acquire(71).is_none());
        drop(part);
        assert!(budget.try_acquire(100).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_much_is_not_overtaken_by_those_who_want_little() {
        let budget = Budget::new(10, 5);
        let first = budget.acquire(Room::of(6)).await;
        let mut large = pin!(budget.acquire(Room { records: 4, bytes: 10 }));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(
            budget.try_acquire(1).is_none(),
            "what is left is kept for the one that waits"
        );
        let small = budget.acquire(Room::of(1));
        drop(first);
        drop(large.await);
        drop(small.await);
        assert!(budget.try_acquire(10).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_acquire_that_is_dropped_takes_nothing() {
        let budget = Budget::new(10, 5);
        let all = budget.acquire(Room::of(10)).await;
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), budget.acquire(Room::of(5))).await;
        assert!(waiting.is_err());
        drop(all);
        assert!(budget.try_acquire(10).is_some());
    }
}
