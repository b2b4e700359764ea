//! Pure: the life of one table and of its indexes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::backups::Backups;
use super::description::{self, Stamps};
use super::request::Fields;

/// A table from its creation until its deletion is over.
#[derive(Debug)]
pub(super) struct Table {
    id: u64,
    created: SystemTime,
    updated: SystemTime,
    /// The attributes of the key, the partition key first.
    key: Vec<String>,
    creating_until: SystemTime,
    deletion: Option<Ending>,
    /// The indexes that UpdateTable has added or deleted, until that is over.
    indexes: BTreeMap<String, IndexChange>,
    pub(super) backups: Backups,
}

/// What is left of a table or an index that is DELETING.
#[derive(Debug)]
struct Ending {
    until: SystemTime,
    description: Fields,
}

#[derive(Debug)]
enum IndexChange {
    Creating { until: SystemTime },
    Deleting(Ending),
}

/// Where a table is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Creating,
    Updating,
    Active,
    Deleting,
}

impl Table {
    /// The table of a description, which is CREATING for some time.
    pub(super) fn new(id: u64, description: &Fields, now: SystemTime, creation_time: Duration) -> Self {
        Self {
            id,
            created: now,
            updated: now,
            key: description::key_attributes(description),
            creating_until: now + creation_time,
            deletion: None,
            indexes: BTreeMap::new(),
            backups: Backups::default(),
        }
    }

    pub(super) fn status(&self, now: SystemTime) -> Status {
        if self.deletion.is_some() {
            Status::Deleting
        } else if now < self.creating_until {
            Status::Creating
        } else if self.indexes.values().any(|change| now < change.until()) {
            Status::Updating
        } else {
            Status::Active
        }
    }

    /// Tells whether an index is being created, with its table or after it.
    pub(super) fn is_index_in_creation(&self, index: &str, now: SystemTime) -> bool {
        match self.indexes.get(index) {
            Some(IndexChange::Creating { until }) => now < *until,
            Some(IndexChange::Deleting(_)) | None => false,
        }
    }

    /// Notes a change by UpdateTable.
    pub(super) fn update(&mut self, now: SystemTime) {
        self.updated = now;
    }

    /// Starts to create an index.
    pub(super) fn create_index(&mut self, index: &str, now: SystemTime, creation_time: Duration) {
        let until = now + creation_time;
        self.indexes.insert(index.to_owned(), IndexChange::Creating { until });
    }

    /// Starts to delete an index, given what the table's description says of it.
    pub(super) fn delete_index(&mut self, index: &str, description: Fields, now: SystemTime, deletion_time: Duration) {
        let until = now + deletion_time;
        let ending = Ending { until, description };
        self.indexes.insert(index.to_owned(), IndexChange::Deleting(ending));
    }

    /// Starts to delete the table, given its description.
    pub(super) fn delete(&mut self, description: Fields, now: SystemTime, deletion_time: Duration) {
        let until = now + deletion_time;
        self.deletion = Some(Ending { until, description });
    }

    /// Forgets the changes that are over, and tells whether the table is still there.
    pub(super) fn move_to(&mut self, now: SystemTime) -> bool {
        self.indexes.retain(|_, change| now < change.until());
        self.deletion.as_ref().is_none_or(|deletion| now < deletion.until)
    }

    /// The description of a table that is DELETING.
    pub(super) fn last_description(&self) -> Option<&Fields> {
        self.deletion.as_ref().map(|deletion| &deletion.description)
    }

    /// Corrects dynoxide's description, in which everything is ready at once and stamped at random.
    pub(super) fn describe(&self, description: &mut Fields, now: SystemTime) {
        let stamps = Stamps {
            id: format!("00000000-0000-4000-8000-{:012x}", self.id),
            created: seconds(self.created),
            updated: seconds(self.updated),
        };
        stamps.put_on(description);
        match self.status(now) {
            Status::Active | Status::Deleting => {}
            Status::Creating => description::set_status(description, "CREATING"),
            Status::Updating => {
                description.insert("TableStatus".to_owned(), json!("UPDATING"));
                self.describe_index_changes(description);
            }
        }
    }

    /// The key of an item.
    pub(super) fn key_of(&self, item: &Fields) -> Fields {
        let attribute = |name: &String| Some((name.clone(), item.get(name)?.clone()));
        self.key.iter().filter_map(attribute).collect()
    }

    /// The text of an item's partition key.
    pub(super) fn partition_key<'a>(&self, item: &'a Fields) -> Option<&'a str> {
        text(item.get(self.key.first()?)?)
    }

    /// The key of the item with a partition key that is a string.
    pub(super) fn key_with(&self, partition_key: &str) -> Option<Fields> {
        let name = self.key.first()?.clone();
        Some(Fields::from_iter([(name, json!({ "S": partition_key }))]))
    }

    fn describe_index_changes(&self, description: &mut Fields) {
        for (name, change) in &self.indexes {
            match change {
                IndexChange::Creating { .. } => description::set_index_backfilling(description, name),
                IndexChange::Deleting(ending) => description::add_deleted_index(description, &ending.description),
            }
        }
    }
}

impl IndexChange {
    fn until(&self) -> SystemTime {
        match self {
            Self::Creating { until } | Self::Deleting(Ending { until, .. }) => *until,
        }
    }
}

/// The text of a key attribute: of a string, a number or base64.
fn text(attribute: &Value) -> Option<&str> {
    attribute.as_object()?.values().next()?.as_str()
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fields(value: Value) -> Fields {
        let Value::Object(fields) = value else {
            panic!("{value}")
        };
        fields
    }

    fn description() -> Fields {
        fields(json!({
            "CreationDateTime": 9.9,
            "GlobalSecondaryIndexes": [{ "IndexName": "owners", "IndexStatus": "ACTIVE" }],
            "KeySchema": [
                { "AttributeName": "at", "KeyType": "RANGE" },
                { "AttributeName": "id", "KeyType": "HASH" },
            ],
            "TableArn": "arn:aws:dynamodb:dynoxide:000000000000:table/leases",
            "TableId": "random",
            "TableStatus": "ACTIVE",
        }))
    }

    fn table(creation_time: Duration) -> Table {
        Table::new(7, &description(), UNIX_EPOCH, creation_time)
    }

    fn described(table: &Table, now: SystemTime) -> Fields {
        let mut description = description();
        table.describe(&mut description, now);
        description
    }

    #[test]
    fn a_table_is_creating_until_its_creation_time_is_over() {
        let table = table(SECOND);
        assert_eq!(table.status(UNIX_EPOCH), Status::Creating);
        let before = described(&table, UNIX_EPOCH + SECOND - Duration::from_nanos(1));
        assert_eq!(before["TableStatus"], "CREATING");
        assert_eq!(before["GlobalSecondaryIndexes"][0]["IndexStatus"], "CREATING");
        let after = described(&table, UNIX_EPOCH + SECOND);
        assert_eq!(after["TableStatus"], "ACTIVE");
        assert_eq!(after["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
    }

    #[test]
    fn an_added_index_is_backfilled_while_its_table_is_updating() {
        let mut table = table(Duration::ZERO);
        table.create_index("owners", UNIX_EPOCH, SECOND);
        assert!(table.is_index_in_creation("owners", UNIX_EPOCH));
        let before = described(&table, UNIX_EPOCH);
        assert_eq!(before["TableStatus"], "UPDATING");
        let index = json!({ "IndexName": "owners", "IndexStatus": "CREATING", "Backfilling": true });
        assert_eq!(before["GlobalSecondaryIndexes"], json!([index]));

        assert!(!table.is_index_in_creation("owners", UNIX_EPOCH + SECOND));
        assert_eq!(table.status(UNIX_EPOCH + SECOND), Status::Active);
    }

    #[test]
    fn a_deleted_index_is_described_until_it_is_gone() {
        let mut table = table(Duration::ZERO);
        table.delete_index("old", fields(json!({ "IndexName": "old" })), UNIX_EPOCH, SECOND);
        let before = described(&table, UNIX_EPOCH);
        let gone = json!({ "IndexName": "old", "IndexStatus": "DELETING" });
        assert_eq!(before["GlobalSecondaryIndexes"][1], gone);
        let after = described(&table, UNIX_EPOCH + SECOND);
        assert_eq!(after["GlobalSecondaryIndexes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_deleted_table_is_there_until_its_deletion_time_is_over() {
        let mut table = table(Duration::ZERO);
        table.delete(description(), UNIX_EPOCH, SECOND);
        assert_eq!(table.status(UNIX_EPOCH), Status::Deleting);
        assert!(table.move_to(UNIX_EPOCH));
        assert!(!table.move_to(UNIX_EPOCH + SECOND));
    }

    #[test]
    fn a_description_is_stamped_by_the_call_and_the_count() {
        let mut table = Table::new(7, &description(), UNIX_EPOCH + SECOND, Duration::ZERO);
        table.update(UNIX_EPOCH + 2 * SECOND);
        let mut description = description();
        description.insert("ProvisionedThroughput".into(), json!({ "LastIncreaseDateTime": 9.9 }));
        table.describe(&mut description, UNIX_EPOCH + 3 * SECOND);
        assert_eq!(description["CreationDateTime"], 1.0);
        assert_eq!(description["ProvisionedThroughput"]["LastIncreaseDateTime"], 2.0);
        assert_eq!(description["TableId"], "00000000-0000-4000-8000-000000000007");
        assert_eq!(
            description["TableArn"],
            "arn:aws:dynamodb:us-east-1:000000000000:table/leases"
        );
    }

    #[test]
    fn the_key_of_an_item_starts_with_its_partition_key() {
        let item = fields(json!({ "id": { "S": "a" }, "at": { "N": "7" }, "more": { "S": "b" } }));
        let table = table(Duration::ZERO);
        assert_eq!(
            Value::Object(table.key_of(&item)),
            json!({ "id": { "S": "a" }, "at": { "N": "7" } })
        );
        assert_eq!(table.partition_key(&item), Some("a"));
    }
}
