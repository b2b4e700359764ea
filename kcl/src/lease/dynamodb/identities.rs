//! The credentials of the lease thread's calls, refreshed before they expire.
//!
//! The SDK's own cache loads credentials when a call needs them, so a slow provider makes a renewal late. And the call
//! that began a load polls it, perhaps on a runtime that is blocked. Here a task of the lease thread loads credentials
//! ahead, and a call gets the current ones at once while they are valid.
//!
//! It is an identity cache, because a client has no accessor for its credentials provider, and the SDK hands the provider
//! to the cache with each call.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::config::{
    ConfigBag, IdentityCache, ResolveCachedIdentity, RuntimeComponents, SharedIdentityCache,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::identity::{Identity, IdentityFuture, ResolveIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponentsBuilder};
use futures::FutureExt;
use service::{Clock, Jitter, RetryDelays};
use tokio::sync::{mpsc, watch};

use super::client::PoolNumber;
use super::refresh::Validity;
use crate::event::WorkerEvent;
use crate::observers::Observers;
use crate::trouble::Trouble;

/// The scheme whose identities are AWS credentials.
const SIGV4: AuthSchemeId = AuthSchemeId::new("sigv4");

/// How long a provider may take. Our choice; the SDK's own cache waits about 22 s.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The wait after the first failed load, and the longest. Our choice.
const LOAD_WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Hands out credentials to calls. [`IdentityRefresher`] loads them.
///
/// Without valid credentials a call waits for the next load, within its own time-out, and gets the error of that load if
/// it fails. Identities that are not AWS credentials are left to a cache of the SDK.
#[derive(Debug)]
pub(super) struct RefreshedIdentities {
    loads: watch::Receiver<Loads>,
    asked: mpsc::Sender<Source>,
    others: SharedIdentityCache,
    /// Kept for as long as a client uses the connections of that number.
    _pool: PoolNumber,
}

/// Loads the credentials of one client, on the runtime that polls [`run`](Self::run).
///
/// A provider that blocks its thread, against the rules of async code, blocks that runtime too.
#[derive(Debug)]
pub(crate) struct IdentityRefresher {
    loads: watch::Sender<Loads>,
    asked: mpsc::Receiver<Source>,
    delays: RetryDelays,
    rng: fastrand::Rng,
    observers: Observers,
    trouble: Trouble<String>,
    clock: Clock,
}

/// A credentials provider, and the components of the call that named it.
#[derive(Debug, Clone)]
struct Source {
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
}

/// The outcome of the loads so far.
#[derive(Debug, Clone, Default)]
struct Loads {
    /// The newest credentials, valid or not.
    held: Option<(Identity, Validity)>,
    /// Why the last load failed, if it did.
    error: Option<NotLoaded>,
    /// The number of failed loads since the last success.
    failures: u32,
}

/// Credentials could not be loaded.
#[derive(Debug, Clone)]
enum NotLoaded {
    Provider(Arc<dyn Error + Send + Sync>),
    Panicked,
    TimedOut,
    Ended,
}

/// Makes an identity cache for a client, and the task that fills it. Needs no runtime.
pub(super) fn refreshed_identities(
    mut rng: fastrand::Rng,
    pool: PoolNumber,
) -> (RefreshedIdentities, IdentityRefresher) {
    let (publish, loads) = watch::channel(Loads::default());
    // One is enough: the calls of a client all ask for the same.
    let (ask, asked) = mpsc::channel(1);
    let identities = RefreshedIdentities {
        loads,
        asked: ask,
        others: IdentityCache::lazy().build(),
        _pool: pool,
    };
    let refresher = IdentityRefresher {
        loads: publish,
        asked,
        delays: RetryDelays::new(LOAD_WAITS, Jitter::Half, rng.fork()),
        rng,
        observers: Observers::default(),
        trouble: Trouble::default(),
        clock: Clock::default(),
    };
    (identities, refresher)
}

impl ResolveCachedIdentity for RefreshedIdentities {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let credentials = components.identity_resolver(SIGV4);
        let signs = credentials.is_some_and(|signing| signing.cache_partition() == resolver.cache_partition());
        match (signs, components.time_source()) {
            (true, Some(time)) => {
                IdentityFuture::new(async move { Ok(self.credentials(resolver, components, time.now()).await?) })
            }
            (false, _) | (true, None) => self.others.resolve_cached_identity(resolver, components, config),
        }
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.others.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.others.validate_final_config(components, config)
    }
}

impl RefreshedIdentities {
    async fn credentials(
        &self,
        resolver: SharedIdentityResolver,
        components: &RuntimeComponents,
        now: SystemTime,
    ) -> Result<Identity, NotLoaded> {
        let mut loads = self.loads.clone();
        let seen = loads.borrow_and_update().clone();
        match seen.held {
            Some((identity, validity)) if validity.is_usable(now) => {
                if validity.is_due(now) {
                    self.ask(resolver, components);
                }
                Ok(identity)
            }
            _ => {
                self.ask(resolver, components);
                loads.changed().await.map_err(|_closed| NotLoaded::Ended)?;
                let load = loads.borrow_and_update().clone();
                match (load.error, load.held) {
                    (None, Some((identity, _))) => Ok(identity),
                    (Some(error), _) => Err(error),
                    (None, None) => Err(NotLoaded::Ended),
                }
            }
        }
    }

    /// Wakes the refresher. It decides whether to load.
    fn ask(&self, resolver: SharedIdentityResolver, components: &RuntimeComponents) {
        // A full channel means that another call has asked; a closed one, that the refresher has ended.
        if let Ok(place) = self.asked.try_reserve() {
            let components = components.clone();
            place.send(Source { resolver, components });
        }
    }
}

impl IdentityRefresher {
    /// Tells `observers` of loads that failed.
    pub(crate) fn with_observers(self, observers: Observers) -> Self {
        Self { observers, ..self }
    }

    /// Notes loads that fail in `trouble`, by `clock`, until one succeeds.
    pub(crate) fn with_trouble(self, trouble: Trouble<String>, clock: Clock) -> Self {
        Self { trouble, clock, ..self }
    }

    /// Loads credentials for the first call, and then again before they expire. It never ends by itself. Once it is dropped,
    /// calls fail.
    ///
    /// It must be polled for calls to work.
    pub(crate) async fn run(mut self) -> Infallible {
        let Some(mut source) = self.asked.recv().await else {
            // No client is left.
            return pending().await;
        };
        loop {
            let loaded = self.load(&source).await;
            let rest = self.publish(loaded, now_of(&source));
            source = self.rest(source, rest).await;
        }
    }

    async fn load(&self, source: &Source) -> Result<Identity, NotLoaded> {
        // The providers of credentials read no configuration from the call.
        let config = ConfigBag::base();
        let resolving = async { source.resolver.resolve_identity(&source.components, &config).await };
        let caught = AssertUnwindSafe(resolving).catch_unwind();
        match tokio::time::timeout(LOAD_TIMEOUT, caught).await {
            Ok(Ok(Ok(identity))) => Ok(identity),
            Ok(Ok(Err(error))) => Err(NotLoaded::Provider(error.into())),
            Ok(Err(_panic)) => Err(NotLoaded::Panicked),
            // Some providers keep old credentials for the case that their source is unreachable.
            Err(_elapsed) if !self.is_usable(now_of(source)) => {
                source.resolver.fallback_on_interrupt().ok_or(NotLoaded::TimedOut)
            }
            Err(_elapsed) => Err(NotLoaded::TimedOut),
        }
    }

    /// Publishes the outcome of a load. Returns the time until the next load.
    fn publish(&mut self, loaded: Result<Identity, NotLoaded>, now: SystemTime) -> Duration {
        let mut loads = self.loads.borrow().clone();
        let rest = match loaded {
            Ok(identity) => {
                let validity = Validity::new(now, identity.expiration(), &mut self.rng);
                loads.held = Some((identity, validity));
                (loads.error, loads.failures) = (None, 0);
                self.trouble.over();
                validity.refresh_in(now)
            }
            Err(error) => {
                loads.failures = loads.failures.saturating_add(1);
                self.trouble.met(service::chain(&error), self.clock.now());
                report(&error, &loads, now, &self.observers);
                loads.error = Some(error);
                self.delays.after(loads.failures)
            }
        };
        self.loads.send_replace(loads);
        rest
    }

    /// Waits until the next load is due. A call that finds the credentials due or expired by the wall clock ends the wait:
    /// timers stand still while the machine is suspended.
    async fn rest(&mut self, mut source: Source, rest: Duration) -> Source {
        let mut rested = std::pin::pin!(tokio::time::sleep(rest));
        loop {
            tokio::select! {
                biased;
                Some(asked) = self.asked.recv() => {
                    source = asked;
                    if self.is_wanted(now_of(&source)) {
                        return source;
                    }
                }
                () = rested.as_mut() => return source,
            }
        }
    }

    fn is_usable(&self, now: SystemTime) -> bool {
        let loads = self.loads.borrow();
        loads.held.as_ref().is_some_and(|(_, validity)| validity.is_usable(now))
    }

    /// Whether the next load is due by the wall clock. After a failure only the delay counts.
    fn is_wanted(&self, now: SystemTime) -> bool {
        let loads = self.loads.borrow();
        let due = loads
            .held
            .as_ref()
            .is_none_or(|(_, validity)| validity.is_due(now) || !validity.is_usable(now));
        loads.failures == 0 && due
    }
}

/// The wall clock that the client signs by. Only calls that have one ask for credentials here.
fn now_of(source: &Source) -> SystemTime {
    let time = source.components.time_source();
    time.map_or(SystemTime::UNIX_EPOCH, |time| time.now())
}

/// Reports a failed refresh while the old credentials are valid: failures 1, 2, 4, 8 and so on. Once they have expired,
/// the calls fail with the same error.
fn report(error: &NotLoaded, loads: &Loads, now: SystemTime, observers: &Observers) {
    let usable = loads.held.as_ref().filter(|(_, validity)| validity.is_usable(now));
    if let Some((_, validity)) = usable
        && loads.failures.is_power_of_two()
    {
        let valid_for = validity.valid_for(now);
        let error = service::chain(error);
        observers.tell(WorkerEvent::CredentialsNotRefreshed { error, valid_for });
    }
}

impl fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(_) => f.write_str("credentials could not be loaded"),
            Self::Panicked => f.write_str("the credentials provider panicked"),
            Self::TimedOut => write!(f, "the credentials provider gave no answer within {LOAD_TIMEOUT:?}"),
            Self::Ended => f.write_str("the worker of this client has ended"),
        }
    }
}

impl Error for NotLoaded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Provider(error) => Some(&**error),
            Self::Panicked | Self::TimedOut | Self::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests;
