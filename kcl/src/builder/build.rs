//! From options to a worker.

use std::sync::Arc;

use crate::builder::WorkerBuilder;
use crate::calls::Calls;
use crate::error::{BuildError, BuildErrorKind};
use crate::event::WorkerEvent;
use crate::lease::dynamodb::DynamoDbLeaseTable;
use crate::lease::layout::TableLayout;
use crate::lease::model::WorkerId;
use crate::metrics::Meter;
use crate::observers::Observers;
use crate::properties::LeftSettings;
use crate::retrieval::permit::ReadBudget;
use crate::spans::Group;
use crate::stream::StreamRef;
use crate::worker::{Worker, WorkerControl};

/// Keys that the lease table keeps for itself; a worker of that name would overwrite them.
const RESERVED_KEYS: [&str; 3] = ["Leader", "Migration3.0", "TableMigration3.5"];

impl WorkerBuilder {
    /// Validates the options. Makes no call and starts nothing, and tells which settings of a properties file it
    /// [does not take over](WorkerEvent::SettingsLeft).
    ///
    /// # Errors
    ///
    /// [`BuildError`] for options out of range, for names that no stream, table or worker can have, without a client or with one
    /// that has no region, without a handler, and for a properties file of another worker. It tells everything that is wrong at once.
    pub fn build(self) -> Result<Worker, BuildError> {
        let stream = StreamRef::parse(&self.stream);
        let table = self.table_name.as_ref().unwrap_or(&self.application).clone();
        let mut refused = self.config.out_of_range();
        refused.extend(self.impossible_names(&stream, &table));
        refused.extend(self.missing());
        refused.extend(self.other_properties());
        BuildError::unless_empty(refused)?;

        let mut rng = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let id = self.worker_id.unwrap_or_else(|| format!("{:032x}", rng.u128(..)));
        let id = WorkerId::new(&id);
        let kinesis = self.kinesis.ok_or(BuildErrorKind::NoClient { service: KINESIS })?;
        let dynamodb = self.dynamodb.ok_or(BuildErrorKind::NoClient { service: DYNAMODB })?;
        let factory = self.factory.ok_or(BuildErrorKind::NoHandler)?;
        let meter = Meter::new(self.recorder, self.config.metrics, &id);
        let observers = Observers::new(id.clone(), self.listener, meter, self.clock.clone());
        if let Some(left) = self.properties.and_then(|properties| properties.left()) {
            let LeftSettings { sdk, ignored } = left;
            observers.tell(WorkerEvent::SettingsLeft { sdk, ignored });
        }
        let control = WorkerControl::new(self.clock.clone());
        Ok(Worker {
            group: Group {
                application: self.application.as_str().into(),
                worker: id.clone(),
            },
            id,
            layout: TableLayout::OneStream(stream.clone()),
            stream,
            calls: Calls::new(&kinesis, self.config.kinesis_request_timeout)
                .with_clock(self.clock.clone())
                .with_observers(observers.clone()),
            table: Arc::new(
                DynamoDbLeaseTable::new(&dynamodb, table, &self.application, self.clock.clone())
                    .with_options(self.config.table.clone())
                    .with_observers(observers.clone())
                    .with_credentials_trouble(control.health.credentials.clone()),
            ),
            factory,
            budget: ReadBudget::new(self.config.read_budget),
            observers,
            config: self.config,
            control,
            tasks: self.tasks,
            clock: self.clock,
            rng,
        })
    }

    fn impossible_names(&self, stream: &StreamRef, table: &str) -> Vec<BuildErrorKind> {
        let mut refused = Vec::new();
        if self.application.is_empty() {
            refused.push(BuildErrorKind::EmptyApplication);
        } else if !is_table(table) {
            let name = table.to_owned();
            refused.push(BuildErrorKind::InvalidTableName { name });
        }
        refused.extend(stream.fault().map(BuildErrorKind::from));
        match self.worker_id.as_deref() {
            Some("") => refused.push(BuildErrorKind::EmptyWorkerId),
            Some(id) if RESERVED_KEYS.contains(&id) || id.starts_with("shardId-") => {
                refused.push(BuildErrorKind::ReservedWorkerId { id: id.to_owned() });
            }
            Some(_) | None => {}
        }
        refused
    }

    fn missing(&self) -> Vec<BuildErrorKind> {
        let kinesis = self.kinesis.as_ref().map(|client| client.config().region().is_some());
        let dynamodb = self.dynamodb.as_ref().map(|client| client.config().region().is_some());
        let mut missing = Vec::new();
        for (service, has_region) in [(KINESIS, kinesis), (DYNAMODB, dynamodb)] {
            match has_region {
                None => missing.push(BuildErrorKind::NoClient { service }),
                Some(false) => missing.push(BuildErrorKind::NoRegion { service }),
                Some(true) => {}
            }
        }
        if self.factory.is_none() {
            missing.push(BuildErrorKind::NoHandler);
        }
        missing
    }
}

const KINESIS: &str = "Kinesis";
const DYNAMODB: &str = "DynamoDB";

/// Whether a DynamoDB table can have this name. An ARN of a table stands for its name.
///
/// Source: Amazon DynamoDB API reference, `TableName` in `CreateTable`.
fn is_table(name: &str) -> bool {
    let name = match name.starts_with("arn:") {
        true => name.split_once(":table/").map_or("", |(_, name)| name),
        false => name,
    };
    let is_allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    (3..=255).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};

    use super::*;

    fn config() -> SdkConfig {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        config.region(Region::new("eu-north-1")).build()
    }

    /// The reasons for which `builder` is refused.
    fn refused(builder: WorkerBuilder) -> Vec<BuildErrorKind> {
        let error = builder.build().err();
        error.map_or_else(Vec::new, |error| error.kinds().cloned().collect())
    }

    fn named(application: &str, stream: &str) -> WorkerBuilder {
        let builder = Worker::builder(application, stream).aws(&config());
        builder.for_each_record(async |_| Ok(()))
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let builder = Worker::builder("", "no stream").worker_id("Leader").max_leases(0);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config().into_builder().region(None).build());
        let error = builder.dynamodb_client(dynamodb).build().unwrap_err();
        let kinds: Vec<_> = error.kinds().cloned().collect();
        let expected = [
            BuildErrorKind::OutOfRange {
                option: "max_leases",
                value: 0,
                min: 1,
                max: usize::MAX,
            },
            BuildErrorKind::EmptyApplication,
            BuildErrorKind::InvalidStreamName {
                name: "no stream".into(),
            },
            BuildErrorKind::ReservedWorkerId { id: "Leader".into() },
            BuildErrorKind::NoClient { service: KINESIS },
            BuildErrorKind::NoRegion { service: DYNAMODB },
            BuildErrorKind::NoHandler,
        ];
        assert_eq!(kinds, expected);
        for kind in &kinds {
            assert!(error.to_string().contains(&kind.to_string()), "{error}");
        }
    }

    #[test]
    fn a_name_that_no_table_can_have_is_refused() {
        let long = "n".repeat(256);
        for name in [
            "my app",
            "ab",
            "größe",
            &long,
            "arn:aws:dynamodb:eu-north-1:1:index/leases",
        ] {
            let name = name.to_owned();
            let expected = [BuildErrorKind::InvalidTableName { name: name.clone() }];
            assert_eq!(refused(named("billing", "orders").table_name(&name)), expected);
        }
        let table = "arn:aws:dynamodb:eu-north-1:123456789012:table/leases";
        assert_eq!(refused(named("billing", "orders").table_name(table)), []);
        let name = "my app".to_owned();
        assert_eq!(
            refused(named(&name, "orders")),
            [BuildErrorKind::InvalidTableName { name: name.clone() }]
        );
        assert_eq!(refused(named(&name, "orders").table_name("leases")), []);
    }

    #[test]
    fn a_worker_with_an_impossible_id_or_stream_is_refused() {
        assert_eq!(refused(named("billing", "orders")), []);
        assert_eq!(
            refused(named("billing", "orders").worker_id("")),
            [BuildErrorKind::EmptyWorkerId]
        );
        assert_eq!(refused(named("billing", "")), [BuildErrorKind::EmptyStream]);
        let arn = "arn:aws:sqs:eu-north-1:1:orders".to_owned();
        assert_eq!(
            refused(named("billing", &arn)),
            [BuildErrorKind::InvalidStreamArn { arn }]
        );
    }
}
