//! The operations on tables, which take their time.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::engine::fields;
use super::request::{Fields, Request};
use super::tables::IndexChanges;
use super::{DynamoDb, description, refusal};
use crate::dispatch::Refusal;

impl DynamoDb {
    /// Answers an operation that is neither a read nor a write of items.
    pub(super) fn control_plane(&mut self, request: &Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        let name = request.text("TableName").unwrap_or_default();
        match request.operation {
            "CreateTable" => self.create_table(name, request, now),
            "DeleteTable" => self.delete_table(name, request, now),
            "DescribeTable" => self.describe_table(name, request, now),
            "UpdateTable" => self.update_table(name, request, now),
            "ListTables" => {
                self.engine.call(request.operation, &request.fields)?;
                Ok(self.tables.page(request))
            }
            "DescribeContinuousBackups" | "UpdateContinuousBackups" => self.backups(name, request, now),
            other => self.engine.call(other, &request.fields),
        }
    }

    fn create_table(&mut self, name: &str, request: &Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        let mut reply = self.change_tables(request)?;
        if let Some(description) = object_mut(&mut reply, "TableDescription") {
            let creation_time = self.settings.table_creation_time;
            self.tables.create(name, description, now, creation_time);
            self.correct(name, description, now);
        }
        Ok(reply)
    }

    fn delete_table(&mut self, name: &str, request: &Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        let mut reply = self.change_tables(request)?;
        if let Some(description) = object_mut(&mut reply, "TableDescription") {
            self.correct(name, description, now);
            if let Some(table) = self.tables.get_mut(name) {
                table.delete(description.clone(), now, self.settings.table_deletion_time);
            }
        }
        self.tables.move_to(now);
        Ok(reply)
    }

    fn describe_table(&self, name: &str, request: &Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        if let Some(last) = self.tables.get(name).and_then(|table| table.last_description()) {
            return Ok(fields(json!({ "Table": last })));
        }
        let mut reply = self.engine.call(request.operation, &request.fields)?;
        if let Some(description) = object_mut(&mut reply, "Table") {
            self.correct(name, description, now);
        }
        Ok(reply)
    }

    fn update_table(&mut self, name: &str, request: &Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        let indexes = IndexChanges::of(request);
        let before = self.engine.call("DescribeTable", &fields(json!({ "TableName": name })));
        let mut reply = self.change_tables(request)?;
        if let Some(table) = self.tables.get_mut(name) {
            table.update(now);
            for index in indexes.created {
                table.create_index(index, now, self.settings.index_creation_time);
            }
            let before = before.as_ref().ok().and_then(|reply| reply.get("Table")?.as_object());
            for index in indexes.deleted {
                let last = before.and_then(|before| description::index(before, index));
                table.delete_index(index, last.unwrap_or_default(), now, self.settings.index_deletion_time);
            }
        }
        if let Some(description) = object_mut(&mut reply, "TableDescription") {
            self.correct(name, description, now);
        }
        Ok(reply)
    }

    fn backups(&mut self, name: &str, request: &Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        let table = self
            .tables
            .get_mut(name)
            .filter(|table| table.last_description().is_none());
        let Some(table) = table else {
            return Err(refusal::no_table(name).into());
        };
        if request.operation == "UpdateContinuousBackups" {
            table.backups.update(request, now)?;
        }
        Ok(table.backups.describe(now))
    }

    /// Changes the tables, and those of the copies.
    fn change_tables(&mut self, request: &Request<'_>) -> Result<Fields, Refusal> {
        let reply = self.engine.call(request.operation, &request.fields)?;
        for replica in self.replicas_mut() {
            replica.change_tables(request.operation, &request.fields)?;
        }
        Ok(reply)
    }

    fn correct(&self, name: &str, description: &mut Fields, now: SystemTime) {
        if let Some(table) = self.tables.get(name) {
            table.describe(description, now);
        }
    }
}

fn object_mut<'a>(reply: &'a mut Fields, field: &str) -> Option<&'a mut Fields> {
    reply.get_mut(field).and_then(Value::as_object_mut)
}
