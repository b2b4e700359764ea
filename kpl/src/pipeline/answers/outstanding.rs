//! Pure: what `flush` waits for. Aggregates count by the generation in which they were sealed.

use std::collections::BTreeMap;

/// How many aggregates of each generation have no outcome yet.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    generation: u64,
    counts: BTreeMap<u64, usize>,
}

impl Outstanding {
    /// Ends a generation: what enters from now on belongs to the next one.
    pub(crate) fn mark(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    /// Whether a mark was set after `generation`, so that somebody may wait for it.
    pub(crate) fn is_awaited(&self, generation: u64) -> bool {
        generation < self.generation
    }

    /// Whether nothing that entered before `mark` is outstanding.
    pub(crate) fn is_settled(&self, mark: u64) -> bool {
        self.counts.first_key_value().is_none_or(|(oldest, _)| *oldest >= mark)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// An aggregate enters; returns its generation.
    pub(crate) fn enter(&mut self) -> u64 {
        *self.counts.entry(self.generation).or_default() += 1;
        self.generation
    }

    /// One aggregate of `generation` was taken apart into `parts`.
    pub(crate) fn split(&mut self, generation: u64, parts: usize) {
        *self.counts.entry(generation).or_default() += parts;
        self.leave(generation);
    }

    /// An aggregate of `generation` has its outcome.
    pub(crate) fn leave(&mut self, generation: u64) {
        if let Some(count) = self.counts.get_mut(&generation) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&generation);
            }
        } else {
            debug_assert!(false, "an aggregate leaves once (P1)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_waits_for_what_entered_before_it_and_for_nothing_later() {
        let mut outstanding = Outstanding::default();
        let early = outstanding.enter();
        let mark = outstanding.mark();
        let late = outstanding.enter();
        assert!(!outstanding.is_settled(mark));
        outstanding.leave(early);
        assert!(outstanding.is_settled(mark));
        outstanding.leave(late);
        assert!(outstanding.is_empty());
    }

    #[test]
    fn the_parts_of_a_split_aggregate_are_waited_for_each() {
        let mut outstanding = Outstanding::default();
        let generation = outstanding.enter();
        let mark = outstanding.mark();
        outstanding.split(generation, 2);
        outstanding.leave(generation);
        assert!(!outstanding.is_settled(mark));
        outstanding.leave(generation);
        assert!(outstanding.is_settled(mark));
    }
}
