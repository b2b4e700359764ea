//! The service under test as a row meets it: a client, fresh streams, a clock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::types::StreamStatus;
use aws_sdk_kinesis::{Client, config};
use aws_smithy_async::time::SharedTimeSource;
use testkit::sandbox::Sandbox;
use tokio::time::sleep;

use super::stream::Stream;
use super::target::Target;
use super::verdict::Mismatch;

/// The service under test, for one row.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) target: Target,
    /// A client that does not retry, so that every error is seen.
    pub(crate) client: Client,
    clock: SharedTimeSource,
    prefix: String,
    /// The names of the streams that the row made, or may have made.
    named: Mutex<Vec<String>>,
    /// Lives as long as the row.
    sandbox: Option<Sandbox>,
}

impl Subject {
    /// Streams get names that start with `prefix`.
    pub(crate) fn new(target: Target, config: &SdkConfig, prefix: String) -> Self {
        let quick = config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            target,
            client: Client::from_conf(quick),
            clock: config.time_source().unwrap_or_default(),
            prefix,
            named: Mutex::default(),
            sandbox: None,
        }
    }

    /// Keeps the sandbox that the configuration is of.
    pub(crate) fn keeping(self, sandbox: Sandbox) -> Self {
        Self {
            sandbox: Some(sandbox),
            ..self
        }
    }

    /// A name that no other stream has.
    pub(crate) fn name(&self) -> String {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{}-{}", self.prefix, named.len());
        named.push(name.clone());
        name
    }

    /// A new stream of so many shards, once it is ACTIVE.
    pub(crate) async fn stream(&self, shards: i32) -> Result<Stream<'_>, Mismatch> {
        let name = self.name();
        let create = self.client.create_stream().stream_name(&name).shard_count(shards);
        create.send().await?;
        self.active(name).await
    }

    /// The stream of this name, once it is ACTIVE.
    pub(crate) async fn active(&self, name: String) -> Result<Stream<'_>, Mismatch> {
        loop {
            let described = self.client.describe_stream_summary().stream_name(&name).send().await?;
            let summary = described
                .stream_description_summary
                .ok_or_else(|| Mismatch::new("a summary", "nothing"))?;
            if summary.stream_status == StreamStatus::Active {
                return Ok(Stream {
                    subject: self,
                    name,
                    arn: summary.stream_arn,
                });
            }
            sleep(self.target.pause()).await;
        }
    }

    /// The service's time, if its clock is right.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Waits, for so long and then so that a clock with milliseconds has moved on.
    pub(crate) async fn wait(&self, time: Duration) {
        sleep(time + Duration::from_millis(2)).await;
    }

    /// Ends what was started for the row: our own service with all its streams, or the streams alone.
    pub(crate) async fn clean_up(self) {
        match (self.target, self.sandbox) {
            (Target::Sim, _) => {}
            (Target::Sandbox, sandbox) => {
                if let Some(sandbox) = sandbox {
                    sandbox.stop().await;
                }
            }
            (Target::KinesisMock | Target::Aws, _) => {
                for name in self.named.into_inner().unwrap_or_else(PoisonError::into_inner) {
                    delete(&self.client, &name, self.target).await;
                }
            }
        }
    }
}

/// Deletes a stream, waiting for its turn if it is changing.
pub(crate) async fn delete(client: &Client, name: &str, target: Target) {
    for _ in 0..120 {
        match client.delete_stream().stream_name(name).send().await {
            Ok(_) => return,
            Err(error) if error.code() == Some("ResourceNotFoundException") => return,
            Err(_) => sleep(target.pause()).await,
        }
    }
}
