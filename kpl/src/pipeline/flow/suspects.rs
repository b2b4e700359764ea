//! Pure: parts of requests that were refused as a whole, each of which is sent by itself to find what is refused.

use std::collections::VecDeque;

use crate::lanes::aggregate::SealedAggregate;

/// The parts, in the order in which they are sent.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    parts: VecDeque<Vec<SealedAggregate>>,
}

impl Suspects {
    /// What is sent next.
    pub(crate) fn first(&self) -> Option<&[SealedAggregate]> {
        self.parts.front().map(Vec::as_slice)
    }

    /// Takes out what is sent next.
    pub(crate) fn take_first(&mut self) -> Option<Vec<SealedAggregate>> {
        self.parts.pop_front()
    }

    /// Adds a part behind all others: the other half of what was refused is tried before the parts of this half.
    pub(crate) fn put_last(&mut self, part: Vec<SealedAggregate>) {
        self.parts.extend((!part.is_empty()).then_some(part));
    }

    /// Takes out all parts.
    pub(crate) fn take_all(&mut self) -> VecDeque<Vec<SealedAggregate>> {
        std::mem::take(&mut self.parts)
    }
}
