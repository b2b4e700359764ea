//! The bound on what a producer holds: bytes and records, from `put` to the outcome.
//!
//! `charge` is the room of records, from `put` to the outcome; `copies` is the room of the SDK's copies of requests.

mod charge;
mod copies;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

pub(crate) use self::charge::{Charge, Permit};
pub(crate) use self::copies::{Cargo, Copies};
use crate::foreign::wake;
use crate::limits::COPY_TENTHS;

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
/// * 4 MiB of spare buffers, and 2 KiB for each shard that has an open aggregate. What the buffers of an open aggregate take
///   up beyond that and its records is charged for as long as it is open; an idle shard has no buffers;
/// * while an aggregate is sealed, its bytes a second time, on each thread that does so;
/// * while a request is written, what its buffer grows by: up to 3.5 bytes for each byte of it, on each thread of the
///   runtime;
/// * the outcomes that nobody has asked for yet. A record that is given back is held by its receipt.
///
/// The exception is a queue of aggregates whose stream begins to distribute records by itself. These are taken apart into
/// Kinesis records of one record each, all of which are charged then: nothing is accepted until they fit again.
///
/// Producers that share a budget wait in one line. While a `put` waits, its producer sends its own open aggregates at once
/// if nothing else of it is under way, and otherwise each 100 ms after it was begun, however long
/// [`record_max_buffered_time`](crate::ProducerBuilder::record_max_buffered_time) is; those of the other producers leave
/// when they are full or due. The budget is not divided among them: the records of a stream that is down
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

    /// So many times as much.
    pub(crate) fn times(self, times: u16) -> Self {
        Self {
            records: self.records.saturating_mul(times.into()),
            bytes: self.bytes.saturating_mul(times.into()),
        }
    }

    /// Takes one record of `cost` bytes, or what is left of them, out.
    fn split_record(&mut self, cost: usize) -> Self {
        let part = Self {
            records: self.records.min(1),
            bytes: self.bytes.min(cost),
        };
        self.records -= part.records;
        self.bytes -= part.bytes;
        part
    }
}

impl Budget {
    /// A budget of these numbers of bytes (at most 4 GiB − 1) and records. Less than one of each counts as one.
    ///
    /// A record that is larger than the half for records is taken all the same, alone: it waits until that half is free, and
    /// is charged all of it. So a budget of nothing holds one record at a time.
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
    pub(crate) async fn acquire(&self, room: Room) -> Permit<'_> {
        let (room, bytes) = self.chargeable(room);
        let Inner {
            records, bytes: left, ..
        } = &*self.inner;
        // The semaphores are never closed; a permit that is dropped half-way goes back.
        let (Ok(record), Ok(left)) = (records.acquire_many(room.records).await, left.acquire_many(bytes).await) else {
            return Permit::new(self, Room::default());
        };
        record.forget();
        left.forget();
        Permit::new(self, room)
    }

    /// Takes room if there is some right now.
    pub(crate) fn try_acquire(&self, room: Room) -> Option<Permit<'_>> {
        let (room, bytes) = self.chargeable(room);
        let record = self.inner.records.try_acquire_many(room.records).ok()?;
        self.inner.bytes.try_acquire_many(bytes).ok()?.forget();
        record.forget();
        Some(Permit::new(self, room))
    }

    /// The [weight](Cargo::weight) of the largest request that has room for its copies.
    pub(crate) fn largest_request(&self) -> usize {
        self.inner.max_copies as usize / COPY_TENTHS * 10
    }

    /// Takes room for the copies of a request if there is some right now.
    pub(crate) fn try_acquire_copies(&self, request: Cargo) -> Option<Copies> {
        let bytes = self.copies_of(request);
        self.inner.copies.try_acquire_many(bytes).ok()?.forget();
        Some(Copies::new(self.clone(), bytes))
    }

    /// Waits for room for the copies of a request, first come, first served. Dropping the future takes nothing.
    pub(crate) async fn acquire_copies(self, request: Cargo) -> Copies {
        let bytes = self.copies_of(request);
        // The semaphore is never closed.
        let bytes = match self.inner.copies.acquire_many(bytes).await {
            Ok(room) => {
                room.forget();
                bytes
            }
            Err(_) => 0,
        };
        Copies::new(self, bytes)
    }

    /// What is larger than all the room is charged all of it, so that it can pass at all, alone.
    fn copies_of(&self, request: Cargo) -> u32 {
        let bytes = u32::try_from(request.weight().saturating_mul(COPY_TENTHS) / 10).unwrap_or(u32::MAX);
        bytes.min(self.inner.max_copies)
    }

    /// Takes bytes of records, whether or not there are any.
    fn owe(&self, bytes: usize) {
        let taken = self.inner.bytes.forget_permits(bytes);
        self.inner
            .debt
            .fetch_add(bytes.saturating_sub(taken), Ordering::Relaxed);
    }

    /// Gives back what was charged, its bytes to debts first. Callers that wait for room are woken.
    fn give_back(&self, room: Room) {
        let bytes = room.bytes - self.pay(room.bytes);
        wake(|| self.inner.records.add_permits(room.records as usize));
        wake(|| self.inner.bytes.add_permits(bytes));
    }

    /// Pays debts with at most `bytes`; returns how many it took.
    fn pay(&self, bytes: usize) -> usize {
        let debt = &self.inner.debt;
        // Nearly always. A debt from now on is paid when room is given back.
        if debt.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let pay = |owed: usize| Some(owed.saturating_sub(bytes));
        let owed = debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        owed.unwrap_or_default().min(bytes)
    }

    /// What is larger than the whole budget is charged all of it, so that it can pass at all, alone. Its bytes also as
    /// semaphores count.
    fn chargeable(&self, room: Room) -> (Room, u32) {
        let bytes = u32::try_from(room.bytes).unwrap_or(u32::MAX).min(self.inner.max_bytes);
        let records = room.records.min(self.inner.max_records);
        let room = Room {
            records,
            bytes: bytes as usize,
        };
        (room, bytes)
    }
}

/// 64 MiB and 500,000 records.
impl Default for Budget {
    fn default() -> Self {
        Self::new(64 * 1024 * 1024, 500_000)
    }
}

/// How much of a [`Budget`] is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetUse {
    /// Records that are charged to it.
    pub records: usize,
    /// The most records that it takes.
    pub max_records: usize,
    /// Bytes that are charged to it for records: data, partition keys and bookkeeping.
    pub bytes: usize,
    /// The most bytes of records that it takes: half of it.
    pub max_bytes: usize,
    /// Bytes that are charged to it for the SDK's copies of the requests under way.
    pub copied_bytes: usize,
    /// The most bytes of copies that it takes: the other half.
    pub max_copied_bytes: usize,
}

#[cfg(test)]
mod tests;
