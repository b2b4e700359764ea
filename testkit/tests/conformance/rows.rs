//! The rows, by what a client does.

mod capacity;
mod encryption;
mod iterators;
mod keys;
mod lifecycle;
mod listing;
mod reading;
mod record_sizes;
mod resharding;
mod retention;
mod shard_ends;
mod throughput;
mod writing;

use super::row::Row;

/// The rows under their headings.
pub(crate) const GROUPS: [(&str, &[Row]); 13] = [
    ("Writing", writing::ROWS),
    ("Record sizes", record_sizes::ROWS),
    ("Keys and sequence numbers", keys::ROWS),
    ("Throughput and call rates", throughput::ROWS),
    ("Shard iterators", iterators::ROWS),
    ("Reading", reading::ROWS),
    ("The end of a shard", shard_ends::ROWS),
    ("Listing shards", listing::ROWS),
    ("Resharding", resharding::ROWS),
    ("Streams", lifecycle::ROWS),
    ("Capacity modes and distribution", capacity::ROWS),
    ("Retention", retention::ROWS),
    ("Encryption", encryption::ROWS),
];

/// All rows, in the order of their headings.
pub(crate) fn all_rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().flat_map(|(_, rows)| rows.iter())
}
