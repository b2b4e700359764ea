//! What a write did to an item, and who wants to know.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::Item;

/// What a write did to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When the write was applied.
    pub at: SystemTime,
    /// The table.
    pub table: String,
    /// The attributes of the item's key.
    pub key: Item,
    /// The item before, if there was one.
    pub before: Option<Item>,
    /// The item after, if there is one. A write may leave an item as it was.
    pub after: Option<Item>,
}

/// Who is told of the changes of which table.
#[derive(Default)]
pub(super) struct Watchers(BTreeMap<String, Vec<Watcher>>);

type Watcher = Box<dyn FnMut(&Change) + Send>;

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Watchers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn watches(&self, table: &str) -> bool {
        self.0.contains_key(table)
    }

    pub(super) fn add(&mut self, table: &str, watcher: Watcher) {
        self.0.entry(table.to_owned()).or_default().push(watcher);
    }

    pub(super) fn remove(&mut self, table: &str) {
        self.0.remove(table);
    }

    pub(super) fn tell(&mut self, change: &Change) {
        for watcher in self.0.get_mut(&change.table).into_iter().flatten() {
            watcher(change);
        }
    }
}
