//! How an SDK error becomes one of ours. No SDK error passes this file.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::CallErrorKind;

/// The kind of a failed call.
pub(crate) fn call_error<E: ProvideErrorMetadata + std::error::Error + 'static>(
    error: &SdkError<E, HttpResponse>,
) -> CallErrorKind {
    let unavailable = |code: &str| CallErrorKind::Unavailable {
        code: code.to_owned(),
        message: chain(error),
    };
    match error {
        SdkError::ServiceError(service) => {
            let metadata = service.err();
            classify(
                metadata.code().unwrap_or("UnknownError"),
                metadata.message().unwrap_or_default(),
            )
        }
        SdkError::TimeoutError(_) => unavailable("Timeout"),
        SdkError::DispatchFailure(_) => unavailable("Connection"),
        SdkError::ConstructionFailure(_) => unavailable("RequestNotBuilt"),
        SdkError::ResponseError(_) | _ => unavailable("UnreadableResponse"),
    }
}

fn classify(code: &str, message: &str) -> CallErrorKind {
    let (code_text, message) = (code.to_owned(), message.to_owned());
    match code {
        "ResourceNotFoundException" => CallErrorKind::NotFound,
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KMSThrottlingException" => CallErrorKind::Throttled { code: code_text },
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "OptInRequired"
        | "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        | "KMSOptInRequired" => CallErrorKind::Denied {
            code: code_text,
            message,
        },
        "ExpiredIteratorException" => CallErrorKind::Iterator {
            code: code_text,
            message,
        },
        "InvalidArgumentException" | "ValidationException" | "SerializationException" | "UnknownOperationException" => {
            CallErrorKind::Rejected {
                code: code_text,
                message,
            }
        }
        _ => CallErrorKind::Unavailable {
            code: code_text,
            message,
        },
    }
}

/// An answer that cannot be understood.
pub(crate) fn unreadable(error: &dyn std::error::Error) -> CallErrorKind {
    CallErrorKind::Unreadable {
        message: error.to_string(),
    }
}

/// What an error and its causes say, one behind the other: each names its own layer only.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
