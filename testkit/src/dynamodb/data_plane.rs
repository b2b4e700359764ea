//! The operations on items: writes that are followed, and reads that may be behind.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::engine::{decode, encode};
use super::replica::{Image, Replica};
use super::request::{Fields, Request, object};
use super::{Change, DynamoDb};
use crate::dispatch::Refusal;

impl DynamoDb {
    /// Applies a write, and tells the copies and the watchers of it.
    pub(super) fn write(&mut self, request: &Request<'_>, now: SystemTime) -> Result<Vec<u8>, Refusal> {
        let is_followed = !self.watchers.is_empty() || self.table_replica.is_some() || self.index_replica.is_some();
        if !is_followed {
            return self.engine.exchange(request.operation, &request.fields);
        }
        let before: Vec<Image> = self
            .tables
            .written(request)
            .into_iter()
            .map(|(table, key)| {
                let item = self.watchers.watches(&table).then(|| self.engine.item(&table, &key));
                let item = item.flatten();
                Image { table, key, item }
            })
            .collect();
        let reply = self.engine.exchange(request.operation, &request.fields)?;
        for before in before {
            self.follow(before, now);
        }
        Ok(reply)
    }

    /// Answers a read from the tables, or from what the reader may see of them.
    pub(super) fn read(&self, request: &Request<'_>) -> Result<Vec<u8>, Refusal> {
        let index = request.text("IndexName");
        let replica = match request.operation {
            "BatchGetItem" => return self.batch_get(request),
            "TransactGetItems" => None,
            _ if is_consistent(&request.fields) => None,
            _ if index.is_some() => self.index_replica.as_ref(),
            _ => self.table_replica.as_ref(),
        };
        self.read_from(replica, &request.fields, request.operation)
    }

    /// The copies that there are.
    pub(super) fn replicas_mut(&mut self) -> impl Iterator<Item = &mut Replica> {
        self.table_replica.iter_mut().chain(&mut self.index_replica)
    }

    fn follow(&mut self, before: Image, now: SystemTime) {
        let Image { table, key, item } = before;
        let after = self.engine.item(&table, &key);
        for replica in self.replicas_mut() {
            let image = Image {
                table: table.clone(),
                key: key.clone(),
                item: after.clone(),
            };
            replica.send(image, now);
        }
        self.watchers.tell(&Change {
            at: now,
            table,
            key,
            before: item,
            after,
        });
    }

    /// Each table of a batch is read as it asks for.
    fn batch_get(&self, request: &Request<'_>) -> Result<Vec<u8>, Refusal> {
        let tables = object(&request.fields, "RequestItems");
        let (Some(tables), Some(replica)) = (tables, &self.table_replica) else {
            return self.read_from(None, &request.fields, request.operation);
        };
        let (consistent, eventual): (Fields, Fields) = tables
            .clone()
            .into_iter()
            .partition(|(_, batch)| batch.as_object().is_some_and(is_consistent));
        let part = |tables: Fields| {
            let mut fields = request.fields.clone();
            fields.insert("RequestItems".to_owned(), Value::Object(tables));
            fields
        };
        if eventual.is_empty() {
            return self.read_from(None, &part(consistent), request.operation);
        }
        let reply = self.read_from(Some(replica), &part(eventual), request.operation)?;
        if consistent.is_empty() {
            return Ok(reply);
        }
        let mut reply = decode(&reply)?;
        merge(&mut reply, self.engine.call(request.operation, &part(consistent))?);
        Ok(encode(reply))
    }

    fn read_from(&self, replica: Option<&Replica>, fields: &Fields, operation: &str) -> Result<Vec<u8>, Refusal> {
        match replica {
            Some(replica) => replica.read(operation, fields),
            None => self.engine.exchange(operation, fields),
        }
    }
}

/// Adds what another reply has: to maps their entries, to lists their elements.
pub(super) fn merge(reply: &mut Fields, other: Fields) {
    for (field, value) in other {
        match (reply.get_mut(&field), value) {
            (Some(Value::Object(inner)), Value::Object(other)) => merge(inner, other),
            (Some(Value::Array(elements)), Value::Array(other)) => elements.extend(other),
            (_, value) => drop(reply.insert(field, value)),
        }
    }
}

fn is_consistent(fields: &Fields) -> bool {
    fields.get("ConsistentRead") == Some(&json!(true))
}
