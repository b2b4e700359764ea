//! Clients of a simulated process: as an application has them, or without what no simulated service looks at.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::user_agent::UserAgentInterceptor;
#[cfg(feature = "dynamodb")]
use aws_sdk_dynamodb::config::Builder as DynamoDbConfig;
use aws_sdk_kinesis::config::Builder as KinesisConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::ConfigBag;

use super::connector::SimClient;
use super::process::Process;
use crate::account;

impl Process {
    /// The SDK configuration of its clients, with its own view of the network and of the time.
    ///
    /// SDK retries are the SDK's default and time-outs are unset; whoever builds a client from it may set both.
    pub fn sdk_config(&self) -> SdkConfig {
        let clock = self.machine_clock();
        account::sdk_config()
            .into_builder()
            .http_client(SimClient::new(
                Arc::clone(&self.name),
                clock.clone(),
                Arc::clone(&self.world),
            ))
            .sleep_impl(clock.clone())
            .time_source(clock)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// A Kinesis client of this process, like those of [`sdk_config`](Self::sdk_config), that neither signs its requests
    /// nor says which SDK made them.
    ///
    /// For large fleets and long times: to sign is one of the dearest things that the SDK does for a simulated call.
    pub fn kinesis_client(&self) -> aws_sdk_kinesis::Client {
        let config = KinesisConfig::from(&self.sdk_config());
        let config = config.push_auth_scheme(Unsigned).interceptor(Unnamed);
        aws_sdk_kinesis::Client::from_conf(config.build())
    }

    /// A DynamoDB client of this process that leaves out what [`kinesis_client`](Self::kinesis_client) leaves out.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        let config = DynamoDbConfig::from(&self.sdk_config());
        let config = config.push_auth_scheme(Unsigned).interceptor(Unnamed);
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }
}

/// Takes the place of the SDK's signatures.
#[derive(Debug)]
struct Unsigned;

impl AuthScheme for Unsigned {
    fn scheme_id(&self) -> AuthSchemeId {
        aws_runtime::auth::sigv4::SCHEME_ID
    }

    fn identity_resolver(&self, resolvers: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(self.scheme_id())
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for Unsigned {
    fn sign_http_request(
        &self,
        _request: &mut HttpRequest,
        _identity: &Identity,
        _endpoint: AuthSchemeEndpointConfig<'_>,
        _components: &RuntimeComponents,
        _config: &ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Switches off the headers that name the SDK and the call.
#[derive(Debug)]
struct Unnamed;

#[dyn_dispatch_hint]
impl Intercept for Unnamed {
    fn name(&self) -> &'static str {
        "Unnamed"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        const NOBODY_READS_IT: &str = "no simulated service reads it";
        let state = config.interceptor_state();
        state.store_put(disable_interceptor::<UserAgentInterceptor>(NOBODY_READS_IT));
        state.store_put(disable_interceptor::<InvocationIdInterceptor>(NOBODY_READS_IT));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;

    use super::*;
    use crate::sim::Sim;

    /// Keeps the names of a request's headers.
    #[derive(Debug, Default)]
    struct Headers(Arc<Mutex<Vec<String>>>);

    #[dyn_dispatch_hint]
    impl Intercept for Headers {
        fn name(&self) -> &'static str {
            "Headers"
        }

        fn read_before_transmit(
            &self,
            context: &BeforeTransmitInterceptorContextRef<'_>,
            _components: &RuntimeComponents,
            _config: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            let names = context.request().headers().iter().map(|(name, _)| name.to_owned());
            *self.0.lock().unwrap() = names.collect();
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_answered_without_signature_user_agent_and_invocation_id() {
        let process = Sim::new(7).process("worker");
        let headers = Headers::default();
        let names = Arc::clone(&headers.0);
        let call = process.kinesis_client().list_streams().customize();
        call.interceptor(headers).send().await.unwrap();
        for left_out in [
            "authorization",
            "user-agent",
            "x-amz-user-agent",
            "amz-sdk-invocation-id",
        ] {
            let names = names.lock().unwrap();
            assert!(names.iter().any(|name| name == "x-amz-target"), "{names:?}");
            assert!(!names.iter().any(|name| name == left_out), "{names:?}");
        }
        #[cfg(feature = "dynamodb")]
        assert!(process.dynamodb_client().list_tables().send().await.is_ok());
    }
}
