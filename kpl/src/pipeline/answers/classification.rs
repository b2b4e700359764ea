//! Pure: what kind of failure an attempt ended with, and the reason that a final one gives to the caller.

use service::{CallError, Effect};

use crate::error::PutErrorKind;
use crate::error::codes::{Class, Refusal};
use crate::lanes::aggregate::SealedAggregate;
use crate::limits::DEFAULT_MAX_RECORD_BYTES;
use crate::receipt::attempt::AttemptFailure;

/// What the service's words for a missing partition key have in them: the name of the field.
const PARTITION_KEY_FIELD: &str = "partitionKey";

/// A failed attempt: what kind of failure it is, and what the record's history says of it.
#[derive(Debug, Clone)]
pub(crate) struct FailedAttempt {
    pub(crate) class: Class,
    pub(crate) failure: AttemptFailure,
}

impl From<CallError> for FailedAttempt {
    fn from(error: CallError) -> Self {
        Self {
            class: error.class.into(),
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
    /// The reason that the failure gives to the caller once it is final.
    pub(crate) fn final_reason(&self) -> PutErrorKind {
        let AttemptFailure { code, message, .. } = &self.failure;
        match self.class {
            Class::NotFound => PutErrorKind::StreamNotFound,
            Class::Denied => PutErrorKind::AccessDenied { code: code.clone() },
            Class::Throttled => PutErrorKind::Throttled { code: code.clone() },
            Class::Credentials | Class::Transient | Class::Rejected => PutErrorKind::Rejected {
                code: code.clone(),
                message: message.clone(),
            },
        }
    }

    /// Whether the service refused `aggregate`, or a request with it, because it has no partition key.
    pub(crate) fn misses_key_of(&self, aggregate: &SealedAggregate) -> bool {
        aggregate.is_without_key()
            && self.class == Class::Rejected
            && self.failure.message.contains(PARTITION_KEY_FIELD)
    }
}

/// Whether it is an aggregate that a stream refuses unless its record limit was raised.
pub(crate) fn may_be_too_large(aggregate: &SealedAggregate) -> bool {
    aggregate.record.user_records > 1 && aggregate.bytes() > DEFAULT_MAX_RECORD_BYTES
}
