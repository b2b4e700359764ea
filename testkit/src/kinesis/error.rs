//! Pure: the errors of the service, by the codes that clients classify.

/// An error as the service reports it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    /// The `__type` of the reply, for instance `ResourceNotFoundException`.
    pub code: String,
    /// The human-readable text.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

macro_rules! client_errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        impl ServiceError {
            $(
                $(#[doc = $doc])+
                pub fn $name(message: impl Into<String>) -> Self {
                    Self { code: $code.to_owned(), message: message.into(), status: 400 }
                }
            )+
        }
    };
}

client_errors! {
    /// The caller may not do this with the stream.
    access_denied = "AccessDeniedException";
    /// The call would have been allowed, and was only a rehearsal.
    dry_run = "DryRunOperationException";
    /// A shard iterator is older than five minutes.
    expired_iterator = "ExpiredIteratorException";
    /// A pagination token is older than 300 seconds.
    expired_next_token = "ExpiredNextTokenException";
    /// An argument is well-formed but does not fit the stream, the shard or the other arguments.
    invalid_argument = "InvalidArgumentException";
    /// A quota of the account, or the rate of a control call, is exceeded.
    limit_exceeded = "LimitExceededException";
    /// A shard's throughput is exceeded.
    throughput_exceeded = "ProvisionedThroughputExceededException";
    /// The stream exists but is in another state than the call needs.
    resource_in_use = "ResourceInUseException";
    /// The stream or shard does not exist.
    resource_not_found = "ResourceNotFoundException";
    /// The body is not JSON, or a member has the wrong type.
    serialization = "SerializationException";
    /// The service has no such operation.
    unknown_operation = "UnknownOperationException";
    /// A member is missing or violates its declared constraint.
    validation = "ValidationException";
}

impl ServiceError {
    /// A failure on the service's side, which clients retry.
    pub fn internal_failure() -> Self {
        Self {
            code: "InternalFailure".to_owned(),
            message: "Internal Service Failure".to_owned(),
            status: 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_errors_are_400_and_an_internal_failure_is_500() {
        assert_eq!(ServiceError::validation("no").status, 400);
        assert_eq!(ServiceError::internal_failure().status, 500);
        assert_eq!(ServiceError::validation("no").to_string(), "ValidationException: no");
    }
}
