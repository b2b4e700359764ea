//! Pure: what follows from a failed attempt, and the reason that a final one gives to the caller.

use std::time::Duration;

use service::{CallClass, CallError, Effect};

use crate::error::PutErrorKind;
use crate::error::codes::Refusal;
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::{DEFAULT_MAX_RECORD_BYTES, LEAST_REQUEST, REFUSAL_GRACE};
use crate::pipeline::flow::ceiling::{body_size, cargo_of};
use crate::receipt::attempt::AttemptFailure;

/// What the service's words for a missing partition key have in them: the name of the field.
const PARTITION_KEY_FIELD: &str = "partitionKey";

/// How often at least something is tried again within [`REFUSAL_GRACE`]. Our choice: one attempt says little.
const ATTEMPTS_IN_GRACE: u32 = 4;

/// What follows from a failure, of a request or of a call for the shards or the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recourse {
    /// The call is made again for as long as its records do not expire.
    Retry,
    /// The call is made again until [`REFUSAL_GRACE`] is over.
    RetryWithinGrace,
    /// The same, and the records are sent in parts meanwhile: some may be refused for their content.
    IsolateWithinGrace,
    /// The call is made again until `stream_not_found_grace` is over.
    AwaitStream,
    /// The records are sent again in smaller requests.
    Shrink,
    /// The records are sent again in parts, until the entry that the service refuses is alone.
    Isolate,
    /// The records are returned.
    GiveUp,
}

impl From<CallClass> for Recourse {
    fn from(class: CallClass) -> Self {
        match class {
            // No call of a producer has an iterator.
            CallClass::Throttled
            | CallClass::Transient
            | CallClass::Unanswered
            | CallClass::Unreadable
            | CallClass::Credentials
            | CallClass::Encryption
            | CallClass::Iterator => Self::Retry,
            CallClass::UnknownKey => Self::RetryWithinGrace,
            CallClass::Intercepted => Self::IsolateWithinGrace,
            CallClass::NotFound => Self::AwaitStream,
            CallClass::TooLarge => Self::Shrink,
            CallClass::Rejected => Self::Isolate,
            CallClass::Denied => Self::GiveUp,
        }
    }
}

impl Recourse {
    /// Whether the call is made again until [`REFUSAL_GRACE`] is over.
    pub(crate) fn has_grace(self) -> bool {
        match self {
            Self::RetryWithinGrace | Self::IsolateWithinGrace => true,
            Self::Retry | Self::AwaitStream | Self::Shrink | Self::Isolate | Self::GiveUp => false,
        }
    }

    /// The longest wait for the next attempt: within a grace there are several, however long the delays are.
    pub(crate) fn longest_wait(self) -> Duration {
        match self.has_grace() {
            true => REFUSAL_GRACE / ATTEMPTS_IN_GRACE,
            false => Duration::MAX,
        }
    }
}

/// Whether a request that failed like this tells of all requests: the next ones would fail likewise.
pub(crate) fn concerns_all_requests(class: CallClass) -> bool {
    match class {
        CallClass::Throttled
        | CallClass::Credentials
        | CallClass::UnknownKey
        | CallClass::Encryption
        | CallClass::Intercepted => true,
        CallClass::Transient
        | CallClass::Unanswered
        | CallClass::Unreadable
        | CallClass::TooLarge
        | CallClass::Denied
        | CallClass::NotFound
        | CallClass::Iterator
        | CallClass::Rejected => false,
    }
}

/// Whether a request that failed like this has reached the service, so that nothing on the way refuses all. What a proxy may answer
/// too, or nobody, tells nothing.
pub(crate) fn shows_the_service(class: CallClass) -> bool {
    match class {
        CallClass::Denied
        | CallClass::NotFound
        | CallClass::Rejected
        | CallClass::Credentials
        | CallClass::UnknownKey
        | CallClass::Encryption => true,
        CallClass::Throttled
        | CallClass::Transient
        | CallClass::Unanswered
        | CallClass::Unreadable
        | CallClass::TooLarge
        | CallClass::Iterator
        | CallClass::Intercepted => false,
    }
}

/// A failed attempt: what kind of failure it is, and what the record's history says of it.
#[derive(Debug, Clone)]
pub(crate) struct FailedAttempt {
    pub(crate) class: CallClass,
    pub(crate) failure: AttemptFailure,
}

impl From<CallError> for FailedAttempt {
    fn from(error: CallError) -> Self {
        Self {
            class: error.class,
            failure: error.into(),
        }
    }
}

impl From<Refusal> for FailedAttempt {
    fn from(refusal: Refusal) -> Self {
        let Refusal { class, code, message } = refusal;
        let failure = AttemptFailure {
            code,
            message,
            may_have_been_stored: false,
        };
        Self { class, failure }
    }
}

impl From<CallError> for AttemptFailure {
    fn from(error: CallError) -> Self {
        let CallError {
            code, message, effect, ..
        } = error;
        Self {
            code,
            message,
            may_have_been_stored: effect == Effect::Possible,
        }
    }
}

impl FailedAttempt {
    /// What follows from it.
    pub(crate) fn recourse(&self) -> Recourse {
        self.class.into()
    }

    /// The same, for a request with these: a small one that is too large met something that is out of order.
    pub(crate) fn recourse_for(&self, aggregates: &[SealedAggregate]) -> Recourse {
        let recourse = self.recourse();
        let is_small = || body_size(cargo_of(aggregates)) <= LEAST_REQUEST;
        if recourse == Recourse::Shrink && is_small() {
            Recourse::RetryWithinGrace
        } else {
            recourse
        }
    }

    /// The reason that the failure gives to the caller of `aggregate` once it is final.
    pub(crate) fn reason_for(&self, aggregate: &SealedAggregate) -> PutErrorKind {
        if self.misses_key_of(aggregate) {
            PutErrorKind::NoPartitionKey
        } else if self.class == CallClass::TooLarge {
            let bytes = aggregate.bytes();
            PutErrorKind::RequestTooLarge { bytes }
        } else {
            self.final_reason()
        }
    }

    /// The reason that the failure gives once it is final, whatever the record.
    pub(crate) fn final_reason(&self) -> PutErrorKind {
        let AttemptFailure { code, message, .. } = &self.failure;
        let code = code.clone();
        match self.class {
            CallClass::NotFound => PutErrorKind::StreamNotFound,
            CallClass::Denied => PutErrorKind::AccessDenied { code },
            CallClass::Throttled => PutErrorKind::Throttled { code },
            CallClass::UnknownKey => PutErrorKind::CredentialsRefused { code },
            CallClass::Intercepted => PutErrorKind::Intercepted { code },
            CallClass::Credentials
            | CallClass::Encryption
            | CallClass::Transient
            | CallClass::Unanswered
            | CallClass::Unreadable
            | CallClass::Iterator
            | CallClass::TooLarge
            | CallClass::Rejected => PutErrorKind::Rejected {
                code,
                message: message.clone(),
            },
        }
    }

    /// Whether the service refused `aggregate`, or a request with it, because it has no partition key.
    pub(crate) fn misses_key_of(&self, aggregate: &SealedAggregate) -> bool {
        aggregate.is_without_key()
            && self.class == CallClass::Rejected
            && self.failure.message.contains(PARTITION_KEY_FIELD)
    }
}

/// Whether it is an aggregate that a stream refuses unless its record limit was raised.
pub(crate) fn may_be_too_large(aggregate: &SealedAggregate) -> bool {
    aggregate.record.user_records > 1 && aggregate.bytes() > DEFAULT_MAX_RECORD_BYTES
}

/// The halves of a refused request, in which records with keys and without are apart: the missing keys may be why.
pub(crate) fn halves_by_key(aggregates: Vec<SealedAggregate>) -> Vec<Vec<SealedAggregate>> {
    let (without_key, with_key): (Vec<_>, Vec<_>) = aggregates.into_iter().partition(SealedAggregate::is_without_key);
    let halves = [with_key, without_key].into_iter().flat_map(|mut half| {
        let other = half.split_off(half.len() / 2);
        [half, other]
    });
    halves.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_retried_and_what_may_not_is_returned() {
        let table: [(Recourse, &[&str]); 7] = [
            (
                Recourse::Retry,
                &[
                    "ProvisionedThroughputExceededException",
                    "LimitExceededException",
                    "KMSThrottlingException",
                    "ThrottlingException",
                    "ExpiredTokenException",
                    "ExpiredToken",
                    "InvalidSignatureException",
                    "KMSAccessDeniedException",
                    "KMSDisabledException",
                    "KMSInvalidStateException",
                    "KMSNotFoundException",
                    "InternalFailure",
                    "ServiceUnavailable",
                    "Timeout",
                    "Connection",
                    "CallLost",
                    "New",
                    "",
                ],
            ),
            (
                Recourse::RetryWithinGrace,
                &["UnrecognizedClientException", "InvalidClientTokenId"],
            ),
            (
                Recourse::IsolateWithinGrace,
                &["MissingAuthenticationToken", "IncompleteSignature"],
            ),
            (Recourse::AwaitStream, &["ResourceNotFoundException"]),
            (Recourse::Shrink, &["RequestEntityTooLarge"]),
            (Recourse::Isolate, &["InvalidArgumentException", "ValidationException"]),
            (
                Recourse::GiveUp,
                &["AccessDeniedException", "KMSOptInRequired", "NotAuthorized"],
            ),
        ];
        for (recourse, codes) in table {
            for code in codes {
                assert_eq!(Recourse::from(CallClass::of_code(code)), recourse, "{code}");
            }
        }
    }
}
