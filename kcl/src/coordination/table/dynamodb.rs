//! The rows of a lease table in DynamoDB that are no leases.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use futures::future::BoxFuture;

use super::expression::{Check, Request, RequestKind};
use super::{FleetTable, Place};
use crate::coordination::rows::{CLIENT_VERSION_KEY, FleetRow, FleetRows, TABLE_MIGRATION_KEY, attribute};
use crate::coordination::write::{FleetOutcome, FleetWrite};
use crate::error::{CallErrorKind, TableError};
use crate::lease::dynamodb::DynamoDbLeaseTable;
use crate::lease::dynamodb::outcome::{FailedWrite, failed, not_applied_or_unknown};
use crate::lease::item::Item;
use crate::lease::table::LeaseTable as _;

/// What a refusal shows.
const SHOW_ROW: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// Sends a write with its condition. The SDK's builders of writes share these methods, and no trait that has them.
macro_rules! send_if {
    ($check:ident, $call:expr, $operation:literal, $error:ident) => {{
        let call = $call
            .set_condition_expression($check.condition)
            .set_expression_attribute_names($check.names)
            .set_expression_attribute_values($check.values)
            .return_values_on_condition_check_failure(SHOW_ROW);
        match Box::pin(call.send()).await {
            Ok(_) => FleetOutcome::Applied,
            Err(error) => match error.as_service_error() {
                Some($error::ConditionalCheckFailedException(found)) => refused(found.item()),
                _ => not_applied_or_unknown($operation, &error).into(),
            },
        }
    }};
}

impl DynamoDbLeaseTable {
    async fn get_fleet_row(&self, at: Place, key: &str) -> Result<Option<FleetRow>, TableError> {
        let (table, attribute) = match at {
            Place::LeaseTable => (self.name(), attribute::KEY),
            Place::CoordinatorTable => (self.coordinator(), attribute::COORDINATOR_KEY),
        };
        let call = self.client().get_item().table_name(table).consistent_read(true);
        let call = call.key(attribute, AttributeValue::S(key.to_owned())).send();
        match Box::pin(call).await {
            Ok(output) => Ok(output.item.as_ref().map(read)),
            Err(error) => match (failed("GetItem", &error), at) {
                (error, Place::CoordinatorTable) if error.kind == CallErrorKind::NotFound => Ok(None),
                (error, Place::LeaseTable | Place::CoordinatorTable) => Err(error),
            },
        }
    }

    async fn get_coordinator_rows(&self) -> Result<Option<FleetRows>, TableError> {
        let mut rows = FleetRows::default();
        for key in [CLIENT_VERSION_KEY, TABLE_MIGRATION_KEY] {
            let call = self
                .client()
                .get_item()
                .table_name(self.coordinator())
                .consistent_read(true);
            let call = call.key(attribute::COORDINATOR_KEY, AttributeValue::S(key.to_owned()));
            match Box::pin(call.send()).await {
                Ok(output) => output.item.as_ref().map(read).into_iter().for_each(|row| rows.put(row)),
                Err(error) => match failed("GetItem", &error) {
                    error if error.kind == CallErrorKind::NotFound => return Ok(None),
                    error => return Err(error),
                },
            }
        }
        Ok(Some(rows))
    }

    async fn send_fleet_write(&self, write: &FleetWrite) -> FleetOutcome {
        let Request { kind, check } = Request::of(write);
        match kind {
            RequestKind::Put(item) => self.put_fleet_row(item, check).await,
            RequestKind::Update(set) => self.update_fleet_row(write.key(), set, check).await,
            RequestKind::Delete => self.delete_fleet_row(write.key(), check).await,
        }
    }

    async fn put_fleet_row(&self, item: Item, check: Check) -> FleetOutcome {
        let call = self.client().put_item().table_name(self.name()).set_item(Some(item));
        send_if!(check, call, "PutItem", PutItemError)
    }

    async fn update_fleet_row(&self, key: &str, set: String, check: Check) -> FleetOutcome {
        let key = AttributeValue::S(key.to_owned());
        let call = self.client().update_item().table_name(self.name());
        let call = call.key(attribute::KEY, key).update_expression(set);
        send_if!(check, call, "UpdateItem", UpdateItemError)
    }

    async fn delete_fleet_row(&self, key: &str, check: Check) -> FleetOutcome {
        let key = AttributeValue::S(key.to_owned());
        let call = self.client().delete_item().table_name(self.name());
        send_if!(check, call.key(attribute::KEY, key), "DeleteItem", DeleteItemError)
    }
}

impl FleetTable for DynamoDbLeaseTable {
    fn fleet_row<'a>(&'a self, at: Place, key: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>> {
        Box::pin(self.get_fleet_row(at, key))
    }

    fn coordinator_rows(&self) -> BoxFuture<'_, Result<Option<FleetRows>, TableError>> {
        Box::pin(self.get_coordinator_rows())
    }

    fn write_fleet<'a>(&'a self, write: &'a FleetWrite) -> BoxFuture<'a, FleetOutcome> {
        Box::pin(self.send_fleet_write(write))
    }
}

impl From<FailedWrite> for FleetOutcome {
    fn from(failed: FailedWrite) -> Self {
        match failed {
            FailedWrite::NotApplied(error) => Self::NotApplied(error),
            FailedWrite::Unknown(error) => Self::Unknown(error),
        }
    }
}

fn refused(found: Option<&Item>) -> FleetOutcome {
    FleetOutcome::Refused(found.filter(|found| !found.is_empty()).map(read))
}

fn read(item: &Item) -> FleetRow {
    FleetRow::of_item(item.clone())
}
