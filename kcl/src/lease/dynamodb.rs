//! Leases in DynamoDB, in the table that the Java KCL uses.
//!
//! `client` makes the client of the lease thread; `identities` refreshes its credentials, at the times that the pure
//! `refresh` says.

#[cfg_attr(not(test), expect(dead_code, reason = "the worker runs its leases with it next"))]
pub(crate) mod client;
#[cfg_attr(not(test), expect(dead_code, reason = "the worker runs its leases with it next"))]
mod identities;
mod refresh;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ReturnValue, ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableStatus,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures::future::BoxFuture;

use crate::call_error::{call_error, unreadable};
use crate::error::{CallErrorKind, TableError};
use crate::event::Event;
use crate::lease::item::{self, EntityTypes, Row};
use crate::lease::model::{Lease, LeaseKey};
use crate::lease::table::{Change, Creation, LeaseTable, Listing, Update};
use crate::lease::update_expression::UpdateExpression;
use crate::limits::{OWNER_INDEX, TABLE_CALL_TIMEOUT, TABLE_POLL_INTERVAL, TABLE_WAIT};
use crate::stream::ShardId;

/// The lease table of one application.
#[derive(Debug, Clone)]
pub(crate) struct DynamoDbLeaseTable {
    client: Client,
    name: String,
    /// The table in which KCL 3.0 to 3.4 keep the leader's and the migration's rows.
    coordinator: String,
}

/// What is known of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existence {
    Usable,
    InCreation,
    Missing,
}

impl DynamoDbLeaseTable {
    /// The lease table `name` of `application`.
    ///
    /// The SDK's own retries are switched off, because each write is tried again on top of what is known of the row; and
    /// each call is bounded.
    pub(crate) fn new(client: &Client, name: String, application: &str) -> Self {
        let coordinator = format!("{application}-CoordinatorState");
        // Once, for all calls: the SDK merges an override into the configuration again with each call.
        let config = client.config().to_builder();
        let timeouts = client
            .config()
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let config = config
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.operation_timeout(TABLE_CALL_TIMEOUT).build());
        Self {
            client: Client::from_conf(config.build()),
            name,
            coordinator,
        }
    }

    async fn open_table(&self) -> Result<(), TableError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.existence(&self.name).await? {
                Existence::Usable => return Ok(()),
                Existence::InCreation => {}
                // Also when one of the same name has just been deleted.
                Existence::Missing => self.create_table().await?,
            }
            if waited >= TABLE_WAIT {
                let message = format!("the table is not usable after {TABLE_WAIT:?}");
                let kind = CallErrorKind::Unavailable {
                    code: "Timeout".into(),
                    message,
                };
                return Err(TableError {
                    operation: "DescribeTable",
                    kind,
                });
            }
            tokio::time::sleep(TABLE_POLL_INTERVAL).await;
            waited += TABLE_POLL_INTERVAL;
        }
    }

    async fn existence(&self, table: &str) -> Result<Existence, TableError> {
        let call = self.client.describe_table().table_name(table).send();
        match call.await {
            Ok(output) => match output.table().and_then(|table| table.table_status()) {
                Some(TableStatus::Active | TableStatus::Updating) => Ok(Existence::Usable),
                _ => Ok(Existence::InCreation),
            },
            Err(error) => match failed("DescribeTable", &error) {
                TableError {
                    kind: CallErrorKind::NotFound,
                    ..
                } => Ok(Existence::Missing),
                error => Err(error),
            },
        }
    }

    /// Creates the table with its index, so that nobody has to wait for an index to be built later.
    async fn create_table(&self) -> Result<(), TableError> {
        let invalid = |error| unreadable_item("CreateTable", &error);
        let index = GlobalSecondaryIndex::builder()
            .index_name(OWNER_INDEX)
            .key_schema(key_schema("leaseOwner", KeyType::Hash).map_err(invalid)?)
            .key_schema(key_schema("leaseKey", KeyType::Range).map_err(invalid)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()
            .map_err(invalid)?;
        let call = self
            .client
            .create_table()
            .table_name(&self.name)
            .attribute_definitions(string_attribute("leaseKey").map_err(invalid)?)
            .attribute_definitions(string_attribute("leaseOwner").map_err(invalid)?)
            .key_schema(key_schema("leaseKey", KeyType::Hash).map_err(invalid)?)
            .global_secondary_indexes(index)
            .billing_mode(BillingMode::PayPerRequest)
            .deletion_protection_enabled(false);
        match call.send().await {
            Ok(_) => Ok(()),
            // Another worker was quicker.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(failed("CreateTable", &error)),
        }
    }

    async fn scan(&self) -> Result<Listing, TableError> {
        let mut listing = Listing::default();
        let mut found = BTreeSet::new();
        let mut start_key = None;
        loop {
            let call = self.client.scan().table_name(&self.name).consistent_read(true);
            let call = call.set_exclusive_start_key(start_key.take()).send();
            let page = call.await.map_err(|error| failed("Scan", &error))?;
            for row in page.items() {
                match item::decode(row) {
                    Ok(Row::Lease(lease)) => listing.leases.push(lease),
                    Ok(Row::Foreign(kind)) => drop(found.insert(format!("a {kind:?} row"))),
                    // One damaged row must not stop the work on all others.
                    Err(error) => Event::LeaseRowUnreadable {
                        table: &self.name,
                        error: error.to_string(),
                    }
                    .emit(),
                }
            }
            start_key = page.last_evaluated_key;
            if start_key.is_none() {
                break;
            }
        }
        listing.leases.sort_by(|a, b| a.key.cmp(&b.key));
        if !found.is_empty() {
            listing.led_by_others = Some(found.into_iter().collect::<Vec<_>>().join(", "));
        }
        Ok(listing)
    }

    async fn get_item(&self, key: &LeaseKey) -> Result<Option<Lease>, TableError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("leaseKey", text(key))
            .consistent_read(true);
        let output = call.send().await;
        match output.map_err(|error| failed("GetItem", &error))?.item {
            None => Ok(None),
            Some(row) => match item::decode(&row).map_err(|error| unreadable_item("GetItem", &error))? {
                Row::Lease(lease) => Ok(Some(lease)),
                Row::Foreign(_) => Ok(None),
            },
        }
    }

    async fn put_new(&self, lease: &Lease) -> Result<Creation, TableError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item::encode(lease, EntityTypes::Written)))
            .condition_expression("attribute_not_exists(leaseKey)");
        match call.send().await {
            Ok(_) => Ok(Creation::Created),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(Creation::Existed),
            Err(error) => Err(failed("PutItem", &error)),
        }
    }

    async fn change(&self, seen: &Lease, change: &Change) -> Result<Update, TableError> {
        let UpdateExpression {
            update,
            condition,
            values,
        } = UpdateExpression::of(seen, change);
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("leaseKey", text(&seen.key))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let decoded = |row| match item::decode(row).map_err(|error| unreadable_item("UpdateItem", &error))? {
            Row::Lease(lease) => Ok(Some(lease)),
            Row::Foreign(_) => Ok(None),
        };
        match call.send().await {
            Ok(output) => {
                let row = output.attributes.as_ref().map(decoded).transpose()?.flatten();
                row.map(Update::Applied).ok_or_else(|| missing_row("UpdateItem"))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Update::Refused(refused.item().map(decoded).transpose()?.flatten()))
                }
                _ => Err(failed("UpdateItem", &error)),
            },
        }
    }

    async fn put_children(&self, key: &LeaseKey, children: &BTreeSet<ShardId>) -> Result<(), TableError> {
        if children.is_empty() {
            return Ok(());
        }
        let ids = children.iter().map(ToString::to_string).collect();
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("leaseKey", text(key))
            .update_expression("SET childShardIds = :children")
            .condition_expression("attribute_exists(leaseKey)")
            .expression_attribute_values(":children", AttributeValue::Ss(ids));
        let sent = call.send().await;
        sent.map(drop).map_err(|error| failed("UpdateItem", &error))
    }
}

impl LeaseTable for DynamoDbLeaseTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> BoxFuture<'_, Result<(), TableError>> {
        Box::pin(self.open_table())
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, TableError>> {
        Box::pin(self.scan())
    }

    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Lease>, TableError>> {
        Box::pin(self.get_item(key))
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Creation, TableError>> {
        Box::pin(self.put_new(lease))
    }

    fn update<'a>(&'a self, seen: &'a Lease, change: &'a Change) -> BoxFuture<'a, Result<Update, TableError>> {
        Box::pin(self.change(seen, change))
    }

    fn set_children<'a>(
        &'a self,
        key: &'a LeaseKey,
        children: &'a BTreeSet<ShardId>,
    ) -> BoxFuture<'a, Result<(), TableError>> {
        Box::pin(self.put_children(key, children))
    }

    fn led_by_another_table(&self) -> BoxFuture<'_, Result<Option<String>, TableError>> {
        Box::pin(async {
            match self.existence(&self.coordinator).await? {
                Existence::Missing => Ok(None),
                Existence::Usable | Existence::InCreation => Ok(Some(format!("the table {}", self.coordinator))),
            }
        })
    }
}

fn text(key: &LeaseKey) -> AttributeValue {
    AttributeValue::S(key.to_string())
}

fn key_schema(name: &str, role: KeyType) -> Result<KeySchemaElement, aws_sdk_dynamodb::error::BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(role).build()
}

fn string_attribute(name: &str) -> Result<AttributeDefinition, aws_sdk_dynamodb::error::BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> TableError {
    TableError {
        operation,
        kind: call_error(error),
    }
}

fn unreadable_item(operation: &'static str, error: &dyn std::error::Error) -> TableError {
    TableError {
        operation,
        kind: unreadable(error),
    }
}

fn missing_row(operation: &'static str) -> TableError {
    let message = "the reply holds no lease".to_owned();
    TableError {
        operation,
        kind: CallErrorKind::Unreadable { message },
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};

    use super::*;

    #[test]
    fn the_sdk_does_not_retry_on_its_own_and_each_call_is_bounded() {
        let connect = Duration::from_millis(300);
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .retry_config(RetryConfig::standard().with_max_attempts(7))
            .timeout_config(TimeoutConfig::builder().connect_timeout(connect).build());
        let table = DynamoDbLeaseTable::new(&Client::from_conf(config.build()), "leases".to_owned(), "billing");
        let config = table.client.config();
        assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
        let timeouts = config.timeout_config().unwrap();
        assert_eq!(timeouts.operation_timeout(), Some(TABLE_CALL_TIMEOUT));
        assert_eq!(timeouts.connect_timeout(), Some(connect), "as the client came");
    }
}
