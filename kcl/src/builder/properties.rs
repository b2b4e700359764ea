//! The options of a worker from the `.properties` file of a KCL program.

use crate::builder::WorkerBuilder;
use crate::error::BuildErrorKind;
use crate::properties::KclProperties;
use crate::stream::StreamRef;

impl WorkerBuilder {
    /// Sets every option that the KCL has too: to its value in `properties`, or to the KCL's default. Call it before the
    /// other options, which change it from there.
    ///
    /// Settings that belong in the SDK's configuration are not applied, and neither are those without a counterpart here.
    /// [`build`](Self::build) [names them](crate::event::WorkerEvent::SettingsLeft), and refuses a file of another application, stream or region.
    pub fn kcl_properties(mut self, properties: &KclProperties) -> Self {
        properties.apply(&mut self.config);
        self.table_name = properties.text("tableName").map(str::to_owned);
        let id = properties
            .text("workerId")
            .or_else(|| properties.text("workerIdentifier"));
        self.worker_id = id.map(str::to_owned);
        self.properties = Some(properties.clone());
        self
    }

    /// What the file says of another worker than this one.
    pub(super) fn other_properties(&self) -> Vec<BuildErrorKind> {
        let Some(properties) = &self.properties else {
            return Vec::new();
        };
        let region = self.kinesis.as_ref().and_then(|client| client.config().region());
        let region = region.map_or("", AsRef::as_ref);
        // An ARN takes precedence, as in the KCL.
        let stream = match properties.text("streamArn") {
            Some(_) => "streamArn",
            None => "streamName",
        };
        let differs = |key: &str, named: &str| match key {
            "applicationName" => named != self.application,
            "regionName" => !region.is_empty() && named != region,
            _ => !is_same_stream(&StreamRef::parse(named), &StreamRef::parse(&self.stream)),
        };
        let compared = [
            ("applicationName", self.application.as_str()),
            (stream, self.stream.as_str()),
            ("regionName", region),
        ];
        let others = compared.into_iter().filter_map(|(key, worker)| {
            let named = properties.text(key).filter(|named| differs(key, named))?;
            Some(BuildErrorKind::PropertiesOfAnotherWorker {
                key,
                properties: named.to_owned(),
                worker: worker.to_owned(),
            })
        });
        others.collect()
    }
}

/// Two ARNs are compared as they are, a name with the name in an ARN.
fn is_same_stream(a: &StreamRef, b: &StreamRef) -> bool {
    match (a.arn(), b.arn()) {
        (Some(a), Some(b)) => a == b,
        _ => a.label() == b.label(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_config::{BehaviorVersion, Region, SdkConfig};

    use super::*;
    use crate::event::{Event, WorkerEvent};
    use crate::worker::Worker;

    const ARN: &str = "arn:aws:kinesis:eu-north-1:123456789012:stream/orders";

    /// A worker `billing` of this stream in `eu-north-1`.
    fn of_file(properties: &KclProperties, stream: &str) -> WorkerBuilder {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new("eu-north-1")).build();
        let builder = Worker::builder("billing", stream).aws(&config);
        builder.kcl_properties(properties).for_each_record(async |_| Ok(()))
    }

    /// What is said of such a worker with this file.
    fn refused(text: &str, stream: &str) -> Option<String> {
        let built = of_file(&text.parse().unwrap(), stream).build();
        built.err().map(|error| error.to_string())
    }

    /// What a worker tells of its file when it is built.
    fn told(properties: &KclProperties) -> Vec<Event> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let builder = of_file(properties, "orders").on_event(move |event| heard.lock().unwrap().push(event.clone()));
        drop(builder.build().unwrap());
        told.lock().unwrap().clone()
    }

    #[test]
    fn what_a_worker_does_not_take_over_is_told_when_it_is_built_with_lines_and_reasons() {
        let text = "regionName = eu-north-1\nkinesisEndpoint = http://localhost:4567\nexecutableName = app.py\n\
                    dynamoDBEndpoint =\nmaxLeaseRenewalThreads = 20\nmaxActiveThreads = 4\nmaxRecords = 5\nthreads = 7";
        let properties = KclProperties::parse_ignoring_unknown_keys(text).unwrap();
        let left = |text: &str| text.to_owned();
        let expected = WorkerEvent::SettingsLeft {
            sdk: vec![left("kinesisEndpoint in line 2 (the endpoint URL of Kinesis)")],
            ignored: vec![
                left("executableName in line 3 (there is no child process)"),
                left("maxActiveThreads in line 6 (there are no thread pools: the worker's tasks run on your runtime)"),
                left("threads in line 8 (the KCL has no such option)"),
            ],
        };
        assert_eq!(told(&properties), [Event::from(expected)]);
    }

    #[test]
    fn a_file_whose_other_settings_are_those_of_the_kcl_by_default_leaves_nothing_to_tell() {
        let text =
            "regionName = eu-north-1\nretrievalMode = default\nshutdownGraceMillis = 0\nfailoverTimeMillis = 9000";
        assert_eq!(told(&text.parse().unwrap()), []);
    }

    #[test]
    fn a_file_of_another_worker_is_refused_with_all_that_differs() {
        let text = "applicationName = audit\nstreamName = payments\nregionName = us-east-1";
        let refused = refused(text, "orders").unwrap();
        for difference in [
            "applicationName = audit, and this worker has billing",
            "streamName = payments, and this worker has orders",
            "regionName = us-east-1, and this worker has eu-north-1",
        ] {
            assert!(refused.contains(difference), "{refused}");
        }
    }

    #[test]
    fn a_file_of_this_worker_may_name_the_stream_by_its_name_or_its_arn() {
        let names = "applicationName = billing\nregionName = eu-north-1\nstreamName = ";
        for stream in ["orders", ARN] {
            assert_eq!(refused(&format!("{names}orders"), stream), None);
            let by_arn = format!("streamArn = {ARN}\nstreamName = another");
            assert_eq!(refused(&by_arn, stream), None);
        }
        assert_eq!(refused("", "orders"), None, "a file that says nothing of it");
        let of_another_account = ARN.replace("123456789012", "210987654321");
        assert!(refused(&format!("streamArn = {ARN}"), &of_another_account).is_some());
    }

    #[test]
    fn the_names_of_the_file_are_those_of_the_worker_unless_the_builder_sets_them_afterwards() {
        let properties = "tableName = leases\nworkerId = w-7".parse().unwrap();
        let builder = Worker::builder("billing", "orders").kcl_properties(&properties);
        assert_eq!(
            (builder.table_name.as_deref(), builder.worker_id.as_deref()),
            (Some("leases"), Some("w-7"))
        );
        assert_eq!(builder.worker_id("w-8").worker_id.as_deref(), Some("w-8"));
        let properties = "workerIdentifier = w-9\ntableName =".parse().unwrap();
        let builder = Worker::builder("billing", "orders").kcl_properties(&properties);
        assert_eq!((builder.table_name, builder.worker_id.as_deref()), (None, Some("w-9")));
    }
}
