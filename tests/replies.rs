//! Replies of Kinesis that are edited before the SDK reads them.

use std::fmt;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_kinesis::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use serde_json::Value;
use testkit::sim::Sim;

/// A client of the process `name`, whose JSON replies `edit` may change.
pub(crate) fn edited(sim: &Sim, name: &str, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Client {
    let config = Builder::from(&sim.client(name));
    Client::from_conf(config.interceptor(Edit(Box::new(edit))).build())
}

struct Edit(Box<dyn Fn(&mut Value) + Send + Sync>);

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit")
    }
}

impl Intercept for Edit {
    fn name(&self) -> &'static str {
        "Edit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        if let Some(Ok(mut reply)) = body.bytes().map(serde_json::from_slice::<Value>) {
            (self.0)(&mut reply);
            *body = reply.to_string().into();
        }
        Ok(())
    }
}
