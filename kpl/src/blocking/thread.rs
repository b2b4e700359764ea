//! The thread on which a blocking producer's tasks run.

use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use aws_config::BehaviorVersion;
use tokio::runtime::{Builder as RuntimeBuilder, Handle};

use crate::builder::ProducerBuilder;
use crate::error::{BuildError, BuildErrorKind};
use crate::producer::Producer;

const NAME: &str = "kinesis-producer";

/// The thread of one producer. It ends with the producer; dropping this waits for that, but never inside a runtime.
#[derive(Debug)]
pub(super) struct ProducerThread(Option<JoinHandle<()>>);

impl Drop for ProducerThread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            && Handle::try_current().is_err()
        {
            // A panic there has failed its receipts already.
            thread.join().unwrap_or_default();
        }
    }
}

/// Starts a thread and the producer on it.
pub(super) fn start(builder: ProducerBuilder) -> Result<(Producer, ProducerThread), BuildError> {
    if Handle::try_current().is_ok() {
        return Err(BuildErrorKind::InsideRuntime.into());
    }
    let (built, producer) = sync_channel(1);
    let thread = Builder::new().name(NAME.to_owned()).spawn(move || run(builder, &built));
    let thread = thread.map_err(|error| no_thread(&error))?;
    match producer.recv() {
        Ok(built) => Ok((built?, ProducerThread(Some(thread)))),
        Err(_ended) => Err(no_thread(&"it ended before the producer was built")),
    }
}

/// Builds the producer, hands it over, and runs its tasks until it has ended.
fn run(builder: ProducerBuilder, built: &SyncSender<Result<Producer, BuildError>>) {
    // Nobody drops the other end before it has its answer.
    let answer = |answer| built.send(answer).unwrap_or_default();
    let runtime = match RuntimeBuilder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return answer(Err(no_thread(&error))),
    };
    runtime.block_on(async {
        match or_of_the_environment(builder).await.build() {
            Ok(producer) => {
                let ended = producer.ended();
                answer(Ok(producer));
                ended.await;
            }
            Err(error) => answer(Err(error)),
        }
    });
}

/// The builder with a client of the environment, if it has none. A program without a runtime could not load its
/// configuration.
async fn or_of_the_environment(builder: ProducerBuilder) -> ProducerBuilder {
    if builder.has_client() {
        return builder;
    }
    builder.aws(&aws_config::load_defaults(BehaviorVersion::latest()).await)
}

fn no_thread(reason: &dyn fmt::Display) -> BuildError {
    let reason = reason.to_string();
    BuildErrorKind::NoThread { reason }.into()
}
