//! What a reader meets in the wild: other writers, damaged aggregates, payloads that look like one.

use aggregation::{
    Aggregate, DamageReason, Decoded, HashKey, HashKeyRange, InvalidHashKey, MAGIC, MalformedMessage, UserRecord,
    decode,
};
use bytes::Bytes;
use prost::Message;

use crate::oracle::{AggregatedRecord, Record, Tag, frame};
use crate::unhex;

/// The message of vector V1.
const MESSAGE: &[u8] = b"\x0A\x01a\x0A\x01b\x1A\x05\x08\x00\x1A\x01x\x1A\x05\x08\x01\x1A\x01y";

fn record(partition_key_index: u64, explicit_hash_key_index: Option<u64>) -> Record {
    Record {
        partition_key_index: Some(partition_key_index),
        explicit_hash_key_index,
        data: Some(vec![]),
        tags: vec![],
    }
}

/// An aggregate with the partition keys `a` and `b`.
fn aggregated(explicit_hash_key_table: &[&str], records: &[Record]) -> Bytes {
    let message = AggregatedRecord {
        partition_key_table: vec!["a".into(), "b".into()],
        explicit_hash_key_table: explicit_hash_key_table.iter().copied().map(String::from).collect(),
        records: records.to_vec(),
    };
    frame(&message.encode_to_vec())
}

fn intact(data: &Bytes) -> Aggregate {
    match decode(data) {
        Decoded::Aggregate(aggregate) => aggregate,
        other @ (Decoded::Plain | Decoded::Damaged(_)) => panic!("{other:?}"),
    }
}

/// The reason, and the number of records before the damage.
fn damage(data: &Bytes) -> (DamageReason, usize) {
    match decode(data) {
        Decoded::Damaged(damaged) => (damaged.reason().clone(), damaged.intact().len()),
        other @ (Decoded::Plain | Decoded::Aggregate(_)) => panic!("{other:?}"),
    }
}

fn keys(aggregate: &Aggregate) -> Vec<String> {
    aggregate
        .records()
        .map(|record| record.partition_key.to_string())
        .collect()
}

fn explicit_hash_keys(aggregate: &Aggregate) -> Vec<Option<u128>> {
    aggregate
        .records()
        .map(|record| record.explicit_hash_key.map(HashKey::value))
        .collect()
}

#[test]
fn data_without_the_magic_number_are_plain() {
    for data in [
        &b""[..],
        b"x",
        &MAGIC[..3],
        b"\xF3\x89\x9A\xC3 and some more than twenty bytes",
    ] {
        assert_eq!(decode(&Bytes::from_static(data)), Decoded::Plain, "{data:?}");
    }
}

#[test]
fn nothing_between_magic_number_and_checksum_is_too_short() {
    let empty = frame(b"");
    for len in [4, 5, 19, 20] {
        assert_eq!(damage(&empty.slice(..len)), (DamageReason::TooShort { len }, 0));
    }
}

#[test]
fn a_changed_byte_breaks_the_checksum() {
    let data = frame(MESSAGE);
    for at in MAGIC.len()..data.len() {
        let mut changed = data.to_vec();
        changed[at] ^= 1;
        assert_eq!(
            damage(&changed.into()),
            (DamageReason::ChecksumMismatch, 0),
            "byte {at}"
        );
    }
}

#[test]
fn bytes_lost_or_added_at_the_end_break_the_checksum() {
    let data = frame(MESSAGE);
    for changed in [data.slice(..data.len() - 1), [&data[..], b"\0"].concat().into()] {
        assert_eq!(damage(&changed), (DamageReason::ChecksumMismatch, 0));
    }
}

#[test]
fn a_message_that_is_no_protobuf_is_malformed() {
    for (tail, reason) in [
        (&b"\x1A"[..], MalformedMessage::Truncated),
        (b"\x1A\x05\x08\x00", MalformedMessage::Truncated),
        (b"\x1A\x02\x1A\x05", MalformedMessage::Truncated),
        (b"\0", MalformedMessage::InvalidKey),
        (b"\x2C", MalformedMessage::UnbalancedGroup),
        (
            b"\x28\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            MalformedMessage::VarintOverflow,
        ),
        (b"\x08\x01", MalformedMessage::WrongWireType),
        (b"\x1A\x04\x0A\x00\x1A\x00", MalformedMessage::WrongWireType),
        (b"\x1A\x04\x08\x00\x18\x00", MalformedMessage::WrongWireType),
    ] {
        let message = [MESSAGE, tail].concat();
        assert_eq!(
            damage(&frame(&message)),
            (DamageReason::Malformed(reason), 0),
            "{tail:x?}"
        );
    }
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    let tagged = |tag| Record {
        tags: vec![tag],
        ..record(0, None)
    };
    for (lacking, field) in [
        (
            Record {
                partition_key_index: None,
                ..record(0, None)
            },
            "Record.partition_key_index",
        ),
        (
            Record {
                data: None,
                ..record(0, None)
            },
            "Record.data",
        ),
        (
            tagged(Tag {
                key: None,
                value: Some("v".into()),
            }),
            "Tag.key",
        ),
    ] {
        assert_eq!(
            damage(&aggregated(&[], &[record(0, None), lacking])),
            (DamageReason::MissingField(field), 0)
        );
    }
}

#[test]
fn a_string_that_is_not_utf_8_is_refused() {
    for field in [
        &b"\x0A\x01\xFF"[..],
        b"\x12\x01\xFF",
        b"\x1A\x09\x08\x00\x1A\x00\x22\x03\x0A\x01\xFF",
    ] {
        let (reason, intact) = damage(&frame(&[MESSAGE, field].concat()));
        assert!(matches!(reason, DamageReason::InvalidUtf8(_)), "{reason:?}");
        assert_eq!(intact, 0);
    }
}

#[test]
fn records_before_an_index_out_of_range_are_intact() {
    for index in [2, u64::from(u32::MAX) + 1, u64::MAX] {
        let data = aggregated(
            &[],
            &[record(0, None), record(1, None), record(index, None), record(0, None)],
        );
        let reason = DamageReason::PartitionKeyIndexOutOfRange {
            record: 2,
            index,
            table_len: 2,
        };
        assert_eq!(damage(&data), (reason, 2));

        let data = aggregated(&["7", "8"], &[record(0, Some(1)), record(0, Some(index))]);
        let reason = DamageReason::ExplicitHashKeyIndexOutOfRange {
            record: 1,
            index,
            table_len: 2,
        };
        assert_eq!(damage(&data), (reason, 1));
    }
}

#[test]
fn records_before_an_invalid_explicit_hash_key_are_intact() {
    for (text, source) in [
        ("", InvalidHashKey::NotDecimal),
        ("seven", InvalidHashKey::NotDecimal),
        ("-1", InvalidHashKey::OutOfRange),
        ("340282366920938463463374607431768211456", InvalidHashKey::OutOfRange),
    ] {
        let data = aggregated(&["7", text], &[record(0, Some(0)), record(0, Some(1))]);
        assert_eq!(
            damage(&data),
            (DamageReason::InvalidExplicitHashKey { record: 1, source }, 1),
            "{text:?}"
        );
    }
}

#[test]
fn an_invalid_explicit_hash_key_that_no_record_points_to_does_no_harm() {
    let aggregate = intact(&aggregated(&["seven", "7"], &[record(0, Some(1))]));
    assert_eq!(explicit_hash_keys(&aggregate), [Some(7)]);
}

#[test]
fn an_explicit_hash_key_need_not_be_canonical() {
    let aggregate = intact(&aggregated(
        &["007", "+7", "-0"],
        &[0, 1, 2].map(|index| record(0, Some(index))),
    ));
    assert_eq!(explicit_hash_keys(&aggregate), [Some(7), Some(7), Some(0)]);
}

#[test]
fn a_record_without_explicit_hash_key_index_has_no_explicit_hash_key() {
    let aggregate = intact(&aggregated(&["7"], &[record(0, Some(0)), record(1, None)]));
    assert_eq!(explicit_hash_keys(&aggregate), [Some(7), None]);
    let hash_keys: Vec<_> = aggregate.records().map(|record| record.hash_key()).collect();
    assert_eq!(hash_keys, [HashKey::new(7), HashKey::of_partition_key("b")]);
}

#[test]
fn an_aggregate_may_be_empty() {
    let aggregate = intact(&aggregated(&["7"], &[]));
    assert!(aggregate.is_empty());
    assert_eq!(aggregate.records().len(), 0);
    assert_eq!(aggregate.first_outside(HashKeyRange::FULL), None);
}

#[test]
fn a_table_may_hold_duplicates() {
    let message = [MESSAGE, b"\x0A\x01a\x1A\x04\x08\x02\x1A\x00"].concat();
    assert_eq!(keys(&intact(&frame(&message))), ["a", "b", "a"]);
}

#[test]
fn tables_may_follow_the_records() {
    let (tables, records) = MESSAGE.split_at(6);
    assert_eq!(intact(&frame(&[records, tables].concat())), intact(&frame(MESSAGE)));
}

#[test]
fn of_a_repeated_scalar_field_the_last_wins() {
    let message = b"\x0A\x01a\x0A\x01b\x1A\x0A\x08\x00\x1A\x01x\x08\x01\x1A\x01y";
    let records: Vec<_> = intact(&frame(message)).into_iter().collect();
    assert_eq!(records.len(), 1);
    assert_eq!((&*records[0].partition_key, &records[0].data[..]), ("b", &b"y"[..]));
}

#[test]
fn unknown_fields_are_skipped() {
    let unknown = b"\x28\x01\x29\0\0\0\0\0\0\0\0\x2A\x02hi\x2B\x08\x01\x2C\x2D\0\0\0\0";
    assert_eq!(intact(&frame(&[MESSAGE, unknown].concat())), intact(&frame(MESSAGE)));
}

#[test]
fn tags_are_kept() {
    let tag = |key: &str, value: Option<&str>| Tag {
        key: Some(key.into()),
        value: value.map(String::from),
    };
    let tags = vec![tag("kind", Some("test")), tag("bare", None)];
    let aggregate = intact(&aggregated(
        &[],
        &[Record {
            tags,
            ..record(0, None)
        }],
    ));
    let tags = aggregate.into_iter().next().unwrap().tags;
    let expected = [("kind".into(), Some("test".into())), ("bare".into(), None)];
    assert_eq!(tags, expected.map(|(key, value)| aggregation::Tag { key, value }));
}

#[test]
fn the_first_record_outside_of_a_range_is_found() {
    let records = [record(0, Some(0)), record(0, None), record(0, Some(1))];
    let aggregate = intact(&aggregated(&["5", "50"], &records));
    let range = |end| HashKeyRange::new(HashKey::MIN, end).unwrap();
    assert_eq!(aggregate.first_outside(range(HashKey::new(4))), Some(0));
    assert_eq!(aggregate.first_outside(range(HashKey::new(49))), Some(1));
    assert_eq!(aggregate.first_outside(range(HashKey::of_partition_key("a"))), None);
}

#[test]
fn payloads_are_not_copied() {
    let data: Bytes = unhex("f3899ac20a01610a01621a0508001a01781a0508011a0179b0031909ae75891ca94acec2ecce3125").into();
    let is_inside = |part: &[u8]| data.as_ptr_range().contains(&part.as_ptr());
    let shares = |record: UserRecord| is_inside(&record.data) && is_inside(record.partition_key.as_bytes());
    assert!(intact(&data).records().all(shares));
}
