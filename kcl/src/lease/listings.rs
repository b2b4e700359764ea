//! The way from the lease thread to a list of shards: the application's runtime has the connections for it.

use std::time::Duration;

use service::Clock;
use tokio::sync::{mpsc, oneshot};

use crate::lease::ownership::Listing;
use crate::stream::{Incarnation, ShardId};

/// Questions that may wait for a list. One list answers all that wait; one that finds no room waits for the next list.
const QUESTIONS: usize = 256;

/// Whether the service lists a shard of a stream.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) shard: ShardId,
    /// The stream of the lease, as far as its row says it.
    pub(crate) stream: Incarnation,
    pub(crate) answer: oneshot::Sender<Listing>,
}

/// Asks. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Listings {
    questions: mpsc::Sender<Question>,
}

impl Listings {
    /// The way, and its other end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (Self { questions }, asked)
    }

    /// Whether the service lists `shard`, as far as that is known within `timeout`.
    pub(crate) async fn of(&self, shard: ShardId, stream: Incarnation, timeout: Duration, clock: &Clock) -> Listing {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            let question = Question { shard, stream, answer };
            self.questions.send(question).await.ok()?;
            answered.await.ok()
        };
        clock
            .timeout(timeout, asking)
            .await
            .flatten()
            .unwrap_or(Listing::Unknown)
    }
}
