//! Pure: a call, and which items of which tables it is about.

use serde_json::{Map, Value};

/// The fields of a JSON object, sorted by name.
pub(super) type Fields = Map<String, Value>;

/// A call whose body is a JSON object; whether it is a valid one is for dynoxide to say.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) operation: &'a str,
    pub(super) fields: Fields,
}

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plane {
    Read,
    Write,
    Control,
}

/// One action on one resource: a batch and a transaction have one for each of their items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access<'a> {
    /// The operation that the caller called.
    pub(super) operation: &'a str,
    /// The action as policies name it; another than the operation's name only in transactions.
    pub(super) action: &'a str,
    pub(super) table: Option<&'a str>,
    pub(super) index: Option<&'a str>,
    /// The item's key, or the whole item.
    pub(super) key: Option<&'a Fields>,
}

/// The members of a transaction's entries, with the actions they stand for.
const TRANSACT_ACTIONS: [(&str, &str); 5] = [
    ("ConditionCheck", "ConditionCheckItem"),
    ("Delete", "DeleteItem"),
    ("Get", "GetItem"),
    ("Put", "PutItem"),
    ("Update", "UpdateItem"),
];

impl<'a> Request<'a> {
    pub(super) fn new(operation: &'a str, fields: Fields) -> Self {
        Self { operation, fields }
    }

    pub(super) fn plane(&self) -> Plane {
        match self.operation {
            "BatchGetItem" | "GetItem" | "Query" | "Scan" | "TransactGetItems" => Plane::Read,
            "BatchWriteItem" | "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem" => Plane::Write,
            _ => Plane::Control,
        }
    }

    pub(super) fn is_batch(&self) -> bool {
        matches!(self.operation, "BatchGetItem" | "BatchWriteItem")
    }

    pub(super) fn is_transaction(&self) -> bool {
        matches!(self.operation, "TransactGetItems" | "TransactWriteItems")
    }

    /// The string in a field.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// The table of an operation that has one.
    pub(super) fn table(&self) -> Option<&str> {
        let tagged = || self.text("ResourceArn").and_then(super::arn::table);
        self.text("TableName").or_else(tagged)
    }

    /// What the call accesses, batches in the order of their tables' names. Never empty for calls outside batches and
    /// transactions.
    pub(super) fn accesses(&self) -> Vec<Access<'_>> {
        match self.operation {
            "BatchGetItem" | "BatchWriteItem" => self.batch_accesses(),
            "TransactGetItems" | "TransactWriteItems" => self.transact_accesses(),
            _ => vec![Access {
                operation: self.operation,
                action: self.operation,
                table: self.table(),
                index: self.text("IndexName"),
                key: object(&self.fields, "Key").or_else(|| object(&self.fields, "Item")),
            }],
        }
    }

    /// Takes out the entries of a batch that `keep` says no to, in the order of [`accesses`](Self::accesses), and
    /// returns them as a batch.
    pub(super) fn take_out(&mut self, mut keep: impl FnMut() -> bool) -> Fields {
        let mut taken = Fields::new();
        let Some(Value::Object(tables)) = self.fields.get_mut("RequestItems") else {
            return taken;
        };
        for (table, batch) in tables.iter_mut() {
            let mut out = batch.clone();
            let (Some(entries), Some(out_entries)) = (entries_mut(batch), entries_mut(&mut out)) else {
                continue;
            };
            out_entries.clear();
            entries.retain(|entry| {
                let kept = keep();
                if !kept {
                    out_entries.push(entry.clone());
                }
                kept
            });
            if !out_entries.is_empty() {
                taken.insert(table.clone(), out);
            }
        }
        tables.retain(|_, batch| entries(batch).is_none_or(|entries| !entries.is_empty()));
        taken
    }

    fn batch_accesses(&self) -> Vec<Access<'_>> {
        let mut accesses = Vec::new();
        for (table, batch) in object(&self.fields, "RequestItems").into_iter().flatten() {
            for entry in entries(batch).into_iter().flatten() {
                accesses.push(Access {
                    operation: self.operation,
                    action: self.operation,
                    table: Some(table),
                    index: None,
                    key: entry.as_object().and_then(batched_key),
                });
            }
        }
        accesses
    }

    fn transact_accesses(&self) -> Vec<Access<'_>> {
        let items = self.fields.get("TransactItems").and_then(Value::as_array);
        let items = items.into_iter().flatten();
        items.map(|item| self.transact_access(item)).collect()
    }

    fn transact_access<'b>(&'b self, item: &'b Value) -> Access<'b> {
        let mut access = Access {
            operation: self.operation,
            action: self.operation,
            table: None,
            index: None,
            key: None,
        };
        for (member, action) in TRANSACT_ACTIONS {
            if let Some(Value::Object(fields)) = item.get(member) {
                access.action = action;
                access.table = fields.get("TableName").and_then(Value::as_str);
                access.key = object(fields, "Key").or_else(|| object(fields, "Item"));
            }
        }
        access
    }
}

/// The object in a field.
pub(super) fn object<'a>(fields: &'a Fields, field: &str) -> Option<&'a Fields> {
    fields.get(field)?.as_object()
}

/// The keys of a table in BatchGetItem, its writes in BatchWriteItem.
fn entries(batch: &Value) -> Option<&Vec<Value>> {
    batch.as_array().or_else(|| batch.get("Keys")?.as_array())
}

fn entries_mut(batch: &mut Value) -> Option<&mut Vec<Value>> {
    if batch.is_array() {
        batch.as_array_mut()
    } else {
        batch.get_mut("Keys")?.as_array_mut()
    }
}

/// The key in one entry of a batch: of a put, of a delete, or the entry itself.
fn batched_key(entry: &Fields) -> Option<&Fields> {
    match (object(entry, "PutRequest"), object(entry, "DeleteRequest")) {
        (Some(put), _) => object(put, "Item"),
        (None, Some(delete)) => object(delete, "Key"),
        (None, None) => Some(entry),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(operation: &str, fields: Value) -> Request<'_> {
        let Value::Object(fields) = fields else {
            panic!("{fields}")
        };
        Request::new(operation, fields)
    }

    fn key(id: &str) -> Value {
        json!({ "id": { "S": id } })
    }

    fn touched<'a>(request: &'a Request<'_>) -> Vec<(&'a str, Option<&'a str>, Option<&'a str>)> {
        let id = |access: &Access<'a>| access.key?.get("id")?.get("S")?.as_str();
        let accesses = request.accesses();
        accesses
            .iter()
            .map(|access| (access.action, access.table, id(access)))
            .collect()
    }

    #[test]
    fn a_call_on_one_item_accesses_that_item() {
        let update = request("UpdateItem", json!({ "TableName": "leases", "Key": key("a") }));
        assert_eq!(touched(&update), [("UpdateItem", Some("leases"), Some("a"))]);
        let put = request("PutItem", json!({ "TableName": "leases", "Item": key("a") }));
        assert_eq!(touched(&put), [("PutItem", Some("leases"), Some("a"))]);
    }

    #[test]
    fn a_call_about_tags_accesses_the_table_of_its_arn() {
        let tag = request(
            "TagResource",
            json!({ "ResourceArn": "arn:aws:dynamodb:us-east-1:0:table/leases" }),
        );
        assert_eq!(touched(&tag), [("TagResource", Some("leases"), None)]);
    }

    #[test]
    fn a_batch_accesses_each_of_its_items() {
        let writes = json!({ "RequestItems": {
            "b": [{ "DeleteRequest": { "Key": key("3") } }],
            "a": [{ "PutRequest": { "Item": key("1") } }, { "PutRequest": { "Item": key("2") } }],
        } });
        let expected =
            [("a", "1"), ("a", "2"), ("b", "3")].map(|(table, id)| ("BatchWriteItem", Some(table), Some(id)));
        assert_eq!(touched(&request("BatchWriteItem", writes)), expected);

        let reads = json!({ "RequestItems": { "a": { "Keys": [key("1")], "ConsistentRead": true } } });
        assert_eq!(
            touched(&request("BatchGetItem", reads)),
            [("BatchGetItem", Some("a"), Some("1"))]
        );
    }

    #[test]
    fn a_transaction_accesses_its_items_by_the_actions_of_policies() {
        let items = json!({ "TransactItems": [
            { "Put": { "TableName": "a", "Item": key("1") } },
            { "ConditionCheck": { "TableName": "b", "Key": key("2") } },
        ] });
        let expected = [
            ("PutItem", Some("a"), Some("1")),
            ("ConditionCheckItem", Some("b"), Some("2")),
        ];
        assert_eq!(touched(&request("TransactWriteItems", items)), expected);
    }

    #[test]
    fn what_is_taken_out_of_a_batch_is_a_batch_again() {
        let items = json!({ "RequestItems": {
            "a": { "Keys": [key("1"), key("2")], "ConsistentRead": true },
            "b": { "Keys": [key("3")] },
        } });
        let mut batch = request("BatchGetItem", items);
        let mut verdicts = [true, false, false].into_iter();
        let taken = batch.take_out(|| verdicts.next().unwrap());
        assert_eq!(touched(&batch), [("BatchGetItem", Some("a"), Some("1"))]);
        let expected = json!({ "a": { "Keys": [key("2")], "ConsistentRead": true }, "b": { "Keys": [key("3")] } });
        assert_eq!(Value::Object(taken), expected);
    }

    #[test]
    fn nonsense_accesses_nothing() {
        for fields in [
            json!({}),
            json!({ "RequestItems": 7 }),
            json!({ "RequestItems": { "a": 7 } }),
        ] {
            assert_eq!(touched(&request("BatchWriteItem", fields)), []);
        }
    }
}
