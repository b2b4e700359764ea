//! Vectors V1 to V7, computed by hand and by a script from the format's description, and K1 to K3, which were captured
//! from a real KPL. Source of K1 to K3: kinesis-aggregation, Python tests.

use aggregation::{Decoded, Encoder, HashKey, HashKeyRange, UserRecordRef, decode};
use sha2::{Digest, Sha256};

use crate::unhex;

type Fields = (String, Option<&'static str>, Vec<u8>);

fn fields(partition_key: &str, explicit_hash_key: Option<&'static str>, data: &str) -> Fields {
    (partition_key.to_owned(), explicit_hash_key, data.into())
}

/// Encodes the records, checks the outer keys and that the decoder gives the records back, and returns the data.
fn round_trip(records: &[Fields], outer_hash_key: Option<&str>) -> Vec<u8> {
    let mut encoder = Encoder::new();
    for (partition_key, explicit_hash_key, data) in records {
        let explicit_hash_key = explicit_hash_key.map(|key| key.parse().unwrap());
        encoder.append(&UserRecordRef::new(partition_key, explicit_hash_key, data));
    }
    let sealed = encoder.seal().unwrap();
    assert_eq!(sealed.partition_key, "a");
    assert_eq!(sealed.user_records, records.len());
    let first_hash_key = outer_hash_key.or(records[0].1).unwrap();
    assert_eq!(sealed.explicit_hash_key.to_string(), first_hash_key);

    let Decoded::Aggregate(aggregate) = decode(&sealed.data) else {
        panic!("no aggregate")
    };
    assert_eq!(aggregate.len(), records.len());
    for (decoded, (partition_key, explicit_hash_key, data)) in aggregate.records().zip(records) {
        assert_eq!(decoded.partition_key, **partition_key);
        assert_eq!(
            decoded.explicit_hash_key.map(|key| key.to_string()).as_deref(),
            *explicit_hash_key
        );
        assert_eq!(decoded.data, *data);
    }
    sealed.data.into()
}

fn assert_digests(data: &[u8], len: usize, checksum: &str, sha256: &str) {
    assert_eq!(data.len(), len);
    assert_eq!(data[len - 16..], unhex(checksum));
    assert_eq!(Sha256::digest(data)[..], unhex(sha256));
}

#[test]
fn v1_has_two_keys() {
    let data = round_trip(
        &[fields("a", None, "x"), fields("b", None, "y")],
        Some("16955237001963240173058271559858726497"),
    );
    assert_eq!(
        data,
        unhex("f3899ac20a01610a01621a0508001a01781a0508011a0179b0031909ae75891ca94acec2ecce3125")
    );
}

#[test]
fn v2_shares_a_key() {
    let data = round_trip(
        &[fields("pk", None, "hello"), fields("pk", None, "world")],
        Some("38317986088707300215492326132921849533"),
    );
    let expected = "f3899ac20a02706b1a0908001a0568656c6c6f1a0908001a05776f726c644747b0d63591c416fdae617529bdda27";
    assert_eq!(data, unhex(expected));
}

#[test]
fn v3_mixes_records_with_and_without_an_explicit_hash_key() {
    let data = round_trip(
        &[
            fields("a", Some("0"), "A"),
            fields("b", None, "B"),
            fields("a", Some("340282366920938463463374607431768211455"), "C"),
        ],
        None,
    );
    let expected = "f3899ac20a01610a016212013012273334303238323336363932303933383436333436333337343630373433313736\
                    383231313435351a07080010001a01411a0508011a01421a07080010011a014388e2f35fb1a3d0eb44e811121221fa88";
    assert_eq!(data, unhex(expected));
}

#[test]
fn v4_has_empty_data() {
    let data = round_trip(
        &[fields("k", None, ""), fields("k", None, "")],
        Some("187279361568289349169310600456257773043"),
    );
    assert_eq!(
        data,
        unhex("f3899ac20a016b1a0408001a001a0408001a00ac79742493b272b76b937630e9561158")
    );
}

#[test]
fn v5_has_a_key_beyond_ascii() {
    let data = round_trip(
        &[fields("é你", None, "1"), fields("z", Some("1"), "2")],
        Some("213302438875274069830355037911878019393"),
    );
    let expected = "f3899ac20a05c3a9e4bda00a017a1201311a0508001a01311a07080110001a01329613a0a0fe4c83460a184c923739d940";
    assert_eq!(data, unhex(expected));
}

#[test]
fn v6_has_longer_data() {
    let records: Vec<_> = (0..10).map(|i| (format!("p{}", i % 3), None, vec![i; 200])).collect();
    assert_digests(
        &round_trip(&records, Some("88494851158926912455046412960643412099")),
        2112,
        "7066d1e047af1d92b23700f1a5a2f540",
        "f43f76f72a7ef4ff9085627f5ea5942fb61ccca1b612cd39b871a4346832fef7",
    );
}

#[test]
fn v7_has_an_index_of_two_bytes() {
    let records: Vec<_> = (0..130).map(|i| fields(&format!("key-{i:03}"), None, "v")).collect();
    assert_digests(
        &round_trip(&records, Some("260858582969944771280482905603831530637")),
        2102,
        "41ff252d00802c43cf868963965d551c",
        "4b45c1d121570a336dd6a0a1968243203207cf6e13d3ff9fe336b273b8350ec2",
    );
}

#[test]
fn k1_has_explicit_hash_keys() {
    let records = [
        fields(
            "fc03dd88-3e79-448a-b01a-7cf1bd47b784",
            Some("38486495867508399078159723846051807020"),
            "RECORD 22 peeobhczbzdmskboupgyq\n",
        ),
        fields(
            "cae41b1c-ea61-43f2-90be-b8755ebf88e2",
            Some("193787600037681706952143357071916352604"),
            "RECORD 23 uswkxftxroeusscxsjhno\n",
        ),
        fields(
            "d490690c-e74d-4db2-a3c8-d8f2f184fd23",
            Some("266880436964932424265466916734068684439"),
            "RECORD 24 casehdgivfaxeustlyszy\n",
        ),
        fields(
            "c924bc09-b85e-47f1-b32e-336522ee53c8",
            Some("339606600942967391854603552402021847292"),
            "RECORD 25 nvffvpmuogdopjhamevrk\n",
        ),
    ];
    assert_digests(
        &round_trip(&records, None),
        495,
        "51c153d0de0a34ca9e18ea4bccd2add5",
        "63fa50b2eee27ca260bad2df68958a36ce2039ec2a19b1978526bf9e96647d2c",
    );
}

#[test]
fn k2_has_no_explicit_hash_keys() {
    let records = [
        fields(
            "78feb12a-dba0-45ca-a91e-bb1f2f1819b4",
            None,
            "RECORD 18 iklrpsvyhxnerodfeheru\n",
        ),
        fields(
            "c2a75787-469b-4310-840d-d486dca7eb5e",
            None,
            "RECORD 19 lnmnudyhvpvcgrokfmzdh\n",
        ),
        fields(
            "650e9362-572b-4427-b3fc-13549d7e5ae5",
            None,
            "RECORD 20 pjqrcfbxafzdndzmbgane\n",
        ),
        fields(
            "1d8d9600-00b7-46f3-a983-de83477540c0",
            None,
            "RECORD 21 aafreyrntwuwxliygkbhk\n",
        ),
        fields(
            "f2e718a0-389b-494a-b796-3355b07569cc",
            None,
            "RECORD 22 qsaadhbsgmvqgdifguyou\n",
        ),
        fields(
            "965b8da4-a6bd-4755-81c9-e7181ab7dc9a",
            None,
            "RECORD 23 wjokoiwvzzhlftlzhqfjk\n",
        ),
        fields(
            "d693c5f0-5772-46c9-8d86-08c7055bdb75",
            None,
            "RECORD 24 zopcascrthbbpnjiwuhjb\n",
        ),
        fields(
            "8d92476b-eb89-4e81-99fb-c2ba63ad6d90",
            None,
            "RECORD 25 txbbvnozrwsboxuomqboq\n",
        ),
    ];
    let first = HashKey::of_partition_key("78feb12a-dba0-45ca-a91e-bb1f2f1819b4").to_string();
    assert_digests(
        &round_trip(&records, Some(&first)),
        628,
        "bd5d6bacb754f92cb6bfcc64819e5868",
        "bd5f7efd8b9c0b1c6024a4ecfc489cd76040475ca789f42e2183a5f667425a84",
    );
}

#[test]
fn k3_shares_partition_key_and_explicit_hash_key() {
    let record = |number| {
        let data = format!("RECORD {number} pjqrcfbxafzdndzmbgane");
        fields("1562602074896", Some("339606600942967391854603552402021847292"), &data)
    };
    assert_digests(
        &round_trip(&[2005, 2006, 2007, 2008].map(record), None),
        240,
        "07acba97020a49393f2fd65a7cd6033f",
        "085e3deaf00816034b7b12b3fd0967c876702beec92d11492fecab3c9fd554d3",
    );
}

#[test]
fn partition_keys_hash_as_the_service_hashes_them() {
    for (partition_key, hash_key) in [
        ("", "281949768489412648962353822266799178366"),
        ("a", "16955237001963240173058271559858726497"),
        ("b", "195289424170611159128911017612795795343"),
        ("k", "187279361568289349169310600456257773043"),
        ("z", "334539238117652783139009887043263471063"),
        ("abcd", "301716283811389038011477436469853762335"),
    ] {
        assert_eq!(
            HashKey::of_partition_key(partition_key).to_string(),
            hash_key,
            "{partition_key}"
        );
    }
    let hex = format!("{:X}", HashKey::of_partition_key("abcd").value());
    assert_eq!(hex, "E2FC714C4727EE9395F324CD2E7F331F");
}

#[test]
fn a_hash_key_finds_its_shard_at_the_boundaries() {
    let boundary = 85_070_591_730_234_615_865_843_651_857_942_052_862;
    let shards = [
        (1, 1 << 127, u128::MAX),
        (2, 0, boundary),
        (3, boundary + 1, (1 << 127) - 1),
    ];
    let shard_of = |key: u128| {
        let owns = |start, end| HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap();
        let mut owners = shards
            .iter()
            .filter(|(_, start, end)| owns(*start, *end).contains(HashKey::new(key)));
        (owners.next().unwrap().0, owners.count())
    };
    let keys = [0, boundary, boundary + 1, (1 << 127) - 1, 1 << 127, u128::MAX];
    assert_eq!(keys.map(shard_of), [(2, 0), (2, 0), (3, 0), (3, 0), (1, 0), (1, 0)]);
}

#[test]
fn a_record_alone_is_not_wrapped() {
    let mut encoder = Encoder::new();
    for (explicit_hash_key, outer_hash_key) in [
        (None, HashKey::of_partition_key("only")),
        (Some(HashKey::MIN), HashKey::MIN),
    ] {
        encoder.append(&UserRecordRef::new("only", explicit_hash_key, b"just one"));
        let sealed = encoder.seal().unwrap();
        assert_eq!(sealed.data, "just one");
        assert_eq!(sealed.partition_key, "only");
        assert_eq!(sealed.explicit_hash_key, outer_hash_key);
        assert_eq!(sealed.user_records, 1);
        assert_eq!(decode(&sealed.data), Decoded::Plain);
    }
}

#[test]
fn an_empty_encoder_seals_nothing() {
    let mut encoder = Encoder::default();
    assert_eq!((encoder.len(), encoder.size(), encoder.is_empty()), (0, 0, true));
    assert_eq!(encoder.seal(), None);
}
