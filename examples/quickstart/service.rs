//! Where the stream is: on this machine, or in AWS.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, SdkConfig};
use kcl::StartingPosition;
use testkit::sandbox::Sandbox;

use crate::args::{Aws, Options};
use crate::error::Error;
use crate::stream::Stream;

/// How long before the run the workers begin to read in AWS. More than clocks differ and than anything takes until the
/// first record is put; what others put in that time is read, and not counted.
const HEAD_START: Duration = Duration::from_secs(60);

/// A stream, and the services around it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: SdkConfig,
    pub(crate) stream: Stream,
    /// The stream, if it may be resharded.
    pub(crate) split: Option<Stream>,
    /// The consumer application, whose name the lease table has.
    pub(crate) application: String,
    pub(crate) start_at: StartingPosition,
    place: Place,
}

#[derive(Debug)]
enum Place {
    ThisMachine(Sandbox),
    Aws,
}

impl Service {
    /// Finds the stream in AWS, or creates one on this machine.
    pub(crate) async fn open(options: &Options) -> Result<Self, Error> {
        match options.aws.stream() {
            Some(stream) => Self::in_aws(stream, &options.aws).await,
            None => Self::on_this_machine(options.shards.get()).await,
        }
    }

    async fn on_this_machine(shards: u16) -> Result<Self, Error> {
        let sandbox = Sandbox::start().await?;
        let config = sandbox.sdk_config();
        let stream = Stream::new(aws_sdk_kinesis::Client::new(&config), "earthquakes");
        stream.create(shards).await?;
        Ok(Self {
            config,
            split: Some(stream.clone()),
            stream,
            application: "quickstart".to_owned(),
            start_at: StartingPosition::TrimHorizon,
            place: Place::ThisMachine(sandbox),
        })
    }

    async fn in_aws(stream: &str, options: &Aws) -> Result<Self, Error> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let start_at = StartingPosition::AtTimestamp(SystemTime::now() - HEAD_START);
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let stream = Stream::new(aws_sdk_kinesis::Client::new(&config), stream);
        stream.until_active().await?;
        Ok(Self {
            config,
            split: options.reshard.then(|| stream.clone()),
            stream,
            // A name of its own, so that no run meets the checkpoints of another.
            application: format!("quickstart-{:016x}", RandomState::new().hash_one(std::process::id())),
            start_at,
            place: Place::Aws,
        })
    }

    /// How many Kinesis records were ever stored in the stream, whoever put them, if that can be known.
    pub(crate) fn stored_count(&self) -> Option<u64> {
        match &self.place {
            Place::ThisMachine(sandbox) => Some(sandbox.kinesis(|kinesis| kinesis.stored_count(self.stream.name()))),
            Place::Aws => None,
        }
    }

    /// Leaves nothing behind: stops the service on this machine, or deletes the lease table in AWS.
    pub(crate) async fn close(self) -> Result<(), Error> {
        match self.place {
            Place::ThisMachine(sandbox) => sandbox.stop().await,
            Place::Aws => delete_table(&aws_sdk_dynamodb::Client::new(&self.config), &self.application).await?,
        }
        Ok(())
    }
}

/// Deletes a table, if there is one, once it can be deleted: not while it is being created.
async fn delete_table(client: &aws_sdk_dynamodb::Client, table: &str) -> Result<(), Error> {
    const ATTEMPTS: u32 = 10;
    for attempt in 1.. {
        let Err(error) = client.delete_table().table_name(table).send().await else {
            break;
        };
        let reason = error.as_service_error();
        if reason.is_some_and(|reason| reason.is_resource_not_found_exception()) {
            break;
        }
        if attempt == ATTEMPTS || !reason.is_some_and(|reason| reason.is_resource_in_use_exception()) {
            let (table, source) = (table.to_owned(), error.into());
            return Err(Error::LeaseTableLeft { table, source });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
