//! The options of a worker from the `.properties` file of a KCL program.

use crate::builder::WorkerBuilder;
use crate::error::BuildErrorKind;
use crate::properties::KclProperties;
use crate::stream::StreamRef;

impl WorkerBuilder {
    /// Sets every option that the KCL has too: to its value in `properties`, or to the KCL's default. Call it before the
    /// other options, which change it from there.
    ///
    /// What the SDK's configuration has to take over is not. [`build`](Self::build) refuses a file of another application, stream
    /// or region.
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
    use aws_config::{BehaviorVersion, Region, SdkConfig};

    use crate::worker::Worker;

    const ARN: &str = "arn:aws:kinesis:eu-north-1:123456789012:stream/orders";

    /// What is said of a worker `billing` of this stream in `eu-north-1`.
    fn refused(text: &str, stream: &str) -> Option<String> {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new("eu-north-1")).build();
        let builder = Worker::builder("billing", stream).aws(&config);
        let builder = builder.kcl_properties(&text.parse().unwrap());
        let built = builder.for_each_record(async |_| Ok(())).build();
        built.err().map(|error| error.to_string())
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
