//! Pure: who calls what and when, and how often that may be.

use std::collections::BTreeMap;

use super::limits;
use super::timestamp::Timestamp;
use super::token_bucket::TokenBucket;

/// Who calls what, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// The account of the caller.
    pub(super) account: &'a str,
    pub(super) operation: &'static str,
    pub(super) now: Timestamp,
}

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All calls of an account.
    Account,
    /// All calls about a stream.
    Stream,
}

/// A rate of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRate {
    /// Whose calls are counted together.
    pub scope: Scope,
    /// How many pass in a second.
    pub calls_per_second: u64,
}

/// How often each operation of the control plane may be called. Default: as [`limits::CALL_RATES`] says.
///
/// ```
/// use testkit::kinesis::{CallRate, CallRates, Scope, Settings};
///
/// let rate = CallRate { scope: Scope::Account, calls_per_second: 100 };
/// let settings = Settings { call_rates: CallRates::default().set("CreateStream", rate), ..Settings::default() };
/// # let _ = settings;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRates(BTreeMap<&'static str, CallRate>);

impl CallRates {
    /// Sets the rate of one operation.
    pub fn set(mut self, operation: &'static str, rate: CallRate) -> Self {
        self.0.insert(operation, rate);
        self
    }

    /// The calls a second of an operation, if it is limited in this scope.
    pub(super) fn of(&self, operation: &str, scope: Scope) -> Option<u64> {
        let rate = self.0.get(operation).filter(|rate| rate.scope == scope)?;
        Some(rate.calls_per_second)
    }
}

impl Default for CallRates {
    fn default() -> Self {
        limits::CALL_RATES
            .into_iter()
            .fold(Self(BTreeMap::new()), |rates, (operation, scope, calls_per_second)| {
                let rate = CallRate {
                    scope,
                    calls_per_second,
                };
                rates.set(operation, rate)
            })
    }
}

/// The calls made lately, by operation.
#[derive(Debug, Default)]
pub(super) struct CallCounter(BTreeMap<&'static str, TokenBucket>);

impl CallCounter {
    /// Counts a call, and tells whether it is within its rate.
    pub(super) fn admits(&mut self, call: Call<'_>, calls_per_second: u64) -> bool {
        self.0
            .entry(call.operation)
            .or_insert_with(|| TokenBucket::full(calls_per_second, call.now))
            .try_take(1, call.now)
    }
}
