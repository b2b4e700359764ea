//! What callers were refused that the stream may take by now: its description is to be asked for.

use std::sync::atomic::{AtomicBool, Ordering};

/// Why a refusal may be out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The record is too large for what is known of the stream.
    Size,
    /// The record has no partition key.
    Key,
}

/// The doubts that callers have raised and the driver has not taken. Callers set them, the driver takes them.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    size: AtomicBool,
    key: AtomicBool,
}

impl Doubts {
    /// Notes a doubt. Returns whether it is news: then the driver has to be woken.
    pub(crate) fn note(&self, doubt: Doubt) -> bool {
        !self.flag(doubt).swap(true, Ordering::Relaxed)
    }

    /// The doubts since the last call.
    pub(crate) fn take(&self) -> impl Iterator<Item = Doubt> {
        let is_noted = |doubt: &Doubt| self.flag(*doubt).swap(false, Ordering::Relaxed);
        [Doubt::Size, Doubt::Key].into_iter().filter(is_noted)
    }

    fn flag(&self, doubt: Doubt) -> &AtomicBool {
        match doubt {
            Doubt::Size => &self.size,
            Doubt::Key => &self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_news_until_it_is_taken() {
        let doubts = Doubts::default();
        assert_eq!([Doubt::Key, Doubt::Key].map(|doubt| doubts.note(doubt)), [true, false]);
        assert_eq!(doubts.take().collect::<Vec<_>>(), [Doubt::Key]);
        assert_eq!(doubts.take().count(), 0);
        assert!(doubts.note(Doubt::Key));
    }
}
