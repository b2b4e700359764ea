//! Makes the lease table usable: checks its key, creates it if it is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    self, AttributeDefinition, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, Projection, ProjectionType, ProvisionedThroughput, ScalarAttributeType,
    TableDescription, TableStatus, Tag,
};

use super::DynamoDbLeaseTable;
use super::outcome::{failed, unbuilt};
use crate::error::{CallErrorKind, TableError};
use crate::lease::item::attribute;
use crate::lease::table::OpenError;
use crate::lease::table_options::{BillingMode, CreateTable, Protection, Recovery};
use crate::limits::{OWNER_INDEX, TABLE_POLL_INTERVAL, TABLE_WAIT};

impl DynamoDbLeaseTable {
    pub(super) async fn open_table(&self) -> Result<(), OpenError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.describe().await? {
                Some(table) => {
                    check_key(&table)?;
                    if is_usable(&table) {
                        return Ok(self.ask_for_recovery().await?);
                    }
                }
                // Also when one of the same name has just been deleted.
                None => match self.options.create {
                    CreateTable::IfMissing => self.create_table().await?,
                    CreateTable::Never => return Err(OpenError::Missing),
                },
            }
            if waited >= TABLE_WAIT {
                let message = format!("the table is not usable after {TABLE_WAIT:?}");
                let kind = CallErrorKind::Unavailable {
                    code: "Timeout".into(),
                    message,
                };
                let operation = "DescribeTable";
                return Err(TableError { operation, kind }.into());
            }
            self.clock.sleep(TABLE_POLL_INTERVAL).await;
            waited += TABLE_POLL_INTERVAL;
        }
    }

    /// Whether the index of owners can be asked.
    pub(super) async fn has_index(&self) -> Result<bool, TableError> {
        let table = self.describe().await?;
        let indexes = table.iter().flat_map(TableDescription::global_secondary_indexes);
        let mut owners = indexes.filter(|index| index.index_name() == Some(OWNER_INDEX));
        Ok(owners.any(|index| matches!(index.index_status(), Some(IndexStatus::Active | IndexStatus::Updating))))
    }

    /// `None` if there is no such table.
    async fn describe(&self) -> Result<Option<TableDescription>, TableError> {
        let call = self.client.describe_table().table_name(&self.name).send();
        match call.await {
            Ok(output) => Ok(Some(
                output.table.unwrap_or_else(|| TableDescription::builder().build()),
            )),
            Err(error) => match failed("DescribeTable", &error) {
                TableError {
                    kind: CallErrorKind::NotFound,
                    ..
                } => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Switches point-in-time recovery on, if the application wants it. The backups of a new table may not be ready at once; then
    /// the start is tried again.
    async fn ask_for_recovery(&self) -> Result<(), TableError> {
        let operation = "UpdateContinuousBackups";
        if self.options.recovery == Recovery::AsItIs {
            return Ok(());
        }
        let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
        let on = on.build().map_err(|error| unbuilt(operation, &error))?;
        let call = self.client.update_continuous_backups().table_name(&self.name);
        let asked = call.point_in_time_recovery_specification(on).send().await;
        asked.map(drop).map_err(|error| failed(operation, &error))
    }

    /// Creates the table with its index, so that no worker has to wait for an index that is built later.
    async fn create_table(&self) -> Result<(), TableError> {
        let invalid = |error| unbuilt("CreateTable", &error);
        let (mode, throughput) = billing(self.options.billing).map_err(invalid)?;
        let index = GlobalSecondaryIndex::builder()
            .set_provisioned_throughput(throughput.clone())
            .index_name(OWNER_INDEX)
            .key_schema(key_schema(attribute::LEASE_OWNER, KeyType::Hash).map_err(invalid)?)
            .key_schema(key_schema(attribute::LEASE_KEY, KeyType::Range).map_err(invalid)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()
            .map_err(invalid)?;
        let call = self
            .client
            .create_table()
            .table_name(&self.name)
            .attribute_definitions(string_attribute(attribute::LEASE_KEY).map_err(invalid)?)
            .attribute_definitions(string_attribute(attribute::LEASE_OWNER).map_err(invalid)?)
            .key_schema(key_schema(attribute::LEASE_KEY, KeyType::Hash).map_err(invalid)?)
            .global_secondary_indexes(index)
            .billing_mode(mode)
            .set_provisioned_throughput(throughput)
            .set_tags(tags(&self.options.tags).map_err(invalid)?)
            .deletion_protection_enabled(self.options.protection == Protection::On);
        match call.send().await {
            Ok(_) => Ok(()),
            // Another worker was quicker.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(failed("CreateTable", &error)),
        }
    }
}

/// The mode, and the units of the table and of its index.
fn billing(mode: BillingMode) -> Result<(types::BillingMode, Option<ProvisionedThroughput>), BuildError> {
    let BillingMode::Provisioned { read, write } = mode else {
        return Ok((types::BillingMode::PayPerRequest, None));
    };
    let throughput = ProvisionedThroughput::builder()
        .read_capacity_units(read.into())
        .write_capacity_units(write.into())
        .build()?;
    Ok((types::BillingMode::Provisioned, Some(throughput)))
}

/// `None` if there are none.
fn tags(tags: &BTreeMap<String, String>) -> Result<Option<Vec<Tag>>, BuildError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let tags: Vec<Tag> = tags.iter().map(tag).collect::<Result<_, _>>()?;
    Ok((!tags.is_empty()).then_some(tags))
}

fn is_usable(table: &TableDescription) -> bool {
    matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating))
}

/// Refuses the table of another library by its key: each write to it would be refused.
fn check_key(table: &TableDescription) -> Result<(), OpenError> {
    let names: Vec<_> = table
        .key_schema()
        .iter()
        .map(KeySchemaElement::attribute_name)
        .collect();
    if names.is_empty() || names == [attribute::LEASE_KEY] {
        return Ok(());
    }
    Err(OpenError::OtherKey {
        found: names.join(" with "),
    })
}

fn key_schema(name: &str, role: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(role).build()
}

fn string_attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}
