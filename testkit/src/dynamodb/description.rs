//! Pure: corrections to dynoxide's descriptions of tables.

use serde_json::{Value, json};

use super::arn;
use super::request::Fields;

/// What replaces the ids and the times that dynoxide takes from the machine.
#[derive(Debug)]
pub(super) struct Stamps {
    pub(super) id: String,
    /// Seconds since the Unix epoch.
    pub(super) created: f64,
    pub(super) updated: f64,
}

impl Stamps {
    /// Replaces the id, the times and the region, at every depth.
    pub(super) fn put_on(&self, description: &mut Fields) {
        for (name, value) in description.iter_mut() {
            self.put_on_value(name, value);
        }
    }

    fn put_on_value(&self, name: &str, value: &mut Value) {
        match (name, value) {
            (_, Value::Object(inner)) => self.put_on(inner),
            (_, Value::Array(elements)) => {
                for element in elements {
                    self.put_on_value(name, element);
                }
            }
            ("TableId", id) => *id = json!(self.id),
            ("CreationDateTime", time) => *time = json!(self.created),
            (name, time) if name.ends_with("DateTime") => *time = json!(self.updated),
            (name, Value::String(arn)) if name.ends_with("Arn") => *arn = arn::in_our_region(arn),
            (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {}
        }
    }
}

/// The attributes of the table's key, the partition key first.
pub(super) fn key_attributes(description: &Fields) -> Vec<String> {
    let schema = description.get("KeySchema").and_then(Value::as_array);
    let of_kind = |kind: &'static str| {
        let elements = schema.into_iter().flatten();
        elements.filter(move |element| element.get("KeyType").is_some_and(|found| found == kind))
    };
    of_kind("HASH")
        .chain(of_kind("RANGE"))
        .filter_map(|element| Some(element.get("AttributeName")?.as_str()?.to_owned()))
        .collect()
}

/// What the description says of an index.
pub(super) fn index(description: &Fields, name: &str) -> Option<Fields> {
    let indexes = description.get("GlobalSecondaryIndexes")?.as_array()?;
    let found = indexes.iter().filter_map(Value::as_object);
    found.into_iter().find(|index| is_named(index, name)).cloned()
}

/// Gives the table and all its indexes a status.
pub(super) fn set_status(description: &mut Fields, status: &str) {
    for index in indexes_mut(description) {
        index.insert("IndexStatus".to_owned(), json!(status));
    }
    description.insert("TableStatus".to_owned(), json!(status));
}

/// Describes an index as one that is being filled.
pub(super) fn set_index_backfilling(description: &mut Fields, name: &str) {
    for index in indexes_mut(description).filter(|index| is_named(index, name)) {
        index.insert("IndexStatus".to_owned(), json!("CREATING"));
        index.insert("Backfilling".to_owned(), json!(true));
    }
}

/// Adds an index that is gone as one that is being deleted.
pub(super) fn add_deleted_index(description: &mut Fields, index: &Fields) {
    let mut index = index.clone();
    index.insert("IndexStatus".to_owned(), json!("DELETING"));
    let indexes = description.entry("GlobalSecondaryIndexes").or_insert_with(|| json!([]));
    if let Value::Array(indexes) = indexes {
        indexes.push(Value::Object(index));
    }
}

fn indexes_mut(description: &mut Fields) -> impl Iterator<Item = &mut Fields> {
    let indexes = description
        .get_mut("GlobalSecondaryIndexes")
        .and_then(Value::as_array_mut);
    indexes.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn is_named(index: &Fields, name: &str) -> bool {
    index.get("IndexName").is_some_and(|found| found == name)
}
