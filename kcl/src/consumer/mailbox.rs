//! Messages between the supervisor and its consumers.

use std::time::Instant;

use service::Clock;
use tokio::sync::mpsc;

use crate::lease::guard::LeaseGuard;

/// Messages that one consumer may leave unread. One is enough to wake it; when its mailbox is full, more are dropped.
const MAIL: usize = 2;

/// What consumers tell the supervisor and it has not read yet. When it is full, consumers wait.
const REPORTS: usize = 64;

/// A message to a consumer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mail {
    /// Some shard was read to its end: who waits for a parent looks again.
    ShardEnded,
}

/// A message of a consumer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Its shard was read to its end, and the end is checkpointed.
    ShardEnded,
}

/// Where one consumer is reached.
#[derive(Debug)]
pub(crate) struct Mailbox {
    mail: mpsc::Receiver<Mail>,
    clock: Clock,
}

/// Why a consumer that waited goes on.
#[derive(Debug)]
pub(crate) enum Woken {
    /// The time is over, or something has changed.
    LookAgain,
    /// The lease asks for something else than to wait.
    BySignal,
}

impl Mailbox {
    /// A mailbox and the way into it.
    pub(crate) fn new(clock: Clock) -> (mpsc::Sender<Mail>, Self) {
        let (sender, mail) = mpsc::channel(MAIL);
        (sender, Self { mail, clock })
    }

    /// Waits until `until`, until a message comes, or until the consumer's lease is drained or lost.
    pub(crate) async fn wait(&mut self, until: Instant, guard: &LeaseGuard) -> Woken {
        tokio::select! {
            biased;
            _ = guard.interrupted() => Woken::BySignal,
            // Without a supervisor there is no mail any more.
            Some(Mail::ShardEnded) = self.mail.recv() => Woken::LookAgain,
            () = self.clock.sleep_until(Some(until)) => Woken::LookAgain,
        }
    }
}

/// The channel on which consumers report.
pub(crate) fn reports() -> (mpsc::Sender<Report>, mpsc::Receiver<Report>) {
    mpsc::channel(REPORTS)
}
