//! A copy of the tables that is behind, for reads that need not be consistent.

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use serde_json::json;

use super::engine::{Engine, fields};
use super::lag::Lag;
use super::request::Fields;
use crate::dispatch::Refusal;

/// A copy of the tables to which writes come late.
#[derive(Debug)]
pub(super) struct Replica {
    engine: Engine,
    lag: Lag<Image>,
}

/// What a write left of an item.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) table: String,
    pub(super) key: Fields,
    pub(super) item: Option<Fields>,
}

impl Replica {
    /// A copy that is behind by up to `longest`.
    pub(super) fn new(longest: Duration, rng: Rng) -> Self {
        Self {
            engine: Engine::new(),
            lag: Lag::new(longest, rng),
        }
    }

    /// Applies the writes that have arrived.
    pub(super) fn move_to(&mut self, now: SystemTime) {
        self.engine.move_to(now);
        while let Some(Image { table, key, item }) = self.lag.arrived(now) {
            let (operation, write) = match item {
                Some(item) => ("PutItem", json!({ "TableName": table, "Item": item })),
                None => ("DeleteItem", json!({ "TableName": table, "Key": key })),
            };
            // It cannot be refused: the same item is in the same table of the original.
            drop(self.engine.exchange(operation, &fields(write)));
        }
    }

    /// Sends a write on its way.
    pub(super) fn send(&mut self, image: Image, now: SystemTime) {
        self.lag.send(image, now);
        // Some have no lag at all.
        self.move_to(now);
    }

    /// Changes tables as in the original, without a lag.
    pub(super) fn change_tables(&mut self, operation: &str, request: &Fields) -> Result<(), Refusal> {
        self.engine.exchange(operation, request)?;
        if operation == "DeleteTable" {
            let deleted = request.get("TableName").and_then(|name| name.as_str());
            self.lag.retain(|image| Some(image.table.as_str()) != deleted);
        }
        Ok(())
    }

    /// Reads what has arrived.
    pub(super) fn read(&self, operation: &str, request: &Fields) -> Result<Vec<u8>, Refusal> {
        self.engine.exchange(operation, request)
    }
}
