//! What a worker does when its stream is not what it was.

use super::WorkerBuilder;
use crate::shard_sync::former::OnRecreated;

impl WorkerBuilder {
    /// What is done when the stream was deleted, and another one created under its name. Must be the same in the whole fleet.
    /// Default: [`OnRecreated::Halt`].
    ///
    /// With [`OnRecreated::Restart`], processors of the deleted stream's shards finish the call that they are in and get
    /// `lease_lost` ([`LeaseLost::StreamCreatedAgain`](crate::LeaseLost::StreamCreatedAgain)). Records of the deleted stream that
    /// were read and not delivered are dropped. After 30 s a call that still runs is dropped too. A handler that blocks its thread
    /// goes on all the same, perhaps beside the next processor of a shard with the same id; its fencing token is smaller.
    ///
    /// Then the worker begins anew. It replaces or deletes the rows of the deleted stream, each by a conditional write, and reads the
    /// new stream from [`start_at`](Self::start_at). Fencing tokens go on growing. With a start at `Latest`, records that the new
    /// stream got before are not read.
    ///
    /// A worker notices the new stream by its reads, by rows that another worker has replaced, or when it starts. If it is the only
    /// worker, and a call to the handler hangs in each of its shards, it does not read, and so does not notice.
    ///
    /// A row that a Java KCL has written names no stream until a worker of this library has read its shard. Such a row is left as it
    /// is. The worker needs `kinesis:DescribeStreamSummary` to notice another stream, and `dynamodb:DeleteItem` on the lease table.
    pub fn on_recreated(mut self, reaction: OnRecreated) -> Self {
        self.config.on_recreated = reaction;
        self
    }
}
