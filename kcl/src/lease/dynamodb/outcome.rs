//! How a call to DynamoDB ended, and whether a write was applied.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use service::{CallError, Effect};

use crate::error::{CallErrorKind, TableError};
use crate::event::Event;
use crate::lease::item::{self, Item, Row};
use crate::lease::write::WriteOutcome;

/// A write that was applied to the row `after`.
///
/// What it made of the row is not known if the reply cannot be read.
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
pub(super) fn refused(table: &str, found: Option<&Item>) -> WriteOutcome {
    match found.cloned().map(item::decode) {
        Some(Row::Lease(lease)) => WriteOutcome::Refused(Some(lease)),
        Some(Row::Hole(hole)) => {
            Event::LeaseRowUnreadable { table, hole: &hole }.emit();
            WriteOutcome::Refused(None)
        }
        Some(Row::Foreign(..)) | None => WriteOutcome::Refused(None),
    }
}

/// A write that failed.
pub(super) fn not_applied_or_unknown<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> WriteOutcome {
    let error = CallError::of(error);
    let effect = error.effect;
    let kind = error.into();
    match effect {
        Effect::None => WriteOutcome::NotApplied(TableError { operation, kind }),
        Effect::Possible => WriteOutcome::Unknown(TableError { operation, kind }),
    }
}

pub(super) fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
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
