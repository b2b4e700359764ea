//! A provider of credentials that becomes slow when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_async::time::{SystemTimeSource, TimeSource as _};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// What a slow load waits for. Other loads end at once.
#[derive(Debug, Clone)]
pub(super) enum Manner {
    Nothing,
    /// It sleeps in the task that asked for them.
    InTheCaller(Duration),
    /// A task of the application's runtime fetches them.
    OnTheApplicationsRuntime(Handle),
}

/// Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    manner: Manner,
    lifetime: Option<Duration>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    is_slow: AtomicBool,
    slow_loads: AtomicUsize,
}

impl Provider {
    pub(super) fn new(manner: Manner, lifetime: Option<Duration>) -> Self {
        let counts = Arc::default();
        Self {
            manner,
            lifetime,
            counts,
        }
    }

    /// Makes the loads slow that begin from now on.
    pub(super) fn slow_down(&self) {
        self.counts.is_slow.store(true, Ordering::SeqCst);
    }

    /// Makes the loads fast that begin from now on.
    pub(super) fn speed_up(&self) {
        self.counts.is_slow.store(false, Ordering::SeqCst);
    }

    /// The number of slow loads that have ended, or that wait for the application.
    pub(super) fn slow_loads(&self) -> usize {
        self.counts.slow_loads.load(Ordering::SeqCst)
    }

    async fn credentials(&self) -> Credentials {
        if self.counts.is_slow.load(Ordering::SeqCst) {
            match &self.manner {
                Manner::Nothing => {}
                Manner::InTheCaller(time) => {
                    tokio::time::sleep(*time).await;
                    self.counts.slow_loads.fetch_add(1, Ordering::SeqCst);
                }
                Manner::OnTheApplicationsRuntime(application) => {
                    self.counts.slow_loads.fetch_add(1, Ordering::SeqCst);
                    let mut fetch = JoinSet::new();
                    fetch.spawn_on(async {}, application);
                    fetch.join_next().await;
                }
            }
        }
        let expiry = self.lifetime.map(|lifetime| SystemTimeSource::new().now() + lifetime);
        Credentials::new("key", "secret", None, expiry, "test")
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { Ok(self.credentials().await) })
    }
}
