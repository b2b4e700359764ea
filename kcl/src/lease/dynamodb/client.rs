//! The DynamoDB client of the lease thread, made from the application's.
//!
//! Connections belong to the runtime that opened them, and a load of credentials is polled by the call that began it. A
//! blocked application would block both, so this client has connections and credentials of its own. Use it on the lease
//! thread alone: a call of the application on one of its connections would depend on the lease thread.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::identities::{IdentityRefresher, refreshed_identities};
use crate::limits::TABLE_CALL_TIMEOUT;

/// The time for a connection if the application's client has none. The SDK's default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// The client of one lease thread, and the task that it needs there.
#[derive(Debug)]
pub(crate) struct LeaseClient {
    /// Its calls are bounded and not retried by the SDK.
    pub(crate) client: Client,
    /// Loads the client's credentials. Without it, calls that must be signed wait until they time out.
    pub(crate) refresher: IdentityRefresher,
}

impl LeaseClient {
    /// A client that sends as `application` does: same HTTP client with its proxy and certificates, same endpoint and
    /// region, same credentials provider. It makes no call and may be made outside of any runtime.
    ///
    /// A hand-written HTTP client that returns the same connector for all time-outs still shares its connections.
    pub(crate) fn new(application: &Client, rng: fastrand::Rng) -> Self {
        let pool = PoolNumber::take();
        let config = application.config();
        let timeouts = config
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let connect = config.timeout_config().and_then(TimeoutConfig::connect_timeout);
        let timeouts = timeouts
            .connect_timeout(pool.marked(connect.unwrap_or(CONNECT_TIMEOUT)))
            .operation_timeout(TABLE_CALL_TIMEOUT);
        let (identities, refresher) = refreshed_identities(rng, pool);
        let config = config
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build())
            .identity_cache(identities);
        Self {
            client: Client::from_conf(config.build()),
            refresher,
        }
    }
}

/// Numbers in use in this process.
static NUMBERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Separates the connections of one lease thread from the process's others on the same HTTP client.
///
/// The SDK's HTTP client keeps a pool for each pair of connect and read time-out. Another number of nanoseconds is
/// another pool. A number is used again when its client is gone, so that the number of pools stays small.
#[derive(Debug)]
pub(super) struct PoolNumber(u32);

impl PoolNumber {
    fn take() -> Self {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = smallest_free(&numbers);
        numbers.insert(number);
        Self(number)
    }

    fn marked(&self, timeout: Duration) -> Duration {
        timeout.saturating_add(Duration::from_nanos(self.0.into()))
    }
}

impl Drop for PoolNumber {
    fn drop(&mut self) {
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn smallest_free(numbers: &BTreeSet<u32>) -> u32 {
    let free = (1..u32::MAX).find(|number| !numbers.contains(number));
    free.unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
