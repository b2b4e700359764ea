//! Where the pages of a shard come from, and the task that reads ahead of the application.

use std::time::{Duration, Instant};

use service::Tasks;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::retrieval::deaggregate::RawRecord;
use crate::retrieval::loss::PossibleLoss;
use crate::retrieval::permit::Permit;
use crate::shard_sync::end_evidence::Hold;
use crate::shard_sync::graph::ChildShard;
use crate::stream::Incarnation;

/// Pages that were read and wait for their consumer, besides the one that the source holds. When it is full, the source
/// waits.
const PAGES_AHEAD: usize = 1;

/// Reads one shard: by polling, or later by a subscription.
pub(crate) trait Source: Send + 'static {
    /// Waits for what comes next, over every passing failure. It is not called again after [`Arrival::End`].
    fn next(&mut self) -> impl Future<Output = Arrival> + Send;
}

/// What a source brings.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Records that follow those of the page before; perhaps none.
    Page(Page),
    /// The shard is neither read nor ended for now. A later arrival ends the hold.
    Hold(Hold),
    /// Records behind the position that reading began at may be missing. The page behind them follows.
    PossibleLoss(PossibleLoss),
    /// Everything was read; these shards took over.
    End(Vec<ChildShard>),
}

/// Records of one reply.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<RawRecord>,
    /// How far the last record is behind the newest one of the shard, if the service says so.
    pub(crate) lag: Option<Duration>,
    /// When the read was sent: records may have come since.
    pub(crate) asked_at: Instant,
    /// What the service said of the stream after it had accepted the position. Unknown if access to that is denied.
    pub(crate) stream: Incarnation,
    /// Room for the records in the read budget.
    pub(crate) permit: Permit,
}

/// A source that reads ahead, in a task of its own. Dropping it stops the task, and releases the pages not taken.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    arrivals: mpsc::Receiver<Arrival>,
    _task: JoinSet<()>,
}

impl ReadAhead {
    /// Starts to read.
    pub(crate) fn start(mut source: impl Source, tasks: &Tasks) -> Self {
        let (sender, arrivals) = mpsc::channel(PAGES_AHEAD);
        let mut task = JoinSet::new();
        let reading = async move {
            loop {
                let arrival = source.next().await;
                let is_end = matches!(arrival, Arrival::End(_));
                if sender.send(arrival).await.is_err() || is_end {
                    return;
                }
            }
        };
        task.spawn(tasks.vital("shard-source", reading.in_current_span()));
        Self { arrivals, _task: task }
    }

    /// Waits for the next arrival. `None` after the end, and if the source has panicked.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost by dropping the future.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }
}
