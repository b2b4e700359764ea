//! The time of the service, by the `Date` header of its replies.
//!
//! A `Date` holds whole seconds, and a reply takes its time. So a reply bounds the service's time on both sides:
//!
//! ```text
//!  Date  ≤  the service's time when the reply is read  <  Date + 1 s + the time since the request was sent
//! ```
//!
//! The estimate moves with the monotonic clock of this process, and each reply moves it into these bounds if it is outside
//! of them. It begins at the lower bound, so it is behind the service by less than a second and a reply's way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use service::Clock;

/// What a `Date` leaves out. Source: RFC 9110, section 5.6.7: the format has whole seconds.
const REST_OF_THE_SECOND: Duration = Duration::from_secs(1);

/// An interceptor that estimates the service's time from all replies of its clients. Clones share the estimate.
#[derive(Debug, Clone)]
pub(super) struct ServiceTime {
    clock: Clock,
    estimate: Arc<Mutex<Option<Estimate>>>,
}

/// The service's time at one moment of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Estimate {
    time: SystemTime,
    at: Instant,
}

/// When the request of a call was sent.
#[derive(Debug)]
struct Sent(Instant);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl ServiceTime {
    /// Knows nothing yet. The time between two replies is measured by `clock`.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            estimate: Arc::default(),
        }
    }

    /// The service's time. `None` if no reply has shown it yet.
    pub(super) fn now(&self) -> Option<SystemTime> {
        let estimate = *self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        estimate.map(|estimate| estimate.time_at(self.clock.now()))
    }

    fn replied(&self, date: SystemTime, sent: Instant) {
        let now = self.clock.now();
        let mut estimate = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        *estimate = Some(Estimate::after_reply(*estimate, date, sent, now));
    }
}

impl Estimate {
    fn time_at(self, now: Instant) -> SystemTime {
        self.time + now.saturating_duration_since(self.at)
    }

    /// The estimate at `now`, when a reply of that `date` was read.
    fn after_reply(before: Option<Self>, date: SystemTime, sent: Instant, now: Instant) -> Self {
        let latest = date + REST_OF_THE_SECOND + now.saturating_duration_since(sent);
        let time = before.map_or(date, |before| before.time_at(now).clamp(date, latest));
        Self { time, at: now }
    }
}

impl Intercept for ServiceTime {
    fn name(&self) -> &'static str {
        "ServiceTime"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(Sent(self.clock.now()));
        Ok(())
    }

    /// Reads the header of each reply, of a refusal as well. A header that is missing or not a date says nothing.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let header = context.response().headers().get("date");
        let date = header.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
        let date = date.and_then(|date| SystemTime::try_from(date).ok());
        if let (Some(date), Some(Sent(sent))) = (date, cfg.load::<Sent>()) {
            self.replied(date, *sent);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use aws_sdk_dynamodb::Client;
    use proptest::prelude::*;
    use testkit::sim::Sim;

    use super::*;
    use crate::lease::dynamodb::DynamoDbLeaseTable;
    use crate::lease::table::LeaseTable as _;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_reply_shows_the_second_and_the_estimate_moves_on_with_the_clock() {
        let now = Instant::now();
        let estimate = Estimate::after_reply(None, at(100), now, now);
        assert_eq!(estimate.time_at(now + 10 * SECOND), at(110));
    }

    #[test]
    fn a_later_second_moves_the_estimate_ahead_and_the_same_one_does_not_move_it_back() {
        let now = Instant::now();
        let half_a_second_later = now + SECOND / 2;
        let first = Estimate::after_reply(None, at(100), now, now);
        let next = |date| Estimate::after_reply(Some(first), date, half_a_second_later, half_a_second_later);
        assert_eq!(next(at(101)).time, at(101));
        assert_eq!(next(at(100)).time, at(100) + SECOND / 2);
    }

    #[test]
    fn a_reply_that_was_read_long_after_it_was_sent_does_not_move_the_estimate_back() {
        let now = Instant::now();
        let first = Estimate::after_reply(None, at(100), now, now);
        let resumed = now + 3_600 * SECOND;
        let late = Estimate::after_reply(Some(first), at(100), now, resumed);
        assert_eq!(late.time, at(3_700));
    }

    #[test]
    fn a_clock_that_runs_too_fast_is_corrected_by_the_next_reply() {
        let now = Instant::now();
        let first = Estimate::after_reply(None, at(100), now, now);
        let later = now + 3_600 * SECOND;
        let corrected = Estimate::after_reply(Some(first), at(3_000), later, later);
        assert_eq!(corrected.time, at(3_001));
    }

    proptest! {
        /// Replies of a service whose clock runs like this process's, each with its own ways there and back.
        #[test]
        fn the_estimate_never_goes_back_and_is_behind_the_service_by_less_than_a_second_and_a_way(
            calls in proptest::collection::vec((0u64..5_000, 0u64..3_000, 0u64..3_000), 1..50),
        ) {
            let begun = Instant::now();
            let millis = Duration::from_millis;
            let (mut elapsed, mut estimate, mut before) = (Duration::ZERO, None, SystemTime::UNIX_EPOCH);
            for (pause, there, back) in calls {
                let sent = elapsed + millis(pause);
                let replied = sent + millis(there);
                elapsed = replied + millis(back);
                let date = at(1_000) + Duration::from_secs((replied + millis(789)).as_secs());
                let after = Estimate::after_reply(estimate, date, begun + sent, begun + elapsed);
                let true_time = at(1_000) + elapsed + millis(789);
                prop_assert!(after.time <= true_time && after.time >= before);
                prop_assert!(true_time.duration_since(after.time).unwrap() < SECOND + millis(back));
                (estimate, before) = (Some(after), after.time);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_replies_of_the_service_show_its_time_whatever_the_clock_of_the_host_says() {
        let sim = Sim::new(1);
        let process = sim.process("worker");
        process.set_clock_behind(3_600 * SECOND);
        let time = ServiceTime::new(process.clock());
        let config = aws_sdk_dynamodb::config::Builder::from(&process.sdk_config());
        let client = Client::from_conf(config.interceptor(time.clone()).build());
        assert_eq!(time.now(), None);
        let refused = client.scan().table_name("none").send().await;
        assert!(refused.is_err());
        tokio::time::sleep(60 * SECOND).await;
        let behind = sim.now().duration_since(time.now().unwrap()).unwrap();
        assert!(behind < 2 * SECOND, "{behind:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_replies_to_the_client_of_the_lease_thread_show_the_time_too() {
        let sim = Sim::new(1);
        let client = Client::new(&sim.client("worker"));
        let table = DynamoDbLeaseTable::new(&client, "leases".to_owned(), "billing", Clock::default());
        let separate = table.on_another_runtime(fastrand::Rng::with_seed(1));
        assert_eq!(separate.table.service_time(), None);
        tokio::select! {
            biased;
            scanned = separate.table.scan_page(None) => assert!(scanned.is_err(), "there is no table"),
            never = separate.upkeep => match never {},
        }
        assert!(separate.table.service_time().is_some());
    }
}
