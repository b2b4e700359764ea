//! Replies carry the service's time, by which a client can find out how wrong its own clock is.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::{DateTime, Format};
use testkit::sim::{Fault, Sim};

use crate::fronts::on_both_fronts;

/// Keeps the date of each reply.
#[derive(Debug, Clone, Default)]
struct Dates(Arc<Mutex<Vec<SystemTime>>>);

#[dyn_dispatch_hint]
impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "Dates"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").ok_or("no date")?;
        let date = DateTime::from_str(date, Format::HttpDate)?;
        self.0.lock().unwrap().push(date.try_into()?);
        Ok(())
    }
}

/// The dates of the replies of all three services, and of a refusal.
async fn dates(config: &SdkConfig) -> Vec<SystemTime> {
    let dates = Dates::default();
    let kinesis = aws_sdk_kinesis::Client::new(config);
    let listed = kinesis.list_streams().customize().interceptor(dates.clone());
    listed.send().await.unwrap();
    let missing = kinesis.describe_stream_summary().stream_name("missing").customize();
    missing.interceptor(dates.clone()).send().await.unwrap_err();
    let tables = aws_sdk_dynamodb::Client::new(config).list_tables().customize();
    tables.interceptor(dates.clone()).send().await.unwrap();
    let metrics = aws_sdk_cloudwatch::Client::new(config)
        .put_metric_data()
        .namespace("test");
    // Whether or not it is taken, it is answered.
    drop(metrics.customize().interceptor(dates.clone()).send().await);
    let dates = dates.0.lock().unwrap();
    dates.clone()
}

async fn every_reply_is_dated(config: &SdkConfig) {
    let clock = config.time_source().unwrap_or_default();
    let now = clock.now();
    let dates = dates(config).await;
    assert_eq!(dates.len(), 4);
    for date in dates {
        let late = date.duration_since(now).unwrap_or_else(|early| early.duration());
        assert!(late < Duration::from_secs(10), "{date:?} at {now:?}");
    }
}

on_both_fronts!(every_reply_is_dated);

#[tokio::test(start_paused = true)]
async fn the_date_is_the_services_whatever_the_callers_clock_shows_and_whatever_the_reply() {
    let sim = Sim::new(7);
    sim.process("late").set_clock_behind(Duration::from_secs(3_600));
    let expected = sim.now();
    assert_eq!(dates(&sim.client("late")).await, [expected; 4]);
    sim.faults(|_call| Fault::access_denied());
    let kinesis = aws_sdk_kinesis::Client::new(&sim.client("late"));
    let dates = Dates::default();
    let refused = kinesis.list_streams().customize().interceptor(dates.clone());
    refused.send().await.unwrap_err();
    // The SDK takes this refusal for a consequence of the wrong clock, and tries again.
    assert_eq!(dates.0.lock().unwrap().first(), Some(&expected));
}
