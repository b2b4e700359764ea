//! Pure: what kind of failure an error code of the services names.
//!
//! | class | passes by itself | passes with help | may have taken effect | throttling |
//! |---|---|---|---|---|
//! | `Throttled` | yes | | no | yes |
//! | `Transient` | yes | | no | |
//! | `Unanswered` | yes | | yes | |
//! | `Credentials`, `UnknownKey` | yes | | no | |
//! | `Encryption` | no | yes | no | |
//! | `NotFound`, `Denied`, `Iterator`, `Rejected` | no | | no | |
//! | `Unreadable` | no | | yes | |

use crate::Effect;

/// What kind of failure a failed call is. It states facts; what to do about them is the caller's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallClass {
    /// A shard, a table or the account is over its limit.
    Throttled,
    /// The call did not reach the service: it may work the next time.
    Transient,
    /// The service failed, or the way to it broke, before there was a usable answer. Also an answer with an error code that
    /// is not known: a proxy may have given it after the service had acted on the call.
    Unanswered,
    /// The credentials are out of date or not there yet, or the clock is wrong: it works once they are refreshed.
    Credentials,
    /// The service does not know the access key, perhaps because it was made a moment ago.
    UnknownKey,
    /// The stream's KMS key cannot be used. An operator may put that right.
    Encryption,
    /// The caller may not do this.
    Denied,
    /// The stream or the table does not exist.
    NotFound,
    /// The shard iterator has expired.
    Iterator,
    /// The service will never accept this call.
    Rejected,
    /// The service answered, and the answer makes no sense.
    Unreadable,
}

impl CallClass {
    /// The class of an error code. A code that is not known is [`Unanswered`](Self::Unanswered).
    pub fn of_code(code: &str) -> Self {
        match code {
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded" => Self::Throttled,
            "ExpiredTokenException"
            | "ExpiredToken"
            | "RequestExpired"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed" => Self::Credentials,
            "UnrecognizedClientException" | "InvalidClientTokenId" => Self::UnknownKey,
            "KMSAccessDeniedException"
            | "KMSDisabledException"
            | "KMSInvalidStateException"
            | "KMSNotFoundException" => Self::Encryption,
            "AccessDeniedException" | "AccessDenied" | "OptInRequired" | "KMSOptInRequired" => Self::Denied,
            "ResourceNotFoundException" => Self::NotFound,
            "ExpiredIteratorException" => Self::Iterator,
            "InvalidArgumentException"
            | "ValidationException"
            | "SerializationException"
            | "UnknownOperationException" => Self::Rejected,
            _ => Self::Unanswered,
        }
    }

    /// Whether the same call may work later without anybody's doing.
    pub fn may_pass_by_itself(self) -> bool {
        match self {
            Self::Throttled | Self::Transient | Self::Unanswered | Self::Credentials | Self::UnknownKey => true,
            Self::Encryption | Self::Denied | Self::NotFound | Self::Iterator | Self::Rejected | Self::Unreadable => {
                false
            }
        }
    }

    /// Whether the same call may work later if an operator restores what it needs.
    pub fn may_pass_with_help(self) -> bool {
        match self {
            Self::Encryption => true,
            Self::Throttled
            | Self::Transient
            | Self::Unanswered
            | Self::Credentials
            | Self::UnknownKey
            | Self::Denied
            | Self::NotFound
            | Self::Iterator
            | Self::Rejected
            | Self::Unreadable => false,
        }
    }

    /// Whether a call that failed like this may have taken effect.
    pub fn effect(self) -> Effect {
        match self {
            Self::Unanswered | Self::Unreadable => Effect::Possible,
            Self::Throttled
            | Self::Transient
            | Self::Credentials
            | Self::UnknownKey
            | Self::Encryption
            | Self::Denied
            | Self::NotFound
            | Self::Iterator
            | Self::Rejected => Effect::None,
        }
    }

    /// Whether a limit of the service was exceeded.
    pub fn is_throttling(self) -> bool {
        self == Self::Throttled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_code_has_its_class_and_an_unknown_one_leaves_the_effect_open() {
        let table: [(CallClass, &[&str]); 9] = [
            (
                CallClass::Throttled,
                &[
                    "ProvisionedThroughputExceededException",
                    "KMSThrottlingException",
                    "Throttling",
                ],
            ),
            (
                CallClass::Credentials,
                &[
                    "ExpiredTokenException",
                    "ExpiredToken",
                    "InvalidSignatureException",
                    "RequestTimeTooSkewed",
                ],
            ),
            (
                CallClass::UnknownKey,
                &["UnrecognizedClientException", "InvalidClientTokenId"],
            ),
            (
                CallClass::Encryption,
                &[
                    "KMSDisabledException",
                    "KMSInvalidStateException",
                    "KMSNotFoundException",
                    "KMSAccessDeniedException",
                ],
            ),
            (
                CallClass::Denied,
                &["AccessDeniedException", "OptInRequired", "KMSOptInRequired"],
            ),
            (CallClass::NotFound, &["ResourceNotFoundException"]),
            (CallClass::Iterator, &["ExpiredIteratorException"]),
            (
                CallClass::Rejected,
                &["InvalidArgumentException", "ValidationException"],
            ),
            (
                CallClass::Unanswered,
                &["InternalFailure", "NeverSeenException", "UnknownError", ""],
            ),
        ];
        for (class, codes) in table {
            for code in codes {
                assert_eq!(CallClass::of_code(code), class, "{code}");
            }
        }
    }

    #[test]
    fn a_class_that_passes_by_itself_needs_no_help() {
        for code in [
            "KMSDisabledException",
            "ExpiredToken",
            "ThrottlingException",
            "AccessDenied",
        ] {
            let class = CallClass::of_code(code);
            assert!(!(class.may_pass_by_itself() && class.may_pass_with_help()), "{code}");
        }
        assert!(CallClass::Encryption.may_pass_with_help());
        assert!(CallClass::UnknownKey.may_pass_by_itself() && CallClass::Credentials.may_pass_by_itself());
        assert!(!CallClass::Denied.may_pass_by_itself() && !CallClass::Denied.may_pass_with_help());
    }
}
