//! Room taken from a budget for the copies that the SDK makes.

use super::Budget;
use crate::limits::COPIED_BYTES_PER_ENTRY;

/// What a request carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cargo {
    /// Kinesis records.
    pub(crate) entries: usize,
    /// Their data and keys.
    pub(crate) bytes: usize,
}

impl Cargo {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// The bytes that are copied some times over.
    pub(crate) fn weight(self) -> usize {
        let around = self.entries.saturating_mul(COPIED_BYTES_PER_ENTRY);
        self.bytes.saturating_add(around)
    }
}

/// Room for the copies of a request; dropping it gives the room back.
#[derive(Debug)]
pub(crate) struct Copies {
    budget: Budget,
    bytes: usize,
}

impl Copies {
    /// So many bytes of `budget`, which were taken from it.
    pub(super) fn new(budget: Budget, bytes: u32) -> Self {
        let bytes = bytes as usize;
        Self { budget, bytes }
    }

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
