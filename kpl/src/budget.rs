//! The bound on what a producer holds: bytes and records, from `put` to the outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::limits::{COPIED_BYTES_PER_ENTRY, COPY_TENTHS};
use crate::stats::BudgetUse;

/// How much memory a producer, or several that share it, may hold at a time.
///
/// One half is for **records**. A record is charged its data, its partition key and 64 bytes of bookkeeping when
/// [`put`](crate::Producer::put) accepts it, and each Kinesis record that is begun another 1,536, for its own and for the
/// history of its attempts. All of it is credited when the outcome is known, however long the service is away. While
/// nothing is left, `put` waits in order and [`try_put`](crate::Producer::try_put) gives the record back.
///
/// The other half is for the **copies** that the SDK makes of the requests under way: about 3.3 bytes for each byte sent,
/// and 660 for each Kinesis record. A request that finds no room for them waits for the answers to others. None is larger
/// than that half allows, unless it is of a single record; such a one is sent when no other is under way.
///
/// So a producer holds no more than its budget, and beside it what does not grow with the records:
///
/// * the buffers of the open aggregates, up to twice [`aggregation_max_size`](crate::ProducerBuilder::aggregation_max_size)
///   for each shard;
/// * while a request is written, what its buffer grows by: up to 3.5 bytes for each byte of it, on each thread of the
///   runtime;
/// * the outcomes that nobody has asked for yet. A record that is given back is held by its receipt.
///
/// The exception is a queue of aggregates whose stream begins to distribute records by itself. These are taken apart into
/// Kinesis records of one record each, all of which are charged then: nothing is accepted until they fit again.
///
/// Producers that share a budget wait in one line. One that waits sends its own open aggregates at once; those of the
/// others leave when they are full or due. The budget is not divided among them: the records of a stream that is down
/// stay in it until they have their outcome, and may come to hold all of it. Streams that must not hold each other up
/// need a budget each.
#[derive(Debug, Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes: Semaphore,
    records: Semaphore,
    copies: Semaphore,
    max_bytes: u32,
    max_records: u32,
    max_copies: u32,
    /// Bytes of records that were charged without waiting while there were none. What comes back pays them first.
    debt: AtomicUsize,
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
        let (half, max_records) = ((max_bytes / 2).max(1), max_records.max(1));
        let inner = Inner {
            bytes: Semaphore::new(half as usize),
            records: Semaphore::new(max_records as usize),
            copies: Semaphore::new(half as usize),
            max_bytes: half,
            max_records,
            max_copies: half,
            debt: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether `room` could be had at all, if nobody else held any.
    pub(crate) fn is_enough_for(&self, room: Room) -> bool {
        room.bytes <= self.inner.max_bytes as usize && room.records <= self.inner.max_records
    }

    /// How much of it is in use right now.
    pub(crate) fn in_use(&self) -> BudgetUse {
        let Inner { debt, .. } = &*self.inner;
        let used = |max: u32, room: &Semaphore| (max as usize).saturating_sub(room.available_permits());
        BudgetUse {
            records: used(self.inner.max_records, &self.inner.records),
            max_records: self.inner.max_records as usize,
            bytes: used(self.inner.max_bytes, &self.inner.bytes) + debt.load(Ordering::Relaxed),
            max_bytes: self.inner.max_bytes as usize,
            copied_bytes: used(self.inner.max_copies, &self.inner.copies),
            max_copied_bytes: self.inner.max_copies as usize,
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

    /// The largest request in bytes that has room for its copies.
    pub(crate) fn largest_request(&self) -> usize {
        (self.inner.max_copies as usize / COPY_TENTHS * 10).saturating_sub(COPIED_BYTES_PER_ENTRY)
    }

    /// Takes room for the copies of a request if there is some right now.
    pub(crate) fn try_acquire_copies(&self, request: Cargo) -> Option<Copies> {
        let bytes = self.copies_of(request);
        self.inner.copies.try_acquire_many(bytes).ok()?.forget();
        Some(self.copying(bytes))
    }

    /// Waits for room for the copies of a request, first come, first served. Dropping the future takes nothing.
    pub(crate) async fn acquire_copies(self, request: Cargo) -> Copies {
        let bytes = self.copies_of(request);
        // The semaphore is never closed.
        match self.inner.copies.acquire_many(bytes).await {
            Ok(room) => room.forget(),
            Err(_) => return self.copying(0),
        }
        self.copying(bytes)
    }

    /// What is larger than all the room is charged all of it, so that it can pass at all, alone.
    fn copies_of(&self, request: Cargo) -> u32 {
        let copied = request
            .bytes
            .saturating_add(request.entries.saturating_mul(COPIED_BYTES_PER_ENTRY));
        let bytes = u32::try_from(copied.saturating_mul(COPY_TENTHS) / 10).unwrap_or(u32::MAX);
        bytes.min(self.inner.max_copies)
    }

    fn copying(&self, bytes: u32) -> Copies {
        Copies {
            budget: self.clone(),
            bytes: bytes as usize,
        }
    }

    /// Takes bytes, whether or not there are any.
    fn owe(&self, bytes: usize) {
        let taken = self.inner.bytes.forget_permits(bytes);
        self.inner
            .debt
            .fetch_add(bytes.saturating_sub(taken), Ordering::Relaxed);
    }

    /// Gives bytes back, to debts first.
    fn pay_back(&self, bytes: usize) {
        let Inner { debt, bytes: room, .. } = &*self.inner;
        let pay = |owed: usize| Some(owed.saturating_sub(bytes));
        let owed = debt
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay)
            .unwrap_or_default();
        room.add_permits(bytes.saturating_sub(owed));
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

    /// Charges bytes without waiting for them: what is accepted next waits instead.
    pub(crate) fn owe(&mut self, bytes: usize) {
        self.budget.owe(bytes);
        self.bytes += bytes;
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
        self.budget.pay_back(self.bytes);
        self.budget.inner.records.add_permits(self.records);
    }
}

/// What a request carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cargo {
    /// Kinesis records.
    pub(crate) entries: usize,
    /// Their data and keys.
    pub(crate) bytes: usize,
}

/// Room for the copies of a request; dropping it gives the room back.
#[derive(Debug)]
pub(crate) struct Copies {
    budget: Budget,
    bytes: usize,
}

impl Copies {
    /// Keeps as much as `request` needs, if it is enough for that.
    pub(crate) fn cut_to(mut self, request: Cargo) -> Option<Self> {
        let needed = self.budget.copies_of(request) as usize;
        let spare = self.bytes.checked_sub(needed)?;
        self.bytes = needed;
        self.budget.inner.copies.add_permits(spare);
        Some(self)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.budget.inner.copies.add_permits(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn what_was_charged_comes_back_when_the_charge_is_dropped() {
        let budget = Budget::new(200, 10);
        let mut first = budget.try_acquire(60).unwrap();
        assert!(budget.try_acquire(60).is_none());
        first.absorb(budget.try_acquire(40).unwrap());
        assert!(budget.try_acquire(1).is_none());
        drop(first);
        assert!(budget.try_acquire(100).is_some());
    }

    #[test]
    fn a_refused_acquire_takes_no_record_permit() {
        let budget = Budget::new(20, 1);
        let all = budget.try_acquire(10).unwrap();
        assert!(budget.try_acquire(1).is_none());
        drop(all);
        assert!(budget.try_acquire(1).is_some());
    }

    #[test]
    fn a_record_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(20, 5);
        let giant = budget.try_acquire(1_000).unwrap();
        assert!(budget.try_acquire(1).is_none());
        drop(giant);
        assert!(budget.try_acquire(1).is_some());
    }

    #[test]
    fn splitting_a_charge_loses_nothing() {
        let budget = Budget::new(200, 10);
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
        let budget = Budget::new(20, 5);
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
        let budget = Budget::new(20, 5);
        let all = budget.acquire(Room::of(10)).await;
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), budget.acquire(Room::of(5))).await;
        assert!(waiting.is_err());
        drop(all);
        assert!(budget.try_acquire(10).is_some());
    }

    #[test]
    fn what_is_owed_is_paid_before_anything_new_is_accepted() {
        let budget = Budget::new(200, 10);
        let mut charge = budget.try_acquire(90).unwrap();
        charge.owe(60);
        assert!(budget.try_acquire(1).is_none());
        drop(charge.split_record(70));
        assert!(budget.try_acquire(21).is_none() && budget.try_acquire(20).is_some());
        drop(charge);
        assert!(budget.try_acquire(100).is_some());
        assert_eq!(budget.inner.debt.load(Ordering::Relaxed), 0);
        assert_eq!(budget.inner.bytes.available_permits(), 100);
    }

    fn cargo(entries: usize, bytes: usize) -> Cargo {
        Cargo { entries, bytes }
    }

    #[test]
    fn copies_have_half_of_the_budget_and_take_nothing_from_the_records() {
        let budget = Budget::new(2_000_000, 10);
        let first = budget.try_acquire_copies(cargo(5, 200_000)).unwrap();
        assert!(
            budget.try_acquire_copies(cargo(5, 200_000)).is_none(),
            "3.3 times 201,000 each"
        );
        assert!(budget.try_acquire(1_000_000).is_some());
        drop(first);
        let largest = budget.try_acquire_copies(cargo(1, budget.largest_request()));
        assert!(largest.is_some());
        assert!(budget.try_acquire_copies(cargo(1, 1)).is_none());
    }

    #[test]
    fn a_request_larger_than_the_room_for_copies_passes_alone() {
        let budget = Budget::new(2_000, 10);
        let giant = budget.try_acquire_copies(cargo(1, 1_000_000)).unwrap();
        assert!(budget.try_acquire_copies(cargo(1, 1)).is_none());
        drop(giant);
        assert!(budget.try_acquire_copies(cargo(1, 1)).is_some());
    }

    #[test]
    fn room_that_is_more_than_enough_is_cut_and_room_that_is_too_little_comes_back() {
        let budget = Budget::new(2_000_000, 10);
        let copies = budget.try_acquire_copies(cargo(1, 200_000)).unwrap();
        let copies = copies.cut_to(cargo(1, 100_000)).unwrap();
        let others = budget.try_acquire_copies(cargo(1, 200_000)).unwrap();
        assert!(copies.cut_to(cargo(1, 150_000)).is_none());
        drop(others);
        assert_eq!(budget.inner.copies.available_permits(), 1_000_000);
    }
}
