//! Pure: one table of unique strings, in order of first appearance.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::wire;

/// A table of unique strings that is kept in its encoded form.
#[derive(Debug)]
pub(super) struct StringTable {
    /// The number of the repeated field that holds the table.
    field: u32,
    /// The table as it goes on the wire.
    wire: Vec<u8>,
    /// Finds a string in `wire`. Never iterated, so that its random order shows nowhere.
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

/// Where a string stands in the table.
#[derive(Debug)]
struct Entry {
    hash: u64,
    index: u64,
    text: Range<usize>,
}

/// What [`StringTable::intern`] would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The index that the string has or would get.
    pub(super) index: u64,
    /// The bytes by which the encoded table would grow: 0 if the string is there already.
    pub(super) growth: usize,
}

impl StringTable {
    pub(super) fn new(field: u32) -> Self {
        Self {
            field,
            wire: Vec::new(),
            entries: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Looks up a string.
    pub(super) fn find(&self, text: &str) -> Found {
        match self.index_of(self.hash(text), text) {
            Some(index) => Found { index, growth: 0 },
            None => Found {
                index: self.next_index(),
                growth: wire::bytes_len(self.field, text.len()),
            },
        }
    }

    /// Returns the index of a string, adding it if it is new.
    pub(super) fn intern(&mut self, text: &str) -> u64 {
        let hash = self.hash(text);
        if let Some(index) = self.index_of(hash, text) {
            return index;
        }
        let index = self.next_index();
        wire::put_bytes(self.field, text.as_bytes(), &mut self.wire);
        let end = self.wire.len();
        let entry = Entry {
            hash,
            index,
            text: end - text.len()..end,
        };
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
        index
    }

    /// The encoded table.
    pub(super) fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Empties the table, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.wire.clear();
        self.entries.clear();
    }

    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    fn index_of(&self, hash: u64, text: &str) -> Option<u64> {
        let is_same = |entry: &Entry| self.wire.get(entry.text.clone()) == Some(text.as_bytes());
        self.entries.find(hash, is_same).map(|entry| entry.index)
    }

    fn next_index(&self) -> u64 {
        self.entries.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_keeps_the_index_of_its_first_appearance() {
        let mut table = StringTable::new(1);
        assert_eq!(["b", "a", "b", ""].map(|text| table.intern(text)), [0, 1, 0, 2]);
        assert_eq!(table.as_wire(), b"\x0A\x01b\x0A\x01a\x0A\x00");
    }

    #[test]
    fn a_lookup_foretells_index_and_growth() {
        let mut table = StringTable::new(2);
        for text in ["x", "y", "x", &"long".repeat(40)] {
            let Found { index, growth } = table.find(text);
            let len = table.as_wire().len();
            assert_eq!(table.intern(text), index);
            assert_eq!(table.as_wire().len(), len + growth);
        }
    }

    #[test]
    fn strings_with_one_hash_stay_apart() {
        let mut table = StringTable::new(1);
        table.intern("a");
        assert_eq!(table.index_of(table.hash("a"), "b"), None);
    }

    #[test]
    fn a_cleared_table_starts_over_in_the_same_memory() {
        let mut table = StringTable::new(1);
        table.intern("a");
        let capacity = (table.wire.capacity(), table.entries.capacity());
        table.clear();
        assert_eq!(table.find("a"), Found { index: 0, growth: 3 });
        assert!(table.as_wire().is_empty());
        assert_eq!((table.wire.capacity(), table.entries.capacity()), capacity);
    }
}
