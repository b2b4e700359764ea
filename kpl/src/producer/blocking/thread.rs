//! The thread on which a blocking producer's tasks run.

use std::convert::Infallible;
use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use aws_config::BehaviorVersion;
use tokio::runtime::{Builder as RuntimeBuilder, EnterGuard, Handle};
use tokio::sync::oneshot;

use crate::error::{BuildError, BuildErrorKind};
use crate::producer::Producer;
use crate::producer::builder::ProducerBuilder;

const NAME: &str = "kinesis-producer";

/// The thread of one producer, and the runtime on it. It ends once the producer has and this was dropped; the drop waits
/// for that, but never inside a runtime.
#[derive(Debug)]
pub(super) struct ProducerThread {
    runtime: Handle,
    in_use: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl ProducerThread {
    /// Lends its runtime's timers and sockets to what is polled on the calling thread, until the guard is dropped.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }
}

impl Drop for ProducerThread {
    fn drop(&mut self) {
        drop(self.in_use.take());
        if let Some(thread) = self.thread.take()
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
        Ok(built) => {
            let (producer, runtime, in_use) = built?;
            let (in_use, thread) = (Some(in_use), Some(thread));
            Ok((
                producer,
                ProducerThread {
                    runtime,
                    in_use,
                    thread,
                },
            ))
        }
        Err(_ended) => Err(no_thread(&"it ended before the producer was built")),
    }
}

/// A producer, the runtime of its tasks, and what keeps that running.
type Built = (Producer, Handle, oneshot::Sender<Infallible>);

/// Builds the producer, hands it over, and runs its tasks until it has ended and nobody uses the runtime.
fn run(builder: ProducerBuilder, built: &SyncSender<Result<Built, BuildError>>) {
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
                let (in_use, released) = oneshot::channel();
                answer(Ok((producer, Handle::current(), in_use)));
                ended.await;
                let Err(_dropped) = released.await;
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
