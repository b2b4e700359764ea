//! What tests can do to DynamoDB and see of it, and clients cannot.

use std::time::SystemTime;

use serde_json::json;

use super::capacity::Capacity;
use super::request::Request;
use super::{Calls, Change, DynamoDb, Item, Throttling, engine};

/// What tests can do and see, and clients cannot. None of it takes time, uses capacity, or is a call.
impl DynamoDb {
    /// Throttles these calls until [`release`](Self::release), in place of any earlier throttling of the same calls.
    ///
    /// Of a batch, only the entries that are meant are throttled; they are left unprocessed if there are others. A
    /// transaction is cancelled.
    pub fn throttle(&mut self, calls: Calls, throttling: Throttling) {
        self.admission.throttle(calls, throttling);
    }

    /// Takes the [`throttle`](Self::throttle) of exactly these calls back.
    pub fn release(&mut self, calls: &Calls) {
        self.admission.release(calls);
    }

    /// Gives a table a capacity, all of which is unused; `None` for one without a limit.
    pub fn limit(&mut self, table: &str, capacity: Option<Capacity>) {
        self.admission.limit(table, capacity);
    }

    /// Answers these calls with `AccessDeniedException` until [`allow`](Self::allow).
    pub fn deny(&mut self, calls: Calls) {
        self.allow(&calls);
        self.settings.denied.push(calls);
    }

    /// Takes the [`deny`](Self::deny) of exactly these calls back, or that in the settings.
    pub fn allow(&mut self, calls: &Calls) {
        self.settings.denied.retain(|denied| denied != calls);
    }

    /// Tells `watcher` of every write to a table as it is applied: of each item in a batch or a transaction, in the order of
    /// the request. A table may have several watchers; they are told in the order in which they came.
    ///
    /// It is told before the caller gets the reply, even if the reply is lost. Calls wait meanwhile, so it must not make
    /// any. Let it note what it finds wrong rather than panic: a panic ends the task that made the call.
    pub fn watch(&mut self, table: &str, watcher: impl FnMut(&Change) + Send + 'static) {
        self.watchers.add(table, Box::new(watcher));
    }

    /// No more watchers of a table.
    pub fn unwatch(&mut self, table: &str) {
        self.watchers.remove(table);
    }

    /// All items of a table, sorted by their keys; none if there is no such table. Lags do not show.
    pub fn items(&self, table: &str) -> Vec<Item> {
        self.engine.items(table)
    }

    /// Deletes the item of a table whose whole key is a string, at the time `now`; nothing if it is not there. Watchers are
    /// told as of any other write.
    pub fn delete(&mut self, table: &str, key: &str, now: SystemTime) {
        let key = self.tables.get(table).and_then(|known| known.key_with(key));
        if let Some(key) = key {
            let fields = engine::fields(json!({ "TableName": table, "Key": key }));
            self.move_to(now);
            // Without a condition, an item that is there can be deleted.
            drop(self.write(&Request::new("DeleteItem", fields), now));
        }
    }

    /// The item of a table whose whole key is a string, if it is there. Lags do not show.
    pub fn item(&self, table: &str, key: &str) -> Option<Item> {
        let key = self.tables.get(table)?.key_with(key)?;
        self.engine.item(table, &key)
    }
}
