//! Pure: one table of unique strings, in order of first appearance.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::blocks::Blocks;
use crate::wire;

/// A table of unique strings that is kept in its encoded form.
#[derive(Debug)]
pub(super) struct StringTable {
    /// The number of the repeated field that holds the table.
    field: u32,
    /// The table as it goes on the wire.
    wire: Blocks,
    /// Finds a string in `wire`. Never iterated, so that its random order shows nowhere.
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    strings: u64,
}

/// Where a string stands in the table. It is kept small, for it is what a lookup fetches from memory. A string behind the
/// first 4 GiB has none, and is written again each time.
#[derive(Debug)]
struct Entry {
    index: u32,
    start: u32,
    end: u32,
}

impl Entry {
    fn new(index: u64, text: Range<usize>) -> Option<Self> {
        Some(Self {
            index: index.try_into().ok()?,
            start: text.start.try_into().ok()?,
            end: text.end.try_into().ok()?,
        })
    }

    fn text<'a>(&self, wire: &'a [u8]) -> Option<&'a [u8]> {
        wire.get(self.start as usize..self.end as usize)
    }
}

/// What [`StringTable::add`] would do with a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    hash: u64,
    /// The index that the string has or would get.
    pub(super) index: u64,
    /// The bytes by which the encoded table would grow: 0 if the string is there already.
    pub(super) growth: usize,
}

impl StringTable {
    pub(super) fn new(field: u32) -> Self {
        Self {
            field,
            wire: Blocks::default(),
            entries: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            strings: 0,
        }
    }

    /// Looks up a string.
    pub(super) fn find(&self, text: &str) -> Found {
        let hash = self.hash(text);
        let (index, growth) = match self.index_of(hash, text) {
            Some(index) => (index, 0),
            None => (self.strings, wire::bytes_len(self.field, text.len())),
        };
        Found { hash, index, growth }
    }

    /// Adds a string if it is new, and does nothing otherwise. `found` is what a lookup of it has just told.
    pub(super) fn add(&mut self, text: &str, found: Found) {
        let Found { hash, index, growth } = found;
        if growth == 0 {
            return;
        }
        let Self {
            wire, entries, hasher, ..
        } = self;
        wire::put_bytes(self.field, text.as_bytes(), &mut wire.extend(growth));
        self.strings += 1;
        if let Some(entry) = Entry::new(index, wire.len() - text.len()..wire.len()) {
            entries.insert_unique(hash, entry, |entry| {
                hash_of(hasher, entry.text(wire.as_slice()).unwrap_or_default())
            });
        }
    }

    /// The encoded table.
    pub(super) fn as_wire(&self) -> &[u8] {
        self.wire.as_slice()
    }

    /// Empties the table, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.wire.clear();
        self.entries.clear();
        self.strings = 0;
    }

    /// Gives back the memory beyond that of so many bytes of strings, and as many to find them by.
    pub(super) fn shrink_to(&mut self, capacity: usize) {
        let Self {
            wire, entries, hasher, ..
        } = self;
        wire.shrink_to(capacity);
        entries.shrink_to(capacity / size_of::<Entry>(), |entry| {
            hash_of(hasher, entry.text(wire.as_slice()).unwrap_or_default())
        });
    }

    /// Bytes of its buffers.
    pub(super) fn memory(&self) -> usize {
        self.wire.capacity() + self.entries.allocation_size()
    }

    fn hash(&self, text: &str) -> u64 {
        hash_of(&self.hasher, text.as_bytes())
    }

    fn index_of(&self, hash: u64, text: &str) -> Option<u64> {
        let is_same = |entry: &Entry| entry.text(self.wire.as_slice()) == Some(text.as_bytes());
        self.entries.find(hash, is_same).map(|entry| entry.index.into())
    }
}

fn hash_of(hasher: &DefaultHashBuilder, text: &[u8]) -> u64 {
    hasher.hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(table: &mut StringTable, text: &str) -> Found {
        let found = table.find(text);
        table.add(text, found);
        found
    }

    #[test]
    fn a_string_keeps_the_index_of_its_first_appearance() {
        let mut table = StringTable::new(1);
        assert_eq!(
            ["b", "a", "b", ""].map(|text| intern(&mut table, text).index),
            [0, 1, 0, 2]
        );
        assert_eq!(table.as_wire(), b"\x0A\x01b\x0A\x01a\x0A\x00");
    }

    #[test]
    fn a_lookup_foretells_the_growth() {
        let mut table = StringTable::new(2);
        for text in ["x", "y", "x", &"long".repeat(40)] {
            let len = table.as_wire().len();
            let found = intern(&mut table, text);
            assert_eq!(table.as_wire().len(), len + found.growth);
        }
    }

    #[test]
    fn strings_with_one_hash_stay_apart() {
        let mut table = StringTable::new(1);
        intern(&mut table, "a");
        assert_eq!(table.index_of(table.hash("a"), "b"), None);
    }

    #[test]
    fn a_cleared_table_starts_over_in_the_same_memory() {
        let mut table = StringTable::new(1);
        intern(&mut table, "a");
        let capacity = (table.wire.capacity(), table.entries.capacity());
        table.clear();
        let found = table.find("a");
        assert_eq!((found.index, found.growth), (0, 3));
        assert!(table.as_wire().is_empty());
        assert_eq!((table.wire.capacity(), table.entries.capacity()), capacity);
    }
}
