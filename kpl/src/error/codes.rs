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

/// Classifies an error code, of the service or of this producer.
pub(crate) fn classify(code: &str) -> Class {
    match CallClass::of_code(code) {
        CallClass::Throttled => Class::Throttled,
        CallClass::Credentials => Class::Credentials,
        CallClass::NotFound => Class::NotFound,
        CallClass::Denied | CallClass::UnknownKey | CallClass::Encryption => Class::Denied,
        CallClass::Rejected => Class::Rejected,
        // No call of a producer has an iterator.
        CallClass::Transient | CallClass::Unanswered | CallClass::Iterator | CallClass::Unreadable => Class::Transient,
    }
}

/// Whether the code tells of a shard or an account over its limit.
pub(crate) fn is_throttling(code: &str) -> bool {
    classify(code) == Class::Throttled
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
                assert_eq!(classify(code), class, "{code}");
            }
        }
    }
}
