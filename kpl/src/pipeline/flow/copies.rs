//! Pure: room for the copies that the SDK makes of requests under way.
//!
//! The budget has that room, and other producers may share it. A request that finds none waits: the driver waits in its
//! place and hands over what it gets.

use crate::budget::{Budget, Cargo, Copies};

/// The room of one producer.
#[derive(Debug)]
pub(crate) struct CopyRoom {
    budget: Budget,
    wait: Wait,
    granted: Option<Copies>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    None,
    UnderWay,
}

impl CopyRoom {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            budget,
            wait: Wait::None,
            granted: None,
        }
    }

    /// Takes room for a request. If there is none, the caller has to wait for it, and [`grant`](Self::grant) it.
    pub(crate) fn take(&mut self, request: Cargo) -> Option<Copies> {
        let granted = self.granted.take().and_then(|granted| granted.cut_to(request));
        let taken = granted.or_else(|| self.budget.try_acquire_copies(request));
        if taken.is_none() {
            self.wait = Wait::UnderWay;
        }
        taken
    }

    /// Whether a request waits for room.
    pub(crate) fn is_awaited(&self) -> bool {
        self.wait == Wait::UnderWay
    }

    /// The waiting was not in vain.
    pub(crate) fn grant(&mut self, room: Copies) {
        (self.wait, self.granted) = (Wait::None, Some(room));
    }

    /// Gives back what was granted and not used.
    pub(crate) fn release_unused(&mut self) {
        self.granted = None;
    }
}
