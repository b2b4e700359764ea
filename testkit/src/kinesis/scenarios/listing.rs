//! Listing shards, page by page and by filter.

use super::*;

/// Shard 0 was split into 2 and 3 at second 10, and 1 and 3 were merged into 4 at second 20.
fn resharded() -> World {
    let mut world = World::with_shards(2);
    world.wait(8_500);
    world.split(0);
    world.wait(8_999);
    world.merge(1, 3);
    world
}

/// The moment at which a second of [`resharded`]'s life begins.
fn second(second: u32) -> f64 {
    1_760_000_000.0 + f64::from(second)
}

#[test]
fn the_filters_select_by_the_life_of_the_shards() {
    let mut world = resharded();
    for (filter, expected) in [
        (Value::Null, ids(0..5)),
        (json!({"Type": "FROM_TRIM_HORIZON"}), ids(0..5)),
        (json!({"Type": "AT_TRIM_HORIZON"}), ids([0, 1])),
        (json!({"Type": "AT_LATEST"}), ids([2, 4])),
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": shard_id(2)}), ids([3, 4])),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": second(5)}), ids([0, 1])),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": second(15)}), ids([1, 2, 3])),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": second(20)}), ids([2, 4])),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": 0.0}), ids([0, 1])),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": 0.0}), ids(0..5)),
        (
            json!({"Type": "FROM_TIMESTAMP", "Timestamp": second(15)}),
            ids([1, 2, 3, 4]),
        ),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": second(20)}), ids([2, 4])),
    ] {
        assert_eq!(world.list(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn a_moment_belongs_to_the_parents_and_the_children_of_its_resharding() {
    let mut world = resharded();
    let stream = world.kinesis.stream("orders").unwrap();
    let split = stream.shard(ShardId::new(2).unwrap()).unwrap().opened;
    let filter = json!({"Type": "AT_TIMESTAMP", "Timestamp": split});
    assert_eq!(world.list(filter), ids([0, 1, 2, 3]));
}

#[test]
fn a_filter_needs_what_its_type_speaks_of() {
    let mut world = World::with_shards(1);
    for filter in [
        json!({"Type": "AFTER_SHARD_ID"}),
        json!({"Type": "AFTER_SHARD_ID", "ShardId": "nonsense"}),
        json!({"Type": "AT_TIMESTAMP"}),
        json!({"Type": "FROM_TIMESTAMP"}),
    ] {
        let error = world.error("ListShards", json!({"StreamName": "orders", "ShardFilter": filter}));
        assert_eq!(error.code, "InvalidArgumentException");
    }
    for filter in [json!({}), json!({"Type": "OLDEST"})] {
        let error = world.error("ListShards", json!({"StreamName": "orders", "ShardFilter": filter}));
        assert_eq!(error.code, "ValidationException");
    }
}

#[test]
fn pages_continue_where_they_ended_and_keep_the_filter() {
    let mut world = World::with_shards(7);
    world.split(0);
    let mut body = json!({"StreamName": "orders", "MaxResults": 3, "ShardFilter": {"Type": "AT_LATEST"}});
    let mut pages = Vec::new();
    loop {
        let reply = world.ok("ListShards", body);
        pages.push(shard_ids(&reply));
        if reply["NextToken"].is_null() {
            break;
        }
        body = json!({"NextToken": reply["NextToken"], "MaxResults": 3});
    }
    assert_eq!(pages, [ids(1..4), ids(4..7), ids(7..9)]);
}

#[test]
fn a_page_has_at_most_a_thousand_shards_whatever_is_asked_for() {
    let mut world = World::with_shards(1_001);
    for body in [
        json!({"StreamName": "orders"}),
        json!({"StreamName": "orders", "MaxResults": 10_000}),
    ] {
        let reply = world.ok("ListShards", body);
        assert_eq!(shard_ids(&reply), ids(0..1_000));
        assert_eq!(
            shard_ids(&world.ok("ListShards", json!({"NextToken": reply["NextToken"]}))),
            ids([1_000])
        );
    }
    let error = world.error("ListShards", json!({"StreamName": "orders", "MaxResults": 10_001}));
    assert_eq!(error.code, "ValidationException");
}

#[test]
fn a_token_excludes_all_that_it_already_says() {
    let mut world = World::with_shards(3);
    let token = world.ok("ListShards", json!({"StreamName": "orders", "MaxResults": 1}))["NextToken"].clone();
    for (member, value) in [
        ("StreamName", json!("orders")),
        (
            "StreamARN",
            json!("arn:aws:kinesis:us-east-1:000000000000:stream/orders"),
        ),
        ("ShardFilter", json!({"Type": "AT_LATEST"})),
        ("ExclusiveStartShardId", json!(shard_id(0))),
        ("StreamCreationTimestamp", json!(1_760_000_000)),
    ] {
        let mut body = json!({"NextToken": token});
        body[member] = value;
        let error = world.error("ListShards", body);
        assert_eq!(error.code, "InvalidArgumentException");
        assert_eq!(
            error.message,
            format!("NextToken and {member} cannot be provided together.")
        );
    }
    let error = world.error("ListShards", json!({}));
    assert_eq!(error.message, "Either NextToken or StreamName should be provided.");
}

#[test]
fn a_token_expires_after_300_seconds() {
    let mut world = World::with_shards(3);
    let token = world.ok("ListShards", json!({"StreamName": "orders", "MaxResults": 1}))["NextToken"].clone();
    world.wait(300_000);
    world.ok("ListShards", json!({"NextToken": token}));
    world.wait(1);
    assert_eq!(
        world.error("ListShards", json!({"NextToken": token})).code,
        "ExpiredNextTokenException"
    );
    assert_eq!(
        world.error("ListShards", json!({"NextToken": "x"})).code,
        "InvalidArgumentException"
    );
}

#[test]
fn a_listing_can_start_after_a_shard() {
    let mut world = World::with_shards(4);
    let reply = world.ok(
        "ListShards",
        json!({"StreamName": "orders", "ExclusiveStartShardId": shard_id(1)}),
    );
    assert_eq!(shard_ids(&reply), ids([2, 3]));
}

#[test]
fn a_creation_timestamp_tells_namesakes_apart() {
    let mut world = World::with_shards(1);
    let mut list = |created: u64| {
        world.call(
            "ListShards",
            &json!({"StreamName": "orders", "StreamCreationTimestamp": created}),
        )
    };
    list(1_760_000_000).unwrap();
    assert_eq!(list(1_750_000_000).unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn a_stream_answers_a_thousand_listings_a_second() {
    let mut world = World::with_shards(1);
    for _ in 0..1_000 {
        world.ok("ListShards", json!({"StreamName": "orders"}));
    }
    assert_eq!(
        world.error("ListShards", json!({"StreamName": "orders"})).code,
        "LimitExceededException"
    );
    world.wait(1);
    world.ok("ListShards", json!({"StreamName": "orders"}));
}

#[test]
fn a_description_has_at_most_a_hundred_shards() {
    let mut world = World::with_shards(101);
    let reply = world.ok("DescribeStream", json!({"StreamName": "orders"}));
    let description = &reply["StreamDescription"];
    assert_eq!(
        (shard_ids(description).len(), &description["HasMoreShards"]),
        (100, &json!(true))
    );
    let last = shard_ids(description).pop();
    let reply = world.ok(
        "DescribeStream",
        json!({"StreamName": "orders", "ExclusiveStartShardId": last}),
    );
    let description = &reply["StreamDescription"];
    assert_eq!(
        (shard_ids(description), &description["HasMoreShards"]),
        (ids([100]), &json!(false))
    );
}

#[test]
fn a_closed_shard_is_listed_until_all_of_it_is_trimmed() {
    const HOUR: u64 = 3_600_000;
    let mut world = World::with_shards(1);
    world.put_one();
    world.wait(HOUR);
    world.split(0);
    world.wait(24 * HOUR - 500);
    assert_eq!(world.list(Value::Null), ids(0..3));
    assert_eq!(world.list(json!({"Type": "AT_TRIM_HORIZON"})), ids(0..3));
    assert_eq!(world.kinesis.stored("orders").count(), 0);
    world.wait(1);
    assert_eq!(world.list(Value::Null), ids([1, 2]));
    assert_eq!(world.list(json!({"Type": "AT_TRIM_HORIZON"})), ids([1, 2]));
    let gone = json!({"StreamName": "orders", "ShardId": shard_id(0), "ShardIteratorType": "LATEST"});
    assert_eq!(world.error("GetShardIterator", gone).code, "ResourceNotFoundException");
}
