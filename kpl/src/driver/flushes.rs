//! The callers of `flush` that wait.

use tokio::sync::oneshot;

use crate::foreign::wake;

/// Who waits, each for the mark before which everything is to have its outcome.
#[derive(Debug, Default)]
pub(super) struct Flushes(Vec<(u64, oneshot::Sender<()>)>);

impl Flushes {
    pub(super) fn add(&mut self, mark: u64, done: oneshot::Sender<()>) {
        self.0.push((mark, done));
    }

    /// Tells those whose marks are settled, and forgets those who no longer wait.
    pub(super) fn answer(&mut self, is_settled: impl Fn(u64) -> bool) {
        let has_ended = |(mark, done): &mut (u64, oneshot::Sender<()>)| done.is_closed() || is_settled(*mark);
        for (_, done) in self.0.extract_if(.., has_ended) {
            wake(|| done.send(()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_no_longer_waits_is_forgotten_though_its_mark_is_not_settled() {
        let mut flushes = Flushes::default();
        let (done, mut waits) = oneshot::channel();
        flushes.add(1, done);
        for mark in 2..100 {
            let (done, gone) = oneshot::channel();
            flushes.add(mark, done);
            drop(gone);
            flushes.answer(|_| false);
            assert_eq!(flushes.0.len(), 1);
        }
        assert!(waits.try_recv().is_err());
        flushes.answer(|mark| mark == 1);
        assert_eq!((waits.try_recv(), flushes.0.len()), (Ok(()), 0));
    }
}
