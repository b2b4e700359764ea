//! Pure: error codes, of the service and of this producer, and what they mean.

use service::CallClass;

/// The error code under which the KPL counts an aggregate that landed on a shard where it does not belong.
pub(crate) const WRONG_SHARD: &str = "Wrong Shard";

/// The KPL's error code for an answer with another number of results than records were sent.
pub(crate) const RECORD_COUNT_MISMATCH: &str = "Record Count Mismatch";

/// The service's error code for a shard over its limit.
pub(crate) const SHARD_LIMIT: &str = "ProvisionedThroughputExceededException";

/// What kind of failure an error code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The shard or the account is over its limit.
    Throttled,
    /// The credentials are out of date, or the clock is wrong: it works once they are refreshed.
    Credentials,
    /// It may work the next time: the service's own errors, the network, and every code that is not known.
    Transient,
    /// The stream is not there.
    NotFound,
    /// The caller may not do this.
    Denied,
    /// The service will never take this record or request.
    Rejected,
}

impl Class {
    /// The class of an error code, of the service or of this producer.
    pub(crate) fn of_code(code: &str) -> Self {
        CallClass::of_code(code).into()
    }
}

impl From<CallClass> for Class {
    fn from(class: CallClass) -> Self {
        match class {
            CallClass::Throttled => Self::Throttled,
            CallClass::Credentials => Self::Credentials,
            CallClass::NotFound => Self::NotFound,
            CallClass::Denied | CallClass::UnknownKey | CallClass::Encryption => Self::Denied,
            CallClass::Rejected => Self::Rejected,
            // No call of a producer has an iterator.
            CallClass::Transient | CallClass::Unanswered | CallClass::Iterator | CallClass::Unreadable => {
                Self::Transient
            }
        }
    }
}

/// Why the service refused one entry of a request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) class: Class,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: String, message: String) -> Self {
        Self {
            class: Class::of_code(&code),
            code,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_code_has_its_class_and_an_unknown_one_is_tried_again() {
        let table: [(Class, &[&str]); 6] = [
            (
                Class::Throttled,
                &[
                    "ProvisionedThroughputExceededException",
                    "LimitExceededException",
                    "KMSThrottlingException",
                    "ThrottlingException",
                ],
            ),
            (
                Class::Credentials,
                &["ExpiredTokenException", "ExpiredToken", "InvalidSignatureException"],
            ),
            (
                Class::Transient,
                &[
                    "InternalFailure",
                    "ServiceUnavailable",
                    "Timeout",
                    "Connection",
                    "CallLost",
                    "New",
                    "",
                ],
            ),
            (Class::NotFound, &["ResourceNotFoundException"]),
            (
                Class::Denied,
                &[
                    "AccessDeniedException",
                    "KMSAccessDeniedException",
                    "KMSDisabledException",
                    "KMSInvalidStateException",
                    "KMSNotFoundException",
                    "KMSOptInRequired",
                    "UnrecognizedClientException",
                ],
            ),
            (Class::Rejected, &["InvalidArgumentException", "ValidationException"]),
        ];
        for (class, codes) in table {
            for code in codes {
                assert_eq!(Class::of_code(code), class, "{code}");
            }
        }
    }
}
