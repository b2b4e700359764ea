//! How a call to DynamoDB ended, and whether a write was applied.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use service::{CallClass, CallError, Effect};

use crate::error::{CallErrorKind, TableError};
use crate::lease::item::{self, Item, Row};
use crate::lease::write::WriteOutcome;
use crate::observers::Observers;

/// A write that was applied to the row `after`.
///
/// If the reply cannot be read, its outcome is unknown.
pub(super) fn applied(operation: &'static str, after: Option<Item>) -> WriteOutcome {
    let message = match after.map(item::decode) {
        Some(Row::Lease(lease)) => return WriteOutcome::Applied(lease),
        Some(Row::Hole(hole)) => hole.problem.to_string(),
        Some(Row::Foreign(kind, _)) => format!("the reply holds a {kind:?} row"),
        None => "the reply holds no row".to_owned(),
    };
    let kind = CallErrorKind::Unreadable { message };
    WriteOutcome::Unknown(TableError { operation, kind })
}

/// A write whose condition does not hold for the row `found`.
pub(super) fn refused(table: &str, found: Option<&Item>, observers: &Observers) -> WriteOutcome {
    match found.cloned().map(item::decode) {
        Some(Row::Lease(lease)) => WriteOutcome::Refused(Some(lease)),
        Some(Row::Hole(hole)) => {
            observers.tell(hole.event(table));
            WriteOutcome::Refused(None)
        }
        Some(Row::Foreign(..)) | None => WriteOutcome::Refused(None),
    }
}

/// A write that failed, and whether it was applied nevertheless.
#[derive(Debug)]
pub(crate) enum FailedWrite {
    /// It certainly was not.
    NotApplied(TableError),
    /// It may have been.
    Unknown(TableError),
}

impl From<FailedWrite> for WriteOutcome {
    fn from(failed: FailedWrite) -> Self {
        match failed {
            FailedWrite::NotApplied(error) => Self::NotApplied(error),
            FailedWrite::Unknown(error) => Self::Unknown(error),
        }
    }
}

/// A write that failed.
pub(crate) fn not_applied_or_unknown<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> FailedWrite {
    let mut error = CallError::of(error);
    match error.effect {
        Effect::None => {
            let kind = error.into();
            FailedWrite::NotApplied(TableError { operation, kind })
        }
        Effect::Possible => {
            // A kind like `Throttled` would say that the write was certainly not applied.
            if error.class.effect() == Effect::None {
                error.class = CallClass::Unanswered;
            }
            let kind = error.into();
            FailedWrite::Unknown(TableError { operation, kind })
        }
    }
}

pub(crate) fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> TableError {
    TableError {
        operation,
        kind: CallError::of(error).into(),
    }
}

/// A request that the SDK does not build.
pub(super) fn unbuilt(operation: &'static str, error: &dyn std::error::Error) -> TableError {
    TableError {
        operation,
        kind: CallErrorKind::unreadable(error),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    /// The outcome of a write that was answered with an error. The service names the request, a proxy does not.
    fn answered(status: u16, code: &str, request_id: Option<&'static str>) -> WriteOutcome {
        let metadata = ErrorMetadata::builder().code(code).message("no").build();
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        if let Some(id) = request_id {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        let error = SdkError::service_error(UpdateItemError::generic(metadata), response);
        not_applied_or_unknown("UpdateItem", &error).into()
    }

    #[test]
    fn a_write_that_the_service_refused_was_not_applied() {
        for code in ["ThrottlingException", "AccessDeniedException", "ValidationException"] {
            let outcome = answered(400, code, Some("request-7"));
            let WriteOutcome::NotApplied(error) = outcome else {
                panic!("{code}: {outcome:?}")
            };
            assert!(!error.kind().may_have_taken_effect(), "{code}: {error}");
        }
    }

    #[test]
    fn a_write_that_a_proxy_may_have_refused_may_have_been_applied() {
        for (status, code, request_id) in [
            (400, "ThrottlingException", None),
            (403, "AccessDeniedException", None),
            (408, "UnknownError", None),
            (400, "NeverSeenException", Some("request-7")),
            (503, "ThrottlingException", Some("request-7")),
        ] {
            let outcome = answered(status, code, request_id);
            let WriteOutcome::Unknown(error) = outcome else {
                panic!("{code}: {outcome:?}")
            };
            assert!(error.kind().may_have_taken_effect(), "{code}: {error}");
        }
    }
}
