//! What a reader meets in the wild: other writers, damaged aggregates, payloads that look like one.

use aggregation::{
    Aggregate, Checked, DamageReason, Decoded, HashKey, HashKeyRange, InvalidHashKey, MAGIC, MalformedMessage,
    RecordDamage, UserRecord, decode,
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
        explicit_hash_key_table: explicit_hash_key_table.iter().map(|text| (*text).into()).collect(),
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

fn damage(data: &Bytes) -> DamageReason {
    match decode(data) {
        Decoded::Damaged(reason) => reason,
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
fn records_that_are_checked_together_are_read_as_each_alone_is() {
    let whole = aggregated(&["5"], &[record(0, Some(0)), record(1, None)]);
    let mut broken = whole.to_vec();
    broken[6] ^= 1;
    let each = [
        Bytes::from_static(b"plain"),
        whole.clone(),
        Bytes::from_static(&MAGIC),
        broken.into(),
        whole,
        frame(b"no protobuf"),
        Bytes::new(),
    ];
    // More than are hashed in step, in other places each time.
    for rotated in 0..each.len() {
        let all: Vec<_> = each.iter().cycle().skip(rotated).take(30).cloned().collect();
        let checked = Checked::all(&all).into_iter().map(Checked::decode);
        assert!(checked.eq(all.iter().map(decode)));
    }
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
        assert_eq!(damage(&empty.slice(..len)), DamageReason::TooShort { len });
    }
}

#[test]
fn a_changed_byte_breaks_the_checksum() {
    let data = frame(MESSAGE);
    for at in MAGIC.len()..data.len() {
        let mut changed = data.to_vec();
        changed[at] ^= 1;
        assert_eq!(damage(&changed.into()), DamageReason::ChecksumMismatch, "byte {at}");
    }
}

#[test]
fn bytes_lost_or_added_at_the_end_break_the_checksum() {
    let data = frame(MESSAGE);
    for changed in [data.slice(..data.len() - 1), [&data[..], b"\0"].concat().into()] {
        assert_eq!(damage(&changed), DamageReason::ChecksumMismatch);
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
        assert_eq!(damage(&frame(&message)), DamageReason::Malformed(reason), "{tail:x?}");
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
            DamageReason::MissingField(field)
        );
    }
}

/// The damage of each record.
fn record_damage(aggregate: &Aggregate) -> Vec<Option<RecordDamage>> {
    aggregate
        .records()
        .map(|record| record.damage.map(|damage| *damage))
        .collect()
}

fn payloads(aggregate: &Aggregate) -> Vec<Bytes> {
    aggregate.records().map(|record| record.data).collect()
}

/// Written by a producer that does not check explicit hash keys: the second of three records has `not-a-number`.
const BAD_HASH_KEY: &str = "f3899ac20a01610a01620a0163120137120c6e6f742d612d6e756d6265721201391a0b080010001a056e616e2d30\
                            1a0b080110011a056e616e2d311a0b080210021a056e616e2d324469d3348e96d11034b7801cc2764d75";

/// Written by a Go producer: the second of three records has the partition key `C3 28`.
const BAD_PARTITION_KEY: &str = "f3899ac20a01610a02c3280a01631a0908001a057574662d301a0908011a057574662d311a0908021a057574\
                                 662d321b049245516dc274278ed60e91e5f20c";

#[test]
fn an_explicit_hash_key_that_is_no_number_costs_no_record() {
    let aggregate = intact(&unhex(BAD_HASH_KEY).into());
    assert_eq!(payloads(&aggregate), ["nan-0", "nan-1", "nan-2"]);
    assert_eq!(keys(&aggregate), ["a", "b", "c"]);
    assert_eq!(explicit_hash_keys(&aggregate), [Some(7), None, Some(9)]);
    let damage = RecordDamage::InvalidExplicitHashKey {
        source: InvalidHashKey::NotDecimal,
    };
    assert_eq!(record_damage(&aggregate), [None, Some(damage), None]);
    assert_eq!(aggregate.damaged(), 1);
}

#[test]
fn a_partition_key_that_is_not_utf_8_costs_no_record() {
    let aggregate = intact(&unhex(BAD_PARTITION_KEY).into());
    assert_eq!(payloads(&aggregate), ["utf-0", "utf-1", "utf-2"]);
    assert_eq!(keys(&aggregate), ["a", "\u{FFFD}(", "c"]);
    let damage = RecordDamage::PartitionKeyNotUtf8 {
        bytes: Bytes::from_static(b"\xC3("),
    };
    assert_eq!(record_damage(&aggregate), [None, Some(damage), None]);
}

#[test]
fn a_tag_that_is_not_utf_8_is_read_lossily() {
    let message = [MESSAGE, b"\x1A\x0C\x08\x00\x1A\x00\x22\x06\x0A\x01\xFF\x12\x01\xFE"].concat();
    let aggregate = intact(&frame(&message));
    let tag = aggregate.records().last().unwrap().tags.remove(0);
    assert_eq!((&*tag.key, tag.value.as_deref()), ("\u{FFFD}", Some("\u{FFFD}")));
    assert_eq!(aggregate.damaged(), 0);
}

#[test]
fn an_explicit_hash_key_that_is_not_utf_8_is_none() {
    let message = [MESSAGE, b"\x12\x01\xFF\x1A\x06\x08\x00\x10\x00\x1A\x00"].concat();
    let aggregate = intact(&frame(&message));
    assert_eq!(explicit_hash_keys(&aggregate), [None; 3]);
    let damage = RecordDamage::InvalidExplicitHashKey {
        source: InvalidHashKey::NotDecimal,
    };
    assert_eq!(record_damage(&aggregate), [None, None, Some(damage)]);
}

#[test]
fn a_partition_key_index_out_of_range_leaves_an_empty_partition_key() {
    for index in [2, u64::from(u32::MAX) + 1, u64::MAX] {
        let records = [record(0, None), record(1, None), record(index, None), record(0, None)];
        let aggregate = intact(&aggregated(&[], &records));
        assert_eq!(keys(&aggregate), ["a", "b", "", "a"]);
        let damage = RecordDamage::PartitionKeyIndexOutOfRange { index, table_len: 2 };
        assert_eq!(record_damage(&aggregate), [None, None, Some(damage), None]);
    }
}

#[test]
fn an_explicit_hash_key_index_out_of_range_is_no_explicit_hash_key() {
    for index in [2, u64::from(u32::MAX) + 1, u64::MAX] {
        let records = [record(0, Some(1)), record(0, Some(index)), record(0, Some(0))];
        let aggregate = intact(&aggregated(&["7", "8"], &records));
        assert_eq!(explicit_hash_keys(&aggregate), [Some(8), None, Some(7)]);
        let damage = RecordDamage::ExplicitHashKeyIndexOutOfRange { index, table_len: 2 };
        assert_eq!(record_damage(&aggregate), [None, Some(damage), None]);
    }
}

#[test]
fn an_invalid_explicit_hash_key_is_none() {
    for (text, source) in [
        ("", InvalidHashKey::NotDecimal),
        ("seven", InvalidHashKey::NotDecimal),
        ("-1", InvalidHashKey::OutOfRange),
        ("340282366920938463463374607431768211456", InvalidHashKey::OutOfRange),
    ] {
        let aggregate = intact(&aggregated(&["7", text], &[record(0, Some(1)), record(0, Some(0))]));
        assert_eq!(explicit_hash_keys(&aggregate), [None, Some(7)], "{text:?}");
        let damage = RecordDamage::InvalidExplicitHashKey { source };
        assert_eq!(record_damage(&aggregate), [Some(damage), None], "{text:?}");
    }
}

#[test]
fn of_two_damaged_keys_the_partition_key_is_told() {
    let aggregate = intact(&aggregated(&["seven"], &[record(9, Some(0))]));
    let damage = RecordDamage::PartitionKeyIndexOutOfRange { index: 9, table_len: 2 };
    assert_eq!(record_damage(&aggregate), [Some(damage)]);
    assert_eq!(explicit_hash_keys(&aggregate), [None]);
}

#[test]
fn a_record_whose_hash_key_is_hidden_by_damage_is_outside_of_no_range() {
    let nowhere = HashKeyRange::new(HashKey::new(1), HashKey::new(1)).unwrap();
    let hidden = [record(2, None), record(0, Some(9)), record(0, Some(1))];
    assert_eq!(intact(&aggregated(&["5", "x"], &hidden)).first_outside(nowhere), None);
    let known = [record(2, Some(0))];
    assert_eq!(intact(&aggregated(&["5"], &known)).first_outside(nowhere), Some(0));
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
        value: value.map(Vec::from),
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
