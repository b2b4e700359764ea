//! Leases in DynamoDB, in the table that the Java KCL uses.
//!
//! `service_time` reads the service's clock from all replies. `client` makes the client of the lease thread, and `identities` refreshes its credentials at the times that the pure
//! `refresh` says. `setup` makes the table usable, this file reads and writes its rows, and `outcome` says how a write
//! ended.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures::future::BoxFuture;
use service::{Clock, HostInErrors};

use self::client::LeaseClient;
use self::outcome::{applied, failed, not_applied_or_unknown, refused};
use self::service_time::ServiceTime;
use crate::error::{CallErrorKind, TableError};
use crate::lease::item::{self, EntityTypes, Row, attribute};
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::table::{Creation, LeaseTable, OpenError, ScanPage, SeparateTable};
use crate::lease::table_options::TableOptions;
use crate::lease::update_expression::UpdateExpression;
use crate::lease::write::{LeaseWrite, WriteOutcome};
use crate::limits::{OWNER_INDEX, TABLE_CALL_TIMEOUT};
use crate::observers::Observers;
use crate::trouble::Trouble;

pub(crate) mod client;
mod identities;
pub(crate) mod outcome;
mod refresh;
mod service_time;
mod setup;

/// The lease table of one application.
#[derive(Debug, Clone)]
pub(crate) struct DynamoDbLeaseTable {
    client: Client,
    name: String,
    /// The table in which KCL 3.0 to 3.4 keep the leader's and the migration's rows.
    coordinator: String,
    /// Rows on a page of a scan; as many as the service puts there, if `None`.
    page_size: Option<i32>,
    options: TableOptions,
    clock: Clock,
    service_time: ServiceTime,
    observers: Observers,
    credentials: Trouble<String>,
}

impl DynamoDbLeaseTable {
    /// The lease table `name` of `application`. It waits by `clock`.
    ///
    /// The SDK's own retries are switched off, because the next write builds on the last known row. Each call is
    /// bounded.
    pub(crate) fn new(client: &Client, name: String, application: &str, clock: Clock) -> Self {
        let service_time = ServiceTime::new(clock.clone());
        let coordinator = format!("{application}-CoordinatorState");
        // Once, for all calls: the SDK merges an override into the configuration again with each call.
        let config = client.config().to_builder();
        let timeouts = client
            .config()
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let config = config
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.operation_timeout(TABLE_CALL_TIMEOUT).build())
            .interceptor(service_time.clone())
            .interceptor(HostInErrors);
        Self {
            client: Client::from_conf(config.build()),
            name,
            coordinator,
            page_size: None,
            options: TableOptions::default(),
            clock,
            service_time,
            observers: Observers::default(),
            credentials: Trouble::default(),
        }
    }

    /// Tells `observers` of rows that cannot be read and of credentials.
    pub(crate) fn with_observers(mut self, observers: Observers) -> Self {
        self.observers = observers;
        self
    }

    /// Creates the table with these options.
    pub(crate) fn with_options(mut self, options: TableOptions) -> Self {
        self.options = options;
        self
    }

    /// Notes in `credentials` that those of the lease thread cannot be loaded.
    pub(crate) fn with_credentials_trouble(mut self, credentials: Trouble<String>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Whose calls are bounded and never retried by the SDK.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The table in which KCL 3.0 to 3.4 keep the leader's and the migration's rows.
    pub(crate) fn coordinator(&self) -> &str {
        &self.coordinator
    }

    #[cfg(test)]
    pub(crate) fn with_page_size(self, rows: i32) -> Self {
        Self {
            page_size: Some(rows),
            ..self
        }
    }

    async fn scan(&self, from: Option<&LeaseKey>) -> Result<ScanPage, TableError> {
        let call = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .set_limit(self.page_size)
            .set_exclusive_start_key(from.map(key));
        let page = Box::pin(call.send()).await.map_err(|error| failed("Scan", &error))?;
        let next = page
            .last_evaluated_key
            .as_ref()
            .map(|last| key_in("Scan", last))
            .transpose()?;
        let rows = page.items.unwrap_or_default().into_iter().map(item::decode).collect();
        Ok(ScanPage { rows, next })
    }

    async fn get_item(&self, of: &LeaseKey) -> Result<Option<Row>, TableError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key(of)))
            .consistent_read(true);
        let output = Box::pin(call.send()).await.map_err(|error| failed("GetItem", &error))?;
        Ok(output.item.map(item::decode))
    }

    async fn put_new(&self, lease: &Lease) -> Result<Creation, TableError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item::encode(lease, EntityTypes::Written)))
            .condition_expression("attribute_not_exists(leaseKey)");
        match Box::pin(call.send()).await {
            Ok(_) => Ok(Creation::Created),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(Creation::Existed),
            Err(error) => Err(failed("PutItem", &error)),
        }
    }

    async fn update(&self, of: &LeaseKey, expression: UpdateExpression) -> WriteOutcome {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(of)))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .set_expression_attribute_values(expression.values)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(call.send()).await {
            Ok(output) => applied("UpdateItem", output.attributes),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                    refused(&self.name, found.item(), &self.observers)
                }
                _ => not_applied_or_unknown("UpdateItem", &error).into(),
            },
        }
    }

    async fn delete(&self, of: &LeaseKey, expression: UpdateExpression) -> WriteOutcome {
        let call = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key(of)))
            .condition_expression(expression.condition)
            .set_expression_attribute_values(expression.values)
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(call.send()).await {
            Ok(output) => applied("DeleteItem", output.attributes),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(found)) => {
                    refused(&self.name, found.item(), &self.observers)
                }
                _ => not_applied_or_unknown("DeleteItem", &error).into(),
            },
        }
    }

    async fn put(&self, lease: &Lease, expression: UpdateExpression) -> WriteOutcome {
        let item = item::encode(lease, EntityTypes::Written);
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .condition_expression(expression.condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(call.send()).await {
            Ok(_) => applied("PutItem", Some(item)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(found)) => {
                    refused(&self.name, found.item(), &self.observers)
                }
                _ => not_applied_or_unknown("PutItem", &error).into(),
            },
        }
    }

    async fn query_index(&self, worker: &WorkerId) -> Result<Option<Vec<LeaseKey>>, TableError> {
        let mut keys = Vec::new();
        let mut from = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(OWNER_INDEX)
                .key_condition_expression("leaseOwner = :me")
                .expression_attribute_values(":me", AttributeValue::S(worker.to_string()))
                .set_exclusive_start_key(from.take());
            let page = match Box::pin(call.send()).await {
                Ok(page) => page,
                Err(error) => return self.without_index(failed("Query", &error)).await,
            };
            for row in page.items() {
                keys.push(key_in("Query", row)?);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(Some(keys));
            }
        }
    }

    /// `None` if the query failed because the index is missing or not built yet; else the error. Where nobody may ask whether the
    /// table has the index, a query that is rejected tells that it has none.
    async fn without_index(&self, error: TableError) -> Result<Option<Vec<LeaseKey>>, TableError> {
        if !matches!(error.kind, CallErrorKind::Rejected { .. }) {
            return Err(error);
        }
        match self.has_index().await {
            Ok(true) => Err(error),
            Ok(false) => Ok(None),
            Err(denied) if denied.kind().is_denied() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write_row(&self, write: &LeaseWrite) -> WriteOutcome {
        let expression = UpdateExpression::of(write);
        match write {
            LeaseWrite::Delete { .. } | LeaseWrite::Discard { .. } => self.delete(write.key(), expression).await,
            LeaseWrite::MakeAgain { lease } => self.put(lease, expression).await,
            LeaseWrite::Owner(_)
            | LeaseWrite::Take { .. }
            | LeaseWrite::Adopt { .. }
            | LeaseWrite::Assign { .. }
            | LeaseWrite::OfferHandOff { .. }
            | LeaseWrite::SetChildren { .. }
            | LeaseWrite::SetRange { .. }
            | LeaseWrite::Replace { .. } => self.update(write.key(), expression).await,
        }
    }
}

impl LeaseTable for DynamoDbLeaseTable {
    fn name(&self) -> &str {
        &self.name
    }

    fn service_time(&self) -> Option<SystemTime> {
        self.service_time.now()
    }

    fn on_another_runtime(&self, rng: fastrand::Rng) -> SeparateTable {
        let LeaseClient { client, refresher } = LeaseClient::new(&self.client, rng);
        let refresher = refresher
            .with_observers(self.observers.clone())
            .with_trouble(self.credentials.clone(), self.clock.clone());
        SeparateTable {
            table: Arc::new(Self { client, ..self.clone() }),
            upkeep: Box::pin(refresher.run()),
        }
    }

    fn open(&self) -> BoxFuture<'_, Result<(), OpenError>> {
        Box::pin(self.open_table())
    }

    fn scan_page<'a>(&'a self, from: Option<&'a LeaseKey>) -> BoxFuture<'a, Result<ScanPage, TableError>> {
        Box::pin(self.scan(from))
    }

    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Row>, TableError>> {
        Box::pin(self.get_item(key))
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Creation, TableError>> {
        Box::pin(self.put_new(lease))
    }

    fn write<'a>(&'a self, write: &'a LeaseWrite) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(self.write_row(write))
    }

    fn keys_of<'a>(&'a self, worker: &'a WorkerId) -> BoxFuture<'a, Result<Option<Vec<LeaseKey>>, TableError>> {
        Box::pin(self.query_index(worker))
    }
}

fn key(key: &LeaseKey) -> item::Item {
    item::Item::from([(attribute::LEASE_KEY.to_owned(), AttributeValue::S(key.to_string()))])
}

fn key_in(operation: &'static str, row: &item::Item) -> Result<LeaseKey, TableError> {
    let text = row.get(attribute::LEASE_KEY).and_then(|key| key.as_s().ok());
    let missing = || TableError {
        operation,
        kind: CallErrorKind::Unreadable {
            message: "the reply holds a row without a lease key".to_owned(),
        },
    };
    text.map(|key| LeaseKey::of_row(key)).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let client = Client::from_conf(config.build());
        let table = DynamoDbLeaseTable::new(&client, "leases".to_owned(), "billing", Clock::default());
        let config = table.client.config();
        assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
        let timeouts = config.timeout_config().unwrap();
        assert_eq!(timeouts.operation_timeout(), Some(TABLE_CALL_TIMEOUT));
        assert_eq!(timeouts.connect_timeout(), Some(connect), "as the client came");
    }
}
