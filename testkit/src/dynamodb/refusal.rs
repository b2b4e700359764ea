//! Pure: what DynamoDB says when it refuses a call.

use super::arn;
use super::request::Access;
use crate::kinesis::ServiceError;

/// The table has no items, because it is not ready yet or any more.
pub(super) fn no_items() -> ServiceError {
    ServiceError::resource_not_found("Requested resource not found")
}

/// The index does not hold all items yet.
pub(super) fn index_in_creation(index: &str) -> ServiceError {
    ServiceError::validation(format!("Cannot read from backfilling global secondary index: {index}"))
}

/// The table is being `created`, `updated` or `deleted`.
pub(super) fn in_use(table: &str, state: &str) -> ServiceError {
    ServiceError::resource_in_use(format!(
        "Attempt to change a resource which is still in use: Table is being {state}: {table}"
    ))
}

/// The table waits for its indexes.
pub(super) fn indexes_in_use() -> ServiceError {
    ServiceError::resource_in_use(
        "Attempt to change a resource which is still in use: Cannot delete table while indexes are being created, \
         updated, or deleted.",
    )
}

/// More than one index is to be created or deleted.
pub(super) fn one_index_at_a_time() -> ServiceError {
    ServiceError::limit_exceeded(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
    )
}

/// The table has no backups, because it is being created.
pub(super) fn no_backups_yet(table: &str) -> ServiceError {
    ServiceError {
        code: "ContinuousBackupsUnavailableException".to_owned(),
        message: format!("Backups are being enabled for the table: {table}. Please retry later"),
        status: 400,
    }
}

/// There is no such table to back up.
pub(super) fn no_table(table: &str) -> ServiceError {
    ServiceError {
        code: "TableNotFoundException".to_owned(),
        message: format!("Table not found: {table}"),
        status: 400,
    }
}

/// No policy allows the access.
pub(super) fn denied(access: &Access<'_>) -> ServiceError {
    let (caller, action) = (arn::caller(), access.action);
    let resource = arn::resource(access.table, access.index);
    ServiceError::access_denied(format!(
        "User: {caller} is not authorized to perform: dynamodb:{action} on resource: {resource} because no \
         identity-based policy allows the dynamodb:{action} action"
    ))
}
