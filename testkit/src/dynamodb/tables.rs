//! Pure: all tables, and which calls their states allow.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::refusal;
use super::request::{Access, Fields, Plane, Request};
use super::table::{Status, Table};
use crate::kinesis::ServiceError;

/// All tables by their names, the ones that are DELETING too.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: BTreeMap<String, Table>,
    created: u64,
}

/// The largest page of ListTables. Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTables.html>.
const LARGEST_PAGE: usize = 100;

impl Tables {
    /// Forgets what is over.
    pub(super) fn move_to(&mut self, now: SystemTime) {
        self.tables.retain(|_, table| table.move_to(now));
    }

    pub(super) fn get(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.get_mut(name)
    }

    /// Adds the table of a description.
    pub(super) fn create(&mut self, name: &str, description: &Fields, now: SystemTime, creation_time: Duration) {
        self.created += 1;
        let table = Table::new(self.created, description, now, creation_time);
        self.tables.insert(name.to_owned(), table);
    }

    /// Refuses what the state of a table does not allow. What there is no table for is for dynoxide to refuse.
    pub(super) fn check(&self, request: &Request<'_>, now: SystemTime) -> Result<(), ServiceError> {
        match request.plane() {
            Plane::Read | Plane::Write => request
                .accesses()
                .iter()
                .try_for_each(|access| self.check_access(access, now)),
            Plane::Control => self.check_control(request, now),
        }
    }

    /// The text of the partition key that an access names.
    pub(super) fn partition_key<'a>(&self, access: &Access<'a>) -> Option<&'a str> {
        self.get(access.table?)?.partition_key(access.key?)
    }

    /// The tables and keys that a request writes to, if it succeeds.
    pub(super) fn written(&self, request: &Request<'_>) -> Vec<(String, Fields)> {
        let writes = |access: &Access<'_>| match access.action {
            "BatchWriteItem" | "DeleteItem" | "PutItem" | "UpdateItem" => {
                let table = access.table?;
                Some((table.to_owned(), self.get(table)?.key_of(access.key?)))
            }
            _ => None,
        };
        request.accesses().iter().filter_map(writes).collect()
    }

    /// The reply to a valid ListTables.
    pub(super) fn page(&self, request: &Request<'_>) -> Fields {
        let start = request.text("ExclusiveStartTableName").unwrap_or_default();
        let limit = request.fields.get("Limit").and_then(Value::as_u64);
        let limit = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(LARGEST_PAGE);
        let mut names = self.tables.keys().filter(|name| name.as_str() > start);
        let page: Vec<&String> = names.by_ref().take(limit).collect();
        let last = names.next().and(page.last());
        let mut reply = Fields::new();
        if let Some(last) = last {
            reply.insert("LastEvaluatedTableName".to_owned(), json!(last));
        }
        reply.insert("TableNames".to_owned(), json!(page));
        reply
    }

    fn check_access(&self, access: &Access<'_>, now: SystemTime) -> Result<(), ServiceError> {
        let Some(table) = access.table.and_then(|name| self.get(name)) else {
            return Ok(());
        };
        match (table.status(now), access.index) {
            (Status::Creating | Status::Deleting, _) => Err(refusal::no_items()),
            (Status::Updating, Some(index)) if table.is_index_in_creation(index, now) => {
                Err(refusal::index_in_creation(index))
            }
            (Status::Updating | Status::Active, _) => Ok(()),
        }
    }

    fn check_control(&self, request: &Request<'_>, now: SystemTime) -> Result<(), ServiceError> {
        let Some(name) = request.table() else { return Ok(()) };
        let index_changes = IndexChanges::of(request);
        if request.operation == "UpdateTable" && index_changes.count() > 1 {
            return Err(refusal::one_index_at_a_time());
        }
        let Some(table) = self.get(name) else { return Ok(()) };
        match (table.status(now), request.operation) {
            (Status::Creating, "CreateTable" | "DeleteTable" | "UpdateTable" | "UpdateTimeToLive") => {
                Err(refusal::in_use(name, "created"))
            }
            (Status::Deleting, "CreateTable" | "DeleteTable" | "UpdateTable" | "UpdateTimeToLive") => {
                Err(refusal::in_use(name, "deleted"))
            }
            (Status::Creating, "UpdateContinuousBackups") => Err(refusal::no_backups_yet(name)),
            (Status::Updating, "DeleteTable") => Err(refusal::indexes_in_use()),
            (Status::Updating, "UpdateTable") if index_changes.count() > 0 => Err(refusal::one_index_at_a_time()),
            (Status::Updating, "UpdateTable") => Err(refusal::in_use(name, "updated")),
            _ => Ok(()),
        }
    }
}

/// The indexes that an UpdateTable creates and deletes.
#[derive(Debug, Default)]
pub(super) struct IndexChanges<'a> {
    pub(super) created: Vec<&'a str>,
    pub(super) deleted: Vec<&'a str>,
}

impl<'a> IndexChanges<'a> {
    pub(super) fn of(request: &'a Request<'_>) -> Self {
        let updates = request
            .fields
            .get("GlobalSecondaryIndexUpdates")
            .and_then(Value::as_array);
        let named = |action: &str| {
            let updates = updates.into_iter().flatten();
            let names = updates.filter_map(|update| update.get(action)?.get("IndexName")?.as_str());
            names.collect()
        };
        Self {
            created: named("Create"),
            deleted: named("Delete"),
        }
    }

    fn count(&self) -> usize {
        self.created.len() + self.deleted.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tables() -> Tables {
        let mut tables = Tables::default();
        for name in ["a", "b", "c"] {
            tables.create(name, &Fields::new(), UNIX_EPOCH, SECOND);
        }
        tables
    }

    fn request(operation: &str, fields: Value) -> Request<'_> {
        let Value::Object(fields) = fields else {
            panic!("{fields}")
        };
        Request::new(operation, fields)
    }

    fn refused(tables: &Tables, operation: &str, fields: Value, now: SystemTime) -> Option<(String, String)> {
        let refusal = tables.check(&request(operation, fields), now).err()?;
        Some((refusal.code, refusal.message))
    }

    fn code(tables: &Tables, operation: &str, now: SystemTime) -> Option<String> {
        refused(tables, operation, json!({ "TableName": "a" }), now).map(|(code, _)| code)
    }

    fn create_index() -> Value {
        json!({ "TableName": "a", "GlobalSecondaryIndexUpdates": [{ "Create": { "IndexName": "owners" } }] })
    }

    #[test]
    fn the_items_of_a_table_in_creation_are_not_found() {
        for operation in ["GetItem", "PutItem", "Query", "Scan", "UpdateItem"] {
            let not_found = Some("ResourceNotFoundException".to_owned());
            assert_eq!(code(&tables(), operation, UNIX_EPOCH), not_found, "{operation}");
            assert_eq!(code(&tables(), operation, UNIX_EPOCH + SECOND), None, "{operation}");
        }
    }

    #[test]
    fn one_table_in_creation_is_enough_to_refuse_a_batch() {
        let mut tables = tables();
        tables.create("ready", &Fields::new(), UNIX_EPOCH, Duration::ZERO);
        let batch = json!({ "RequestItems": { "ready": { "Keys": [{}] }, "b": { "Keys": [{}] } } });
        assert!(refused(&tables, "BatchGetItem", batch, UNIX_EPOCH).is_some());
    }

    #[test]
    fn a_table_in_creation_is_not_changed() {
        for operation in ["CreateTable", "DeleteTable", "UpdateTable", "UpdateTimeToLive"] {
            let in_use = Some("ResourceInUseException".to_owned());
            assert_eq!(code(&tables(), operation, UNIX_EPOCH), in_use, "{operation}");
            assert_eq!(code(&tables(), operation, UNIX_EPOCH + SECOND), None, "{operation}");
        }
        assert_eq!(code(&tables(), "DescribeTable", UNIX_EPOCH), None);
    }

    #[test]
    fn a_table_with_an_index_in_creation_takes_no_other_change() {
        let mut tables = tables();
        let now = UNIX_EPOCH + SECOND;
        tables.get_mut("a").unwrap().create_index("owners", now, SECOND);
        let (refused_index, _) = refused(&tables, "UpdateTable", create_index(), now).unwrap();
        assert_eq!(refused_index, "LimitExceededException");
        for operation in ["DeleteTable", "UpdateTable"] {
            assert_eq!(code(&tables, operation, now), Some("ResourceInUseException".to_owned()));
        }
        assert_eq!(refused(&tables, "UpdateTable", create_index(), now + SECOND), None);
    }

    #[test]
    fn one_update_changes_one_index() {
        let updates = json!([{ "Create": { "IndexName": "x" } }, { "Delete": { "IndexName": "y" } }]);
        let fields = json!({ "TableName": "a", "GlobalSecondaryIndexUpdates": updates });
        let (code, _) = refused(&tables(), "UpdateTable", fields, UNIX_EPOCH + SECOND).unwrap();
        assert_eq!(code, "LimitExceededException");
    }

    #[test]
    fn an_index_in_creation_is_not_read_but_its_table_is() {
        let mut tables = tables();
        let now = UNIX_EPOCH + SECOND;
        tables.get_mut("a").unwrap().create_index("owners", now, SECOND);
        let query = json!({ "TableName": "a", "IndexName": "owners" });
        let (code, message) = refused(&tables, "Query", query.clone(), now).unwrap();
        assert_eq!(code, "ValidationException");
        assert_eq!(message, "Cannot read from backfilling global secondary index: owners");
        assert_eq!(refused(&tables, "Query", query, now + SECOND), None);
        assert_eq!(refused(&tables, "Query", json!({ "TableName": "a" }), now), None);
    }

    #[test]
    fn names_are_listed_page_by_page() {
        let tables = tables();
        let first = tables.page(&request("ListTables", json!({ "Limit": 2 })));
        assert_eq!(
            Value::Object(first),
            json!({ "TableNames": ["a", "b"], "LastEvaluatedTableName": "b" })
        );
        let last = tables.page(&request(
            "ListTables",
            json!({ "Limit": 2, "ExclusiveStartTableName": "b" }),
        ));
        assert_eq!(Value::Object(last), json!({ "TableNames": ["c"] }));
    }
}
