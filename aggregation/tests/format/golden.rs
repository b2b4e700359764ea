//! PutRecords bodies of a real KPL, read and written again. See `golden/README.md`.

use std::fs;
use std::path::Path;

use aggregation::{Decoded, Encoder, HashKey, HashKeyRange, UserRecord, UserRecordRef, decode};
use base64::prelude::*;
use bytes::Bytes;
use serde::Deserialize;

use crate::unhex;

#[derive(Deserialize)]
struct Capture {
    case: String,
    shards: u32,
    user_records_in_order: Vec<PutRecord>,
    put_records_requests: Vec<Request>,
}

#[derive(Deserialize)]
struct PutRecord {
    partition_key: String,
    explicit_hash_key: Option<String>,
    data_hex: String,
}

#[derive(Deserialize)]
struct Request {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    data_base64: String,
    partition_key: String,
    explicit_hash_key: String,
    decoded: Option<DecodedEntry>,
}

#[derive(Deserialize)]
struct DecodedEntry {
    partition_key_table: Vec<String>,
    explicit_hash_key_table: Vec<String>,
    records: Vec<DecodedRecord>,
}

#[derive(Deserialize)]
struct DecodedRecord {
    partition_key_index: usize,
    explicit_hash_key_index: Option<usize>,
    data_hex: String,
}

impl Capture {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let captures = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        captures
            .map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
            .collect()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.put_records_requests.iter().flat_map(|request| &request.entries)
    }

    fn put_records(&self) -> Vec<UserRecord> {
        self.user_records_in_order.iter().map(PutRecord::user_record).collect()
    }

    /// The user records of an entry as the capture's own decoder saw them; those of a plain entry as they were put.
    fn user_records(&self, entry: &Entry) -> Vec<UserRecord> {
        match &entry.decoded {
            Some(decoded) => decoded.user_records(),
            None => {
                let is_this = |put: &UserRecord| put.partition_key == entry.partition_key && put.data == entry.data();
                vec![self.put_records().into_iter().find(is_this).unwrap()]
            }
        }
    }
}

impl PutRecord {
    fn user_record(&self) -> UserRecord {
        user_record(&self.partition_key, self.explicit_hash_key.as_deref(), &self.data_hex)
    }
}

impl Entry {
    fn data(&self) -> Bytes {
        BASE64_STANDARD.decode(&self.data_base64).unwrap().into()
    }

    fn hash_key(&self) -> HashKey {
        self.explicit_hash_key.parse().unwrap()
    }
}

impl DecodedEntry {
    fn user_records(&self) -> Vec<UserRecord> {
        let record = |record: &DecodedRecord| {
            let hash_key = record
                .explicit_hash_key_index
                .map(|index| self.explicit_hash_key_table[index].as_str());
            user_record(
                &self.partition_key_table[record.partition_key_index],
                hash_key,
                &record.data_hex,
            )
        };
        self.records.iter().map(record).collect()
    }
}

fn user_record(partition_key: &str, explicit_hash_key: Option<&str>, data_hex: &str) -> UserRecord {
    UserRecord {
        partition_key: partition_key.into(),
        explicit_hash_key: explicit_hash_key.map(|key| key.parse().unwrap()),
        data: unhex(data_hex).into(),
        tags: vec![],
        damage: None,
    }
}

#[test]
fn the_encoder_writes_each_entry_to_the_byte() {
    let mut encoder = Encoder::new();
    for capture in Capture::all() {
        for entry in capture.entries() {
            let records = capture.user_records(entry);
            for record in &records {
                encoder.append(&UserRecordRef::from(record));
            }
            let sealed = encoder.seal().unwrap();
            assert_eq!(sealed.data, entry.data(), "{}", capture.case);
            assert_eq!(sealed.partition_key, entry.partition_key, "{}", capture.case);
            assert_eq!(sealed.explicit_hash_key, entry.hash_key(), "{}", capture.case);
            assert_eq!(sealed.user_records, records.len(), "{}", capture.case);
        }
    }
}

#[test]
fn the_decoder_reads_the_records_of_each_entry() {
    for capture in Capture::all() {
        for entry in capture.entries() {
            match decode(&entry.data()) {
                Decoded::Plain => assert!(entry.decoded.is_none(), "{}", capture.case),
                Decoded::Aggregate(aggregate) => {
                    let records: Vec<_> = aggregate.into_iter().collect();
                    assert_eq!(
                        records,
                        entry.decoded.as_ref().unwrap().user_records(),
                        "{}",
                        capture.case
                    );
                }
                Decoded::Damaged(damaged) => panic!("{}: {damaged:?}", capture.case),
            }
        }
    }
}

#[test]
fn every_record_that_was_put_appears_once() {
    for capture in Capture::all() {
        let sorted = |mut records: Vec<UserRecord>| {
            records.sort_by(|a, b| (&a.data, &*a.partition_key).cmp(&(&b.data, &*b.partition_key)));
            records
        };
        let seen = capture
            .entries()
            .flat_map(|entry| capture.user_records(entry))
            .collect();
        assert_eq!(sorted(seen), sorted(capture.put_records()), "{}", capture.case);
    }
}

#[test]
fn each_entry_stays_in_one_of_the_shards_of_an_even_split() {
    for capture in Capture::all() {
        for entry in capture.entries() {
            let shard = HashKeyRange::FULL
                .split_evenly(capture.shards)
                .find(|shard| shard.contains(entry.hash_key()));
            for record in capture.user_records(entry) {
                assert!(shard.unwrap().contains(record.hash_key()), "{}", capture.case);
            }
        }
    }
}

#[test]
fn the_captures_hold_plain_records_and_aggregates() {
    let captures = Capture::all();
    let plain = captures
        .iter()
        .flat_map(Capture::entries)
        .filter(|entry| entry.decoded.is_none())
        .count();
    let entries = captures.iter().flat_map(Capture::entries).count();
    assert_eq!(captures.len(), 9);
    assert!(plain > 0 && plain < entries);
}
