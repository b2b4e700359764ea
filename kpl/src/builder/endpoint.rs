//! Whether a client has an endpoint URL of its own, in place of its region's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept};
use aws_sdk_kinesis::error::BoxError;
use aws_types::endpoint_config::EndpointUrl;
use futures::FutureExt as _;
use tokio::runtime::Handle;

/// A client does not tell its endpoint URL; it shows it to who intercepts a call. This one is given up before anything is
/// done for it.
pub(super) fn is_given(client: &Client) -> bool {
    if Handle::try_current().is_err() {
        // The call's timers would panic. The producer is refused for that anyway.
        return true;
    }
    let look = Look::default();
    let call = client.list_shards().customize().interceptor(look.clone()).send();
    // Refused by the look itself; there is nothing to wait for.
    drop(call.now_or_never());
    look.has_seen_one.load(Ordering::Relaxed)
}

/// Looks at the configuration of a call, and gives the call up.
#[derive(Debug, Clone, Default)]
struct Look {
    has_seen_one: Arc<AtomicBool>,
}

impl Intercept for Look {
    fn name(&self) -> &'static str {
        "Look"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let has_one = config.load::<EndpointUrl>().is_some();
        self.has_seen_one.store(has_one, Ordering::Relaxed);
        Err("only looking".into())
    }
}
