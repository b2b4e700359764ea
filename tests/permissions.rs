//! Each policy in the producer's page of permissions is enough for its feature, and none of its actions is superfluous. The
//! consumer's are tested in `consumer/permissions.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use kpl::{Producer, PutErrorKind, Record};
use serde_json::Value;
use testkit::Service;
use testkit::kinesis::Settings;
use testkit::sim::{Fault, Sim};

const PRODUCER: &str = include_str!("../kpl/PERMISSIONS.md");

/// An action and the resource on which it is allowed.
pub(crate) type Grant = (String, String);

/// What each policy of a page allows, in its order.
pub(crate) fn grants(page: &str) -> Vec<BTreeSet<Grant>> {
    let blocks = page
        .split("```json")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let of_statement = |statement: &Value| {
        let resource = statement["Resource"].as_str().unwrap().to_owned();
        let actions = statement["Action"].as_array().unwrap().clone().into_iter();
        actions.map(move |action| (action.as_str().unwrap().to_owned(), resource.clone()))
    };
    let of_policy = |block: &str| {
        let policy: Value = serde_json::from_str(block).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        statements.iter().flat_map(of_statement).collect()
    };
    blocks.map(of_policy).collect()
}

/// The actions of each policy of a page, in its order.
fn policies(page: &str) -> Vec<BTreeSet<String>> {
    let actions = |grants: BTreeSet<Grant>| grants.into_iter().map(|(action, _)| action).collect();
    grants(page).into_iter().map(actions).collect()
}

/// A world in which only these actions are allowed.
fn allowing(actions: &BTreeSet<String>) -> Sim {
    let settings = Settings {
        creation_time: Duration::ZERO,
        ..Settings::default()
    };
    let sim = Sim::builder().kinesis(settings).build();
    sim.create_stream("orders", 4).unwrap();
    let actions = actions.clone();
    sim.faults(move |call| {
        let service = match call.service {
            Service::Kinesis => "kinesis",
            Service::DynamoDb => "dynamodb",
            Service::CloudWatch => "cloudwatch",
        };
        match actions.contains(&format!("{service}:{}", call.operation)) {
            true => Fault::None,
            false => Fault::access_denied(),
        }
    });
    sim
}

/// Puts and flushes with only these actions allowed.
async fn produce(actions: &BTreeSet<String>) -> Result<(), PutErrorKind> {
    let sim = allowing(actions);
    let producer = Producer::builder("orders")
        .aws(&sim.sdk_config())
        .seed(1)
        .build()
        .unwrap();
    for n in 0..100 {
        let receipt = producer.put(Record::new(format!("key-{n}"), "x")).await.unwrap();
        receipt.await.map_err(|error| error.kind().clone())?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_producers_policies_allow_what_it_does_and_each_action_is_needed() {
    let policies = policies(PRODUCER);
    let [needed, described, surroundings @ ..] = policies.as_slice() else {
        panic!("{policies:?}");
    };
    let of_surroundings: Vec<_> = surroundings.iter().flatten().collect();
    assert_eq!(of_surroundings, ["kms:GenerateDataKey", "cloudwatch:PutMetricData"]);
    assert_eq!(produce(described).await, Ok(()));
    assert_eq!(produce(needed).await, Ok(()));
    for action in needed {
        let mut without = described.clone();
        without.remove(action);
        let outcome = produce(&without).await;
        assert!(
            matches!(outcome, Err(PutErrorKind::AccessDenied { .. })),
            "without {action}: {outcome:?}"
        );
    }
}
