//! Puts the host into the errors of requests that got no answer: neither the SDK nor its HTTP client tells it.
//!
//! An account can have an endpoint of its own. Where a firewall lets single names pass, such an error alone tells which
//! name it does not know.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// An interceptor that adds the host to the error of a request that got no answer.
///
/// For clients whose retries are switched off: the kinds of errors by which the SDK retries are not kept.
#[derive(Debug, Clone, Copy)]
pub struct HostInErrors;

/// The host of a request.
#[derive(Debug, Clone)]
struct Host(String);

impl Storable for Host {
    type Storer = StoreReplace<Self>;
}

/// The error of a request that got no answer, with its host.
#[derive(Debug)]
struct NoAnswer {
    host: Host,
    error: BoxError,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from {}", self.host.0)
    }
}

impl Error for NoAnswer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

/// The host of a URI, with its port if it has one.
fn host_of(uri: &str) -> Option<Host> {
    let (_, rest) = uri.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    Some(Host(host.to_owned()))
}

impl Intercept for HostInErrors {
    fn name(&self) -> &'static str {
        "HostInErrors"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(host) = host_of(context.request().uri()) {
            cfg.interceptor_state().store_put(host);
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(Err(error)), Some(host)) = (context.output_or_error_mut(), cfg.load::<Host>()) else {
            return Ok(());
        };
        let again: fn(BoxError) -> _ = match (error.is_connector_error(), error.is_timeout_error()) {
            (true, _) => |error| OrchestratorError::connector(ConnectorError::other(error, None)),
            (false, true) => OrchestratorError::timeout,
            (false, false) => return Ok(()),
        };
        let without = std::mem::replace(error, OrchestratorError::other("the error is being replaced"));
        *error = again(Box::new(NoAnswer {
            host: host.clone(),
            error: without.into(),
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_uri_has_its_port_and_nothing_of_its_path() {
        for (uri, host) in [
            (
                "https://kinesis.eu-north-1.amazonaws.com/",
                Some("kinesis.eu-north-1.amazonaws.com"),
            ),
            ("http://localhost:4567", Some("localhost:4567")),
            ("https://10.0.0.1/path?to=it", Some("10.0.0.1")),
            ("/path", None),
        ] {
            assert_eq!(host_of(uri).map(|host| host.0).as_deref(), host, "{uri}");
        }
    }
}
