//! Room taken from a budget for the copies that the SDK makes.

use super::Budget;

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
