//! Room taken from a budget for records.

use super::{Budget, Room};

/// Room that was taken and is not yet charged to anything; dropping it gives it back. It borrows the budget, so that a
/// `put` touches no more shared counters than it must.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    budget: &'a Budget,
    room: Room,
}

impl<'a> Permit<'a> {
    /// `room` of `budget`, which was taken from it.
    pub(super) fn new(budget: &'a Budget, room: Room) -> Self {
        Self { budget, room }
    }

    /// Moves one record of `cost` bytes (or what is left of them) into a permit of its own.
    pub(crate) fn split_record(&mut self, cost: usize) -> Self {
        let room = self.room.split_record(cost);
        Self {
            budget: self.budget,
            room,
        }
    }

    /// Gives nothing back: what it stands for is charged to something else now.
    fn spend(self) -> Room {
        let room = self.room;
        std::mem::forget(self);
        room
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.budget.give_back(self.room);
    }
}

/// Room that records hold until their outcome; dropping it gives the room back.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    room: Room,
}

impl Charge {
    /// Nothing of `budget`.
    pub(crate) fn none(budget: Budget) -> Self {
        let room = Room::default();
        Self { budget, room }
    }

    /// Charges bytes without waiting for them: what is accepted next waits instead.
    pub(crate) fn owe(&mut self, bytes: usize) {
        self.budget.owe(bytes);
        self.room.bytes += bytes;
    }

    /// Bytes that are charged.
    pub(crate) fn bytes(&self) -> usize {
        self.room.bytes
    }

    /// Gives bytes back that were owed for something that is gone.
    pub(crate) fn forgive(&mut self, bytes: usize) {
        let bytes = bytes.min(self.room.bytes);
        self.room.bytes -= bytes;
        self.budget.give_back(Room { records: 0, bytes });
    }

    /// Adds what was permitted, of the same budget.
    pub(crate) fn add(&mut self, permit: Permit<'_>) {
        self.room = self.room.plus(permit.spend());
    }

    /// Adds `other`, which must be of the same budget.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.room = self.room.plus(std::mem::take(&mut other.room));
    }

    /// Leaves nothing behind and returns all of it.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::none(self.budget.clone()))
    }

    /// Moves one record of `cost` bytes (or what is left of them) into a charge of its own.
    pub(crate) fn split_record(&mut self, cost: usize) -> Self {
        let room = self.room.split_record(cost);
        Self {
            budget: self.budget.clone(),
            room,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.room);
    }
}
