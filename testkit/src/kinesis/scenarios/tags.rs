//! Tags of streams.

use super::*;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

fn tags(world: &mut World) -> Value {
    world.ok("ListTagsForStream", json!({"StreamName": "orders"}))["Tags"].clone()
}

fn many(count: u32) -> Value {
    (0..count)
        .map(|number| (format!("key-{number:03}"), json!("v")))
        .collect()
}

#[test]
fn tags_given_at_creation_are_kept() {
    let mut world = World::empty(Settings::default());
    world.ok(
        "CreateStream",
        json!({"StreamName": "orders", "ShardCount": 1, "Tags": {"team": "billing", "cost": ""}}),
    );
    assert_eq!(
        tags(&mut world),
        json!([{"Key": "cost", "Value": ""}, {"Key": "team", "Value": "billing"}])
    );
}

#[test]
fn tags_are_added_replaced_and_removed_by_name_or_by_arn() {
    let mut world = World::with_shards(1);
    world.ok(
        "AddTagsToStream",
        json!({"StreamName": "orders", "Tags": {"a": "1", "b": "2"}}),
    );
    world.ok("TagResource", json!({"ResourceARN": ARN, "Tags": {"b": "3", "c": "4"}}));
    world.ok(
        "RemoveTagsFromStream",
        json!({"StreamName": "orders", "TagKeys": ["a", "never there"]}),
    );
    let expected = json!([{"Key": "b", "Value": "3"}, {"Key": "c", "Value": "4"}]);
    assert_eq!(tags(&mut world), expected);
    assert_eq!(
        world.ok("ListTagsForResource", json!({"ResourceARN": ARN})),
        json!({"Tags": expected})
    );
    world.ok("UntagResource", json!({"ResourceARN": ARN, "TagKeys": ["b", "c"]}));
    assert_eq!(tags(&mut world), json!([]));
}

#[test]
fn tags_are_listed_by_key_in_pages() {
    let mut world = World::with_shards(1);
    world.ok(
        "AddTagsToStream",
        json!({"StreamName": "orders", "Tags": {"c": "", "a": "", "b": ""}}),
    );
    let first = world.ok("ListTagsForStream", json!({"StreamName": "orders", "Limit": 2}));
    assert_eq!(
        first,
        json!({"Tags": [{"Key": "a", "Value": ""}, {"Key": "b", "Value": ""}], "HasMoreTags": true})
    );
    let second = world.ok(
        "ListTagsForStream",
        json!({"StreamName": "orders", "ExclusiveStartTagKey": "b"}),
    );
    assert_eq!(
        second,
        json!({"Tags": [{"Key": "c", "Value": ""}], "HasMoreTags": false})
    );
}

#[test]
fn a_stream_has_at_most_fifty_tags() {
    let mut world = World::with_shards(1);
    world.ok("AddTagsToStream", json!({"StreamName": "orders", "Tags": many(50)}));
    world.ok(
        "AddTagsToStream",
        json!({"StreamName": "orders", "Tags": {"key-000": "other"}}),
    );
    let error = world.error(
        "AddTagsToStream",
        json!({"StreamName": "orders", "Tags": {"one more": ""}}),
    );
    assert_eq!(error.code, "InvalidArgumentException");
    assert_eq!(
        error.message,
        "Failed to add tags to stream orders under account 000000000000 because a given stream cannot have more than 50 \
         tags associated with it."
    );
    let create = json!({"StreamName": "other", "ShardCount": 1, "Tags": many(51)});
    assert_eq!(world.error("CreateStream", create).code, "InvalidArgumentException");
}

#[test]
fn a_tag_that_no_stream_can_have_is_refused_and_nothing_is_added() {
    let mut world = World::unlimited(1);
    for (tags, code) in [
        (json!({}), "ValidationException"),
        (many(201), "ValidationException"),
        (json!({"": "v"}), "ValidationException"),
        (json!({"k".repeat(129): "v"}), "ValidationException"),
        (json!({"k": "v".repeat(257)}), "ValidationException"),
        (json!({"good": "v", "k": "semi;colon"}), "InvalidArgumentException"),
        (json!({"k": 7}), "SerializationException"),
    ] {
        let error = world.error("AddTagsToStream", json!({"StreamName": "orders", "Tags": tags}));
        assert_eq!(error.code, code, "{error}");
    }
    world.ok(
        "AddTagsToStream",
        json!({"StreamName": "orders", "Tags": {"schlüssel _.:/=+-%@": "v".repeat(256)}}),
    );
    assert_eq!(tags(&mut world).as_array().unwrap().len(), 1);
}

#[test]
fn tag_keys_to_remove_are_one_to_fifty() {
    let mut world = World::with_shards(1);
    for keys in [json!([]), json!(vec!["k"; 51])] {
        let error = world.error("RemoveTagsFromStream", json!({"StreamName": "orders", "TagKeys": keys}));
        assert_eq!(error.code, "ValidationException");
    }
    let error = world.error("ListTagsForStream", json!({"StreamName": "orders", "Limit": 51}));
    assert_eq!(error.code, "ValidationException");
}
