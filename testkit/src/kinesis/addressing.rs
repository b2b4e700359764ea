//! Pure: from the name or the ARN in a call to the stream that it is about.

use super::account::Account;
use super::call::{Call, Scope};
use super::error::ServiceError;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, refusal};

impl Kinesis {
    /// The account with this id; new to the service if it has not called before.
    pub(super) fn account_mut(&mut self, id: &str) -> &mut Account {
        self.accounts.entry(id.to_owned()).or_default()
    }

    /// Finds the stream that a call is about, by its name, its ARN or both, and counts the call.
    pub(super) fn stream_mut(
        &mut self,
        call: Call<'_>,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<&mut Stream, ServiceError> {
        let (owner, name) = self.addressee(call, name, arn)?;
        self.stream_of(call, owner, name)
    }

    /// Finds a stream by its account and its name, and counts the call.
    pub(super) fn stream_of(&mut self, call: Call<'_>, owner: &str, name: &str) -> Result<&mut Stream, ServiceError> {
        let in_account = self.is_within_account_rate(call);
        let rate = self.settings.call_rate(call.operation, Scope::Stream);
        let stream = self
            .accounts
            .get_mut(owner)
            .and_then(|account| account.streams.get_mut(name))
            .ok_or_else(|| refusal::no_stream(name, owner))?;
        if in_account && rate.is_none_or(|rate| stream.calls.admits(call, rate)) {
            Ok(stream)
        } else {
            Err(refusal::call_rate_exceeded(&stream.identity))
        }
    }

    /// The account and the name of the stream that a call is about, if the caller may use it.
    fn addressee<'a>(
        &self,
        call: Call<'a>,
        name: Option<&'a str>,
        arn: Option<&'a str>,
    ) -> Result<(&'a str, &'a str), ServiceError> {
        Constraints::default().name("streamName", name).check()?;
        let Some(arn) = arn else {
            let name =
                name.ok_or_else(|| ServiceError::validation("Either StreamName or StreamARN should be provided."))?;
            return Ok((call.account, name));
        };
        let (owner, of_arn) = self.settings.stream_of_arn(arn)?;
        if let Some(name) = name.filter(|name| *name != of_arn) {
            let message = format!("StreamName {name} and StreamARN {arn} name two streams.");
            return Err(ServiceError::invalid_argument(message));
        }
        let is_shared = self.settings.sharing_accounts.iter().any(|account| account == owner)
            && limits::SHARED_OPERATIONS.contains(&call.operation);
        if owner == call.account || is_shared {
            Ok((owner, of_arn))
        } else {
            Err(refusal::not_shared(call, arn))
        }
    }

    /// Counts a call that is about no stream.
    pub(super) fn check_account_rate(&mut self, call: Call<'_>) -> Result<(), ServiceError> {
        if self.is_within_account_rate(call) {
            return Ok(());
        }
        let message = format!("Rate exceeded for account {}.", call.account);
        Err(ServiceError::limit_exceeded(message))
    }

    fn is_within_account_rate(&mut self, call: Call<'_>) -> bool {
        let rate = self.settings.call_rate(call.operation, Scope::Account);
        rate.is_none_or(|rate| self.account_mut(call.account).calls.admits(call, rate))
    }

    /// The answer to a call that asks only whether it is allowed.
    pub(super) fn rehearse(&self, call: Call<'_>, name: Option<&str>, arn: Option<&str>) -> ServiceError {
        match self.addressee(call, name, arn) {
            Ok(_) => refusal::dry_run(),
            Err(error) => error,
        }
    }
}
