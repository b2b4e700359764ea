//! DynamoDB as lease tables use it.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeAction, AttributeValue, AttributeValueUpdate, ExpectedAttributeValue, Put, PutRequest, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TableStatus, TransactWriteItem, WriteRequest,
};

use crate::fronts::on_both_fronts;
use crate::lease_table::{INDEX, TABLE, get, n, put, s, with_table};

on_both_fronts!(
    a_table_is_active_after_its_creation,
    a_put_item_is_read_back,
    a_failed_condition_returns_the_item_that_failed_it,
    a_failed_update_changes_nothing,
    legacy_expectations_are_checked,
    legacy_updates_put_add_and_delete,
    an_index_holds_the_items_that_have_its_key,
    a_scan_pages_through_every_item_once,
    a_cancelled_transaction_tells_its_reasons,
    a_missing_table_is_a_typed_error,
    a_batch_writes_all_its_items,
);

async fn a_table_is_active_after_its_creation(config: &SdkConfig) {
    let client = with_table(config).await;
    let described = client.describe_table().table_name(TABLE).send().await.unwrap();
    assert_eq!(described.table().unwrap().table_status(), Some(&TableStatus::Active));
    assert_eq!(client.list_tables().send().await.unwrap().table_names(), [TABLE]);
}

async fn a_put_item_is_read_back(config: &SdkConfig) {
    let client = with_table(config).await;
    put(&client, "shard-1", "worker-1").await;

    let item = get(&client, "shard-1").await;
    assert_eq!(item["leaseOwner"], s("worker-1"));
    assert_eq!(item["leaseCounter"], n(1));
}

async fn a_failed_condition_returns_the_item_that_failed_it(config: &SdkConfig) {
    let client = with_table(config).await;
    put(&client, "shard-1", "worker-1").await;

    let create = client
        .put_item()
        .table_name(TABLE)
        .item("leaseKey", s("shard-1"))
        .condition_expression("attribute_not_exists(leaseKey)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send();
    let error = create.await.unwrap_err().into_service_error();
    let PutItemError::ConditionalCheckFailedException(failed) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failed.item.unwrap()["leaseOwner"], s("worker-1"));
}

async fn a_failed_update_changes_nothing(config: &SdkConfig) {
    let client = with_table(config).await;
    put(&client, "shard-1", "worker-1").await;

    let steal = |counter| {
        client
            .update_item()
            .table_name(TABLE)
            .key("leaseKey", s("shard-1"))
            .update_expression("SET leaseOwner = :thief ADD leaseCounter :one")
            .condition_expression("leaseCounter = :counter")
            .expression_attribute_values(":thief", s("worker-2"))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":counter", n(counter))
            .return_values(ReturnValue::AllNew)
            .send()
    };
    let error = steal(9).await.unwrap_err().into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    assert_eq!(get(&client, "shard-1").await["leaseOwner"], s("worker-1"));

    let stolen = steal(1).await.unwrap().attributes.unwrap();
    assert_eq!(
        (&stolen["leaseOwner"], &stolen["leaseCounter"]),
        (&s("worker-2"), &n(2))
    );
}

async fn legacy_expectations_are_checked(config: &SdkConfig) {
    let client = with_table(config).await;
    let absent = ExpectedAttributeValue::builder().exists(false).build();
    let create = || {
        client
            .put_item()
            .table_name(TABLE)
            .item("leaseKey", s("shard-1"))
            .item("parentShardId", AttributeValue::Ss(vec!["a".into(), "b".into()]))
            .expected("leaseKey", absent.clone())
            .send()
    };
    create().await.unwrap();
    let error = create().await.unwrap_err().into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");

    // Sets are equal in any order.
    let parents = AttributeValue::Ss(vec!["b".into(), "a".into()]);
    client
        .delete_item()
        .table_name(TABLE)
        .key("leaseKey", s("shard-1"))
        .expected(
            "parentShardId",
            ExpectedAttributeValue::builder().value(parents).build(),
        )
        .send()
        .await
        .unwrap();
}

async fn legacy_updates_put_add_and_delete(config: &SdkConfig) {
    let client = with_table(config).await;
    put(&client, "shard-1", "worker-1").await;

    let change =
        |action, value: Option<AttributeValue>| AttributeValueUpdate::builder().action(action).set_value(value).build();
    client
        .update_item()
        .table_name(TABLE)
        .key("leaseKey", s("shard-1"))
        .attribute_updates("checkpoint", change(AttributeAction::Put, Some(s("SHARD_END"))))
        .attribute_updates("leaseCounter", change(AttributeAction::Add, Some(n(1))))
        .attribute_updates("leaseOwner", change(AttributeAction::Delete, None))
        .expected("leaseCounter", ExpectedAttributeValue::builder().value(n(1)).build())
        .send()
        .await
        .unwrap();

    let expected = BTreeMap::from([
        ("checkpoint".to_owned(), s("SHARD_END")),
        ("leaseCounter".to_owned(), n(2)),
        ("leaseKey".to_owned(), s("shard-1")),
    ]);
    assert_eq!(get(&client, "shard-1").await, expected);
}

async fn an_index_holds_the_items_that_have_its_key(config: &SdkConfig) {
    let client = with_table(config).await;
    put(&client, "shard-1", "worker-1").await;
    put(&client, "shard-2", "worker-2").await;
    put(&client, "shard-3", "worker-1").await;
    client
        .put_item()
        .table_name(TABLE)
        .item("leaseKey", s("shard-4"))
        .send()
        .await
        .unwrap();

    let found = client
        .query()
        .table_name(TABLE)
        .index_name(INDEX)
        .key_condition_expression("leaseOwner = :owner")
        .expression_attribute_values(":owner", s("worker-1"))
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = found.items().iter().map(|item| &item["leaseKey"]).collect();
    assert_eq!(keys, [&s("shard-1"), &s("shard-3")]);
}

async fn a_scan_pages_through_every_item_once(config: &SdkConfig) {
    let client = with_table(config).await;
    for shard in 0..7 {
        put(&client, &format!("shard-{shard}"), "worker-1").await;
    }

    let pages = client.scan().table_name(TABLE).limit(3).into_paginator().items().send();
    let mut keys: Vec<String> = pages
        .collect::<Result<Vec<_>, _>>()
        .await
        .unwrap()
        .iter()
        .map(|item| item["leaseKey"].as_s().unwrap().clone())
        .collect();
    keys.sort();
    let all: Vec<String> = (0..7).map(|shard| format!("shard-{shard}")).collect();
    assert_eq!(keys, all);
}

async fn a_cancelled_transaction_tells_its_reasons(config: &SdkConfig) {
    let client = with_table(config).await;
    put(&client, "shard-1", "worker-1").await;

    let create = |key: &str| {
        let put = Put::builder()
            .table_name(TABLE)
            .item("leaseKey", s(key))
            .condition_expression("attribute_not_exists(leaseKey)");
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let transaction = client
        .transact_write_items()
        .transact_items(create("shard-2"))
        .transact_items(create("shard-1"));
    let error = transaction.send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let reasons: Vec<_> = cancelled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(reasons, ["None", "ConditionalCheckFailed"]);
    assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count, 1);
}

async fn a_missing_table_is_a_typed_error(config: &SdkConfig) {
    let client = Client::new(config);
    let error = client
        .describe_table()
        .table_name("none")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
}

async fn a_batch_writes_all_its_items(config: &SdkConfig) {
    let client = with_table(config).await;
    let writes = (0..25).map(|shard| {
        let put = PutRequest::builder()
            .item("leaseKey", s(&format!("shard-{shard}")))
            .build()
            .unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    let batch = client
        .batch_write_item()
        .request_items(TABLE, writes.collect())
        .send()
        .await
        .unwrap();
    assert_eq!(batch.unprocessed_items().map(|left| left.len()), Some(0));
    assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count, 25);
}
