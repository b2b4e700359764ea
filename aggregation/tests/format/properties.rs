//! Properties, with prost's derived code as the oracle.

use aggregation::{AGGREGATE_PARTITION_KEY, Decoded, Encoder, HashKey, KinesisRecord, UserRecordRef, decode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;

use crate::oracle::{AggregatedRecord, Fields, Mark, Reading, Record, Tag, assert_agreement, frame, reading};

/// Partition keys that often repeat, so that the tables have something to share.
fn partition_key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-d]", 1 => "\\PC{0,40}", 1 => "x{120,260}"]
}

fn hash_key() -> impl Strategy<Value = HashKey> {
    prop_oneof![(0..4_u128), any::<u128>(), Just(u128::MAX)].prop_map(HashKey::new)
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..8), 1 => vec(any::<u8>(), 100..300)]
}

fn user_records(max: usize) -> impl Strategy<Value = Vec<Fields>> {
    vec((partition_key(), option::of(hash_key()), data(), Just(vec![])), 0..max)
}

/// A field of none of the messages, of any wire type.
fn unknown_field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\x28\x96\x01".to_vec()),
        Just(b"\x29\x01\x02\x03\x04\x05\x06\x07\x08".to_vec()),
        Just(b"\x2A\x03abc".to_vec()),
        Just(b"\x2B\x08\x01\x33\x34\x2C".to_vec()),
        Just(b"\x2D\x01\x02\x03\x04".to_vec()),
        Just(b"\xF8\xFF\xFF\xFF\x0F\x00".to_vec()),
    ]
}

/// A valid message, but not as an encoder writes it: tags, and fields in any order, unknown and repeated ones among
/// them.
fn foreign_message() -> impl Strategy<Value = Vec<u8>> {
    let table = AggregatedRecord {
        partition_key_table: vec!["a".into(), "é你".into(), "a".into()],
        explicit_hash_key_table: vec![b"7".to_vec(), b"+007".to_vec()],
        records: vec![],
    };
    let records = vec(record(), 0..6);
    (Just(table), records, vec(unknown_field(), 0..3)).prop_flat_map(|(table, records, unknown)| {
        let keys = table.partition_key_table.iter().map(|key| length_delimited(1, key));
        let hash_keys = table.explicit_hash_key_table.iter().map(|key| length_delimited(2, key));
        let records = records.iter().map(|record| length_delimited(3, record));
        let fields: Vec<_> = keys.chain(hash_keys).chain(records).chain(unknown).collect();
        Just(fields).prop_shuffle().prop_map(|fields| fields.concat())
    })
}

/// The body of a record: the fields of two records in any order, so that the last one of each counts.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let tag = (".{0,4}", option::of(".{0,4}")).prop_map(|(key, value)| Tag {
        key: Some(key.into()),
        value: value.map(String::into_bytes),
    });
    let fields = (0..3_u64, option::of(0..2_u64), data(), vec(tag, 0..3));
    (vec(fields, 1..3), vec(unknown_field(), 0..2)).prop_flat_map(|(records, unknown)| {
        let mut fields = unknown;
        for (partition_key_index, explicit_hash_key_index, data, tags) in records {
            let only = Record::default();
            fields.push(
                Record {
                    partition_key_index: Some(partition_key_index),
                    ..only.clone()
                }
                .encode_to_vec(),
            );
            fields.push(
                Record {
                    explicit_hash_key_index,
                    ..only.clone()
                }
                .encode_to_vec(),
            );
            fields.push(
                Record {
                    data: Some(data),
                    ..only.clone()
                }
                .encode_to_vec(),
            );
            fields.push(Record { tags, ..only }.encode_to_vec());
        }
        Just(fields).prop_shuffle().prop_map(|fields| fields.concat())
    })
}

fn length_delimited(field: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    prost::encode_length_delimiter(value.len(), &mut out).unwrap();
    out.extend_from_slice(value);
    out
}

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
    FlipBit(Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::FlipBit(at, 1 << bit)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    match mutation {
        Mutation::Insert(at, byte) => bytes.insert(at.index(len + 1), *byte),
        _ if len == 0 => {}
        Mutation::Replace(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Remove(at) => drop(bytes.remove(at.index(len))),
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
        Mutation::FlipBit(at, mask) => bytes[at.index(len)] ^= mask,
    }
}

fn as_ref((partition_key, explicit_hash_key, data, _): &Fields) -> UserRecordRef<'_> {
    UserRecordRef::new(partition_key, *explicit_hash_key, data)
}

fn encode(encoder: &mut Encoder, records: &[Fields]) -> Option<KinesisRecord> {
    for record in records {
        encoder.append(&as_ref(record));
    }
    encoder.seal()
}

/// The aggregate that prost writes.
fn encode_with_prost(records: &[Fields]) -> Vec<u8> {
    frame(&aggregated_by_prost(records).encode_to_vec()).into()
}

fn aggregated_by_prost(records: &[Fields]) -> AggregatedRecord {
    fn index_in(table: &mut Vec<Vec<u8>>, text: &str) -> Option<u64> {
        let known = table.iter().position(|entry| entry == text.as_bytes());
        let index = known.unwrap_or_else(|| {
            table.push(text.into());
            table.len() - 1
        });
        Some(index as u64)
    }
    let mut message = AggregatedRecord::default();
    for (partition_key, explicit_hash_key, data, _) in records {
        let record = Record {
            partition_key_index: index_in(&mut message.partition_key_table, partition_key),
            explicit_hash_key_index: explicit_hash_key
                .and_then(|key| index_in(&mut message.explicit_hash_key_table, &key.to_string())),
            data: Some(data.clone()),
            tags: vec![],
        };
        message.records.push(record);
    }
    message
}

/// What a writer can get wrong in one field.
#[derive(Debug, Clone)]
enum WrongField {
    PartitionKey(Index, Vec<u8>),
    PartitionKeyIndex(Index, u64),
    ExplicitHashKey(Index, Vec<u8>),
    ExplicitHashKeyIndex(Index, u64),
}

fn wrong_field() -> impl Strategy<Value = WrongField> {
    let text = || prop_oneof![vec(any::<u8>(), 0..6), "-?[0-9]{0,45}".prop_map(String::into_bytes)];
    prop_oneof![
        (any::<Index>(), text()).prop_map(|(at, text)| WrongField::PartitionKey(at, text)),
        (any::<Index>(), any::<u64>()).prop_map(|(at, index)| WrongField::PartitionKeyIndex(at, index)),
        (any::<Index>(), text()).prop_map(|(at, text)| WrongField::ExplicitHashKey(at, text)),
        (any::<Index>(), any::<u64>()).prop_map(|(at, index)| WrongField::ExplicitHashKeyIndex(at, index)),
    ]
}

fn make_wrong(message: &mut AggregatedRecord, wrong: &WrongField) {
    fn pick<'a, T>(list: &'a mut [T], at: &Index) -> Option<&'a mut T> {
        (!list.is_empty()).then(|| &mut list[at.index(list.len())])
    }
    match wrong {
        WrongField::PartitionKey(at, text) => {
            pick(&mut message.partition_key_table, at)
                .into_iter()
                .for_each(|key| key.clone_from(text));
        }
        WrongField::ExplicitHashKey(at, text) => {
            pick(&mut message.explicit_hash_key_table, at)
                .into_iter()
                .for_each(|key| key.clone_from(text));
        }
        WrongField::PartitionKeyIndex(at, index) => {
            pick(&mut message.records, at)
                .into_iter()
                .for_each(|record| record.partition_key_index = Some(*index));
        }
        WrongField::ExplicitHashKeyIndex(at, index) => {
            let records = pick(&mut message.records, at).into_iter();
            records.for_each(|record| record.explicit_hash_key_index = Some(*index));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_wrong_field_costs_no_record_and_no_order(
        records in user_records(12),
        wrong in vec(wrong_field(), 1..4),
    ) {
        let mut message = aggregated_by_prost(&records);
        wrong.iter().for_each(|wrong| make_wrong(&mut message, wrong));
        prop_assume!(message.encoded_len() > 0);
        let decoded = assert_agreement(&frame(&message.encode_to_vec()));
        let Decoded::Aggregate(aggregate) = decoded else { panic!("{decoded:?}") };
        let read: Vec<_> = aggregate.records().map(|record| record.data.to_vec()).collect();
        let written: Vec<_> = records.into_iter().map(|(_, _, data, _)| data).collect();
        prop_assert_eq!(read, written);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_encoder_writes_what_prost_writes(records in user_records(200)) {
        prop_assume!(records.len() > 1);
        let sealed = encode(&mut Encoder::new(), &records).unwrap();
        prop_assert_eq!(&sealed.data, &encode_with_prost(&records));
        prop_assert_eq!(sealed.partition_key, AGGREGATE_PARTITION_KEY);
        prop_assert_eq!(sealed.explicit_hash_key, as_ref(&records[0]).hash_key);
    }

    #[test]
    fn what_is_encoded_is_decoded(records in user_records(200)) {
        prop_assume!(records.len() > 1);
        let sealed = encode(&mut Encoder::new(), &records).unwrap();
        let expected = records.into_iter().map(|record| (record, Mark::Intact)).collect();
        prop_assert_eq!(reading(&decode(&sealed.data)), Reading::Aggregate(expected));
    }

    #[test]
    fn sizes_are_exact_after_each_append(records in user_records(150)) {
        let mut encoder = Encoder::new();
        for (count, record) in records.iter().map(as_ref).enumerate() {
            let foretold = encoder.size_with(&record);
            encoder.append(&record);
            prop_assert_eq!(encoder.size(), foretold);
            let sealed = encode(&mut Encoder::new(), &records[..=count]).unwrap();
            prop_assert_eq!(sealed.data.len(), foretold);
        }
    }

    #[test]
    fn a_sealed_encoder_is_as_good_as_new(batches in vec(user_records(20), 1..6)) {
        let mut reused = Encoder::new();
        for batch in batches {
            prop_assert_eq!(encode(&mut reused, &batch), encode(&mut Encoder::new(), &batch));
            prop_assert_eq!((reused.len(), reused.size()), (0, 0));
        }
    }

    #[test]
    fn foreign_messages_are_read_as_prost_reads_them(message in foreign_message()) {
        let decoded = assert_agreement(&frame(&message));
        prop_assert!(matches!(decoded, Decoded::Aggregate(_)), "{decoded:?}");
    }

    #[test]
    fn each_byte_counts(records in user_records(20), mutation in mutation()) {
        let mut data = encode_with_prost(&records);
        mutate(&mut data, &mutation);
        assert_agreement(&data.into());
    }

    #[test]
    fn arbitrary_bytes_are_read_as_prost_reads_them(bytes in vec(any::<u8>(), 0..64)) {
        assert_agreement(&frame(&bytes));
        assert_agreement(&bytes.into());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn mutated_messages_are_accepted_only_if_prost_accepts_them(
        mut message in foreign_message(),
        mutations in vec(mutation(), 1..4),
    ) {
        for mutation in &mutations {
            mutate(&mut message, mutation);
        }
        assert_agreement(&frame(&message));
    }
}
