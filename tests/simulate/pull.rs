//! The pull form of the application: a task for each shard, which takes batches from a stream.

use fastrand::Rng;
use kcl::{HandlerError, ShardStream, StreamEnd};

use crate::fleet::Fleet;
use crate::recorder::Recorder;
use crate::sometimes::STREAM_ENDED;

/// Takes batches until there are no more.
pub(crate) async fn pull(mut stream: ShardStream, fleet: Fleet, worker: String, rng: Rng) -> Result<(), HandlerError> {
    let mut recorder = Recorder::new(&worker, stream.context(), fleet.clone(), rng);
    recorder.begin_task(stream.context());
    while let Some(batch) = stream.next().await {
        let checkpointer = stream.checkpointer().clone();
        recorder.batch(&batch, Some(&checkpointer)).await?;
    }
    let checkpointer = stream.checkpointer().clone();
    match stream.end() {
        Some(StreamEnd::ShardEnded) => {
            fleet.sim.note(STREAM_ENDED);
            recorder.end_of_shard(&checkpointer).await
        }
        Some(StreamEnd::ShutdownRequested) => recorder.shutdown(&checkpointer).await,
        Some(StreamEnd::LeaseLost(_)) | Some(_) | None => {
            recorder.lose();
            Ok(())
        }
    }
}
