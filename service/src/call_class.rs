//! Pure: what kind of failure an error code of the services names.
//!
//! | class | passes by itself | passes with help | may have taken effect | throttling |
//! |---|---|---|---|---|
//! | `Throttled` | yes | | no | yes |
//! | `Transient` | yes | | no | |
//! | `Unanswered` | yes | | yes | |
//! | `Credentials`, `UnknownKey` | yes | | no | |
//! | `Encryption` | no | yes | no | |
//! | `Intercepted` | yes | | yes | |
//! | `TooLarge` | no | | no | |
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
    /// Something between this process and the service, such as a proxy or a gateway, refused the call without an error code
    /// of the services, or changed it so that its signature did not arrive.
    Intercepted,
    /// The call is larger than the service or a proxy takes (HTTP status 413).
    TooLarge,
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
            "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException" => Self::Intercepted,
            "RequestEntityTooLarge" | "RequestEntityTooLargeException" => Self::TooLarge,
            "AccessDeniedException"
            | "AccessDenied"
            | "NotAuthorized"
            | "NotAuthorizedException"
            | "OptInRequired"
            | "KMSOptInRequired" => Self::Denied,
            "ResourceNotFoundException" => Self::NotFound,
            "ExpiredIteratorException" => Self::Iterator,
            "InvalidArgumentException"
            | "ValidationException"
            | "SerializationException"
            | "UnknownOperationException" => Self::Rejected,
            _ => Self::Unanswered,
        }
    }

    /// The class of an answer with an HTTP status, and with an error code if it has one.
    ///
    /// The status decides where there is no code. A client's fault (status 300 to 499) without a code is nothing that the
    /// services answer, so it is [`Intercepted`](Self::Intercepted); likewise a code that is not known, where the status says
    /// that the call was forbidden (401, 403, 407).
    pub fn of_answer(status: u16, code: Option<&str>) -> Self {
        let by_code = code.map_or(Self::Unanswered, Self::of_code);
        match (by_code, status, code) {
            (Self::Unanswered, 413, _) => Self::TooLarge,
            (Self::Unanswered, 429, None) => Self::Throttled,
            // A request that took too long, or came too early, is no refusal.
            (Self::Unanswered, 408 | 425, None) => Self::Unanswered,
            (Self::Unanswered, 401 | 403 | 407, _) | (Self::Unanswered, 300..=499, None) => Self::Intercepted,
            (by_code, ..) => by_code,
        }
    }

    /// Whether the same call may work later without anybody's doing.
    pub fn may_pass_by_itself(self) -> bool {
        match self {
            Self::Throttled
            | Self::Transient
            | Self::Unanswered
            | Self::Credentials
            | Self::UnknownKey
            | Self::Intercepted => true,
            Self::Encryption
            | Self::TooLarge
            | Self::Denied
            | Self::NotFound
            | Self::Iterator
            | Self::Rejected
            | Self::Unreadable => false,
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
            | Self::Intercepted
            | Self::TooLarge
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
            Self::Unanswered | Self::Intercepted | Self::Unreadable => Effect::Possible,
            Self::Throttled
            | Self::Transient
            | Self::Credentials
            | Self::UnknownKey
            | Self::Encryption
            | Self::TooLarge
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
        let table: [(CallClass, &[&str]); 10] = [
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
                &[
                    "AccessDeniedException",
                    "NotAuthorized",
                    "OptInRequired",
                    "KMSOptInRequired",
                ],
            ),
            (
                CallClass::Intercepted,
                &["MissingAuthenticationToken", "IncompleteSignatureException"],
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
    fn an_answer_without_a_code_has_the_class_of_its_status() {
        for (class, statuses) in [
            (CallClass::TooLarge, &[413][..]),
            (CallClass::Throttled, &[429]),
            (CallClass::Intercepted, &[302, 400, 401, 403, 404, 405, 407, 421, 451]),
            (CallClass::Unanswered, &[408, 425, 500, 502, 503, 504]),
        ] {
            for status in statuses {
                assert_eq!(CallClass::of_answer(*status, None), class, "{status}");
            }
        }
    }

    #[test]
    fn a_known_code_counts_more_than_the_status_and_an_unknown_one_less_where_the_call_was_forbidden() {
        for (status, code, class) in [
            (413, "ThrottlingException", CallClass::Throttled),
            (403, "ExpiredToken", CallClass::Credentials),
            (413, "NeverSeenException", CallClass::TooLarge),
            (403, "NeverSeenException", CallClass::Intercepted),
            (400, "NeverSeenException", CallClass::Unanswered),
            (404, "NeverSeenException", CallClass::Unanswered),
            (400, "RequestTimeout", CallClass::Unanswered),
        ] {
            assert_eq!(CallClass::of_answer(status, Some(code)), class, "{status} {code}");
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
