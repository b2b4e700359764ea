//! Whole calls through a simulated DynamoDB in virtual time, signed with the credentials of a provider that obeys the
//! test.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, RuntimeComponents};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeEndpointConfig, Sign};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::retry::RetryConfig;
use futures::future::join_all;
use testkit::sim::Sim;
use tokio::task::JoinSet;

use super::super::client::LeaseClient;
use super::*;
use crate::limits::TABLE_CALL_TIMEOUT;
use service::Clock;
use service::chain;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a provider does when it is asked.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// Credentials after the first time, which are valid for the second.
    After(Duration, Duration),
    /// Credentials that do not expire.
    Static,
    Failure,
    Panic,
    Never,
}

#[derive(Debug, Clone)]
struct Provider {
    time: Wall,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    fn will(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = *self.answer.lock().unwrap();
        let expiry = match answer {
            Answer::After(wait, lifetime) => {
                tokio::time::sleep(wait).await;
                Some(self.time.now() + lifetime)
            }
            Answer::Static => None,
            Answer::Failure => return Err(CredentialsError::provider_error("the vault is sealed")),
            Answer::Panic => panic!("as the test wants it"),
            Answer::Never => pending().await,
        };
        Ok(Credentials::new("key", "secret", None, expiry, "test"))
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// A wall clock that follows the virtual time, and that a test can set: so a suspended machine finds it.
#[derive(Debug, Clone)]
struct Wall {
    begun: Instant,
    set_by: Arc<AtomicI64>,
}

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        let set_by = Duration::from_secs(self.set_by.load(Ordering::Relaxed).try_into().unwrap());
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + (Clock::default().now() - self.begun) + set_by
    }
}

struct Stage {
    client: Client,
    provider: Provider,
    time: Wall,
    trouble: Trouble<String>,
    refreshing: JoinSet<Infallible>,
}

/// A lease client in a simulated world, and the provider of its credentials.
fn stage(answer: Answer) -> Stage {
    let time = Wall {
        begun: Clock::default().now(),
        set_by: Arc::default(),
    };
    let provider = Provider {
        time: time.clone(),
        answer: Arc::new(Mutex::new(answer)),
        asked: Arc::default(),
    };
    let config = Sim::new(7)
        .client("w1")
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider.clone()))
        .time_source(SharedTimeSource::new(time.clone()))
        .build();
    let lease = LeaseClient::new(&Client::new(&config), fastrand::Rng::with_seed(1));
    let mut refreshing = JoinSet::new();
    let trouble = Trouble::default();
    let refresher = lease.refresher.with_trouble(trouble.clone(), Clock::default());
    refreshing.spawn(refresher.run());
    Stage {
        client: lease.client,
        provider,
        time,
        trouble,
        refreshing,
    }
}

impl Stage {
    /// Makes a call. Returns how long it took, or what is wrong.
    async fn call(&self) -> Result<Duration, String> {
        let begun = Clock::default().now();
        match self.client.list_tables().send().await {
            Ok(_) => Ok(Clock::default().now() - begun),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Makes a call every second for `time`. None may fail or wait for a provider.
    async fn calls_for(&self, time: Duration) {
        let begun = Clock::default().now();
        while Clock::default().now() - begun < time {
            let took = self.call().await.unwrap();
            assert!(took < SECOND, "{took:?} after {:?}", Clock::default().now() - begun);
            tokio::time::sleep(SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_but_the_first_waits_for_a_slow_provider() {
    let stage = stage(Answer::After(5 * SECOND, 15 * MINUTE));
    let took = stage.call().await.unwrap();
    assert!(took >= 5 * SECOND, "{took:?}");
    stage.calls_for(HOUR).await;
    let asked = stage.provider.asked();
    assert!((6..=8).contains(&asked), "asked {asked} times in an hour");
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_at_once_share_one_load() {
    let stage = stage(Answer::After(5 * SECOND, HOUR));
    let calls = join_all((0..20).map(|_| stage.call())).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    stage.calls_for(MINUTE).await;
    assert_eq!(stage.provider.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn credentials_without_an_expiry_are_loaded_at_most_once_an_hour() {
    let stage = stage(Answer::Static);
    for _ in 0..24 * 60 {
        stage.call().await.unwrap();
        tokio::time::sleep(MINUTE).await;
    }
    let asked = stage.provider.asked();
    assert!((20..=24).contains(&asked), "asked {asked} times in a day");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_tried_again_with_pauses_while_calls_use_what_is_valid() {
    let stage = stage(Answer::After(Duration::ZERO, 15 * MINUTE));
    stage.calls_for(MINUTE).await;
    stage.provider.will(Answer::Failure);
    stage.calls_for(13 * MINUTE).await;
    let failures = stage.provider.asked() - 1;
    // The refresh began when five or six minutes were left, and the longest pause is five seconds.
    assert!((35..=120).contains(&failures), "{failures} failures");
    stage.provider.will(Answer::After(Duration::ZERO, 15 * MINUTE));
    stage.calls_for(5 * MINUTE).await;
    assert_eq!(stage.provider.asked(), failures + 2);
}

/// Keeps what is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_logged_ever_more_rarely_and_only_while_calls_do_not_fail_themselves() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let stage = stage(Answer::After(Duration::ZERO, 15 * MINUTE));
    stage.call().await.unwrap();
    stage.provider.will(Answer::Failure);
    tokio::time::sleep(HOUR).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("credentials not refreshed"))
        .collect();
    // In the last five or six minutes of the old ones come about a hundred failures.
    assert!((6..=8).contains(&lines.len()), "{lines:#?}");
    let [first, ..] = &lines[..] else { unreachable!() };
    for part in ["WARN", "the vault is sealed", "valid_for=3"] {
        assert!(first.contains(part), "{part}: {first}");
    }
}

#[tokio::test(start_paused = true)]
async fn loads_that_fail_are_noted_while_calls_use_what_is_valid_and_until_one_succeeds() {
    let stage = stage(Answer::After(Duration::ZERO, HOUR));
    stage.call().await.unwrap();
    stage.provider.will(Answer::Failure);
    stage.calls_for(HOUR - MINUTE).await;
    let (lasting, error) = stage.trouble.lasting(Clock::default().now()).unwrap();
    assert!(lasting > SECOND && lasting < HOUR / 2, "{lasting:?}");
    assert!(error.contains("the vault is sealed"), "{error}");
    stage.provider.will(Answer::After(Duration::ZERO, HOUR));
    stage.calls_for(MINUTE / 2).await;
    assert_eq!(stage.trouble.lasting(Clock::default().now()), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_valid_credentials_gets_the_providers_error_until_the_provider_recovers() {
    let stage = stage(Answer::Failure);
    for _ in 0..3 {
        let error = stage.call().await.unwrap_err();
        assert!(error.contains("the vault is sealed"), "{error}");
    }
    stage.provider.will(Answer::After(Duration::ZERO, HOUR));
    stage.call().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_load_goes_on_when_the_call_that_asked_for_it_has_timed_out() {
    let stage = stage(Answer::After(3 * TABLE_CALL_TIMEOUT / 2, HOUR));
    stage.call().await.unwrap_err();
    let took = stage.call().await.unwrap();
    assert!(took < TABLE_CALL_TIMEOUT, "{took:?}");
    assert_eq!(stage.provider.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_gives_no_answer_is_asked_again() {
    let stage = stage(Answer::Never);
    stage.call().await.unwrap_err();
    stage.provider.will(Answer::After(Duration::ZERO, HOUR));
    tokio::time::sleep(LOAD_TIMEOUT).await;
    stage.call().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_is_an_error_and_is_asked_again() {
    let stage = stage(Answer::Panic);
    let error = stage.call().await.unwrap_err();
    assert!(error.contains("panicked"), "{error}");
    stage.provider.will(Answer::After(Duration::ZERO, HOUR));
    stage.call().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_that_expired_while_the_machine_was_suspended_are_not_handed_out() {
    let stage = stage(Answer::After(5 * SECOND, HOUR));
    stage.call().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    // Timers know nothing of it.
    stage.time.set_by.store(2 * 60 * 60, Ordering::Relaxed);
    let took = stage.call().await.unwrap();
    assert!(took >= 5 * SECOND, "{took:?}");
    assert_eq!(stage.provider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_became_due_while_the_machine_was_suspended_begins_with_the_next_call() {
    let stage = stage(Answer::After(5 * SECOND, HOUR));
    stage.call().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    stage.time.set_by.store(57 * 60, Ordering::Relaxed);
    let took = stage.call().await.unwrap();
    assert!(took < SECOND, "{took:?}");
    tokio::time::sleep(SECOND).await;
    assert_eq!(stage.provider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_look_expired_on_arrival_are_used_and_loaded_once_a_second() {
    let stage = stage(Answer::After(Duration::ZERO, Duration::ZERO));
    for _ in 0..100 {
        stage.call().await.unwrap();
        tokio::time::sleep(SECOND / 10).await;
    }
    let asked = stage.provider.asked();
    assert!((8..=14).contains(&asked), "asked {asked} times in about ten seconds");
}

#[tokio::test(start_paused = true)]
async fn after_the_refresher_has_ended_calls_fail_at_once_when_credentials_have_expired() {
    let mut stage = stage(Answer::After(Duration::ZERO, MINUTE));
    stage.call().await.unwrap();
    stage.refreshing.shutdown().await;
    stage.call().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let begun = Clock::default().now();
    let error = stage.call().await.unwrap_err();
    assert!(error.contains("the worker of this client has ended"), "{error}");
    assert!(Clock::default().now() - begun < SECOND);
}

/// Reads the call's configuration, as no provider of credentials can.
#[derive(Debug)]
struct Badge;

impl ResolveIdentity for Badge {
    fn resolve_identity<'a>(&'a self, _: &'a RuntimeComponents, config: &'a ConfigBag) -> IdentityFuture<'a> {
        IdentityFuture::ready(match config.load::<RetryConfig>() {
            Some(_) => Ok(Identity::new("a badge", None)),
            None => Err("not the configuration of a call".into()),
        })
    }
}

/// A scheme that brings its own identities, as a test double or a gateway without credentials does.
#[derive(Debug)]
struct OwnScheme(SharedIdentityResolver);

impl AuthScheme for OwnScheme {
    fn scheme_id(&self) -> AuthSchemeId {
        SIGV4
    }

    fn identity_resolver(&self, _resolvers: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        Some(self.0.clone())
    }

    fn signer(&self) -> &dyn Sign {
        self
    }
}

impl Sign for OwnScheme {
    fn sign_http_request(
        &self,
        _request: &mut HttpRequest,
        identity: &Identity,
        _endpoint: AuthSchemeEndpointConfig<'_>,
        _components: &RuntimeComponents,
        _config: &ConfigBag,
    ) -> Result<(), BoxError> {
        assert!(identity.data::<&str>().is_some(), "the scheme's own identity");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_provider_a_call_fails_as_the_applications_calls_do() {
    let mut config = Sim::new(7).client("w1").into_builder();
    config.set_credentials_provider(None);
    let application = Client::new(&config.build());
    let lease = LeaseClient::new(&application, fastrand::Rng::with_seed(1)).client;
    let mut errors = Vec::new();
    for client in [application, lease] {
        errors.push(chain(&client.list_tables().send().await.unwrap_err()));
    }
    assert!(errors[0].contains("no identity resolver"), "{errors:?}");
    assert_eq!(errors[0], errors[1]);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_a_scheme_or_a_cache_of_its_own_or_without_signatures_works_as_before() {
    let sim = Sim::new(7);
    let own = OwnScheme(SharedIdentityResolver::new(Badge));
    let own = Builder::from(&sim.client("w1")).push_auth_scheme(own);
    let uncached = sim
        .client("w2")
        .into_builder()
        .identity_cache(IdentityCache::no_cache());
    let unsigned = sim.process("w3").dynamodb_client();
    let mut outcomes = Vec::new();
    for client in [Client::from_conf(own.build()), Client::new(&uncached.build()), unsigned] {
        let LeaseClient { client, refresher } = LeaseClient::new(&client, fastrand::Rng::with_seed(1));
        let mut refreshing = JoinSet::new();
        refreshing.spawn(refresher.run());
        outcomes.push(
            client
                .list_tables()
                .send()
                .await
                .map(drop)
                .map_err(|error| chain(&error)),
        );
    }
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())]);
}
