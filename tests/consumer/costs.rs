//! What a fleet costs: the requests of the page of tuning, counted.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use testkit::sim::{Call, Sim};

use super::MINUTE;
use super::lease_table::lease_rows;
use crate::fleet::{Checkpoints, Journal, put, start, stream, worker};

const SHARDS: usize = 8;
const TIME: Duration = MINUTE.saturating_mul(10);

/// How many calls of `operation` workers made a second, from now on.
async fn per_second(sim: &Sim, operations: &[&str]) -> Vec<f64> {
    let before = sim.calls().len();
    tokio::time::sleep(TIME).await;
    let calls = sim.calls().split_off(before);
    let rate = |operation: &str| {
        let made = calls
            .iter()
            .filter(|call| call.client.starts_with('w') && kind(call) == operation);
        made.count() as f64 / TIME.as_secs_f64()
    };
    operations.iter().map(|operation| rate(operation)).collect()
}

/// The operation; reads of a table that does not exist, which cost nothing, are told from the others.
fn kind(call: &Call) -> &str {
    match call.request.to_string().contains("-CoordinatorState") {
        true => "look for a coordinator",
        false => &call.operation,
    }
}

fn assert_about(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 0.05 * expected,
        "{what}: {found} and not {expected} a second"
    );
}

/// The bytes of a row, as DynamoDB counts them: the names and the values. Numbers are counted as their digits, which is no
/// less.
fn size(row: &std::collections::BTreeMap<String, AttributeValue>) -> usize {
    let value = |value: &AttributeValue| value.as_s().or(value.as_n()).unwrap().len();
    row.iter().map(|(name, content)| name.len() + value(content)).sum()
}

#[tokio::test(start_paused = true)]
async fn an_idle_fleet_writes_three_times_in_a_failover_time_for_each_shard_and_scans_once_for_each_worker() {
    let (sim, producer) = stream(SHARDS);
    let journal = Journal::default();
    let places = put(&producer, 0..100).await;
    let (_first, _one) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_second, _two) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("all records", |journal| journal.read().is_superset(&places))
        .await;
    tokio::time::sleep(MINUTE).await;
    let rates = per_second(
        &sim,
        &[
            "UpdateItem",
            "Scan",
            "GetRecords",
            "look for a coordinator",
            "GetItem",
            "Query",
            "PutItem",
        ],
    )
    .await;
    let shards = SHARDS as f64;
    assert_about(rates[0], shards * 3.0 / 10.0, "UpdateItem");
    // And the audit of the fleet, once a minute.
    assert_about(rates[1], 2.0 / 10.0 + 1.0 / 60.0, "Scan");
    assert_about(rates[2], shards, "GetRecords");
    assert_about(rates[3], 2.0 / 10.0, "looks for a coordinator");
    assert_eq!(rates[4..], [0.0, 0.0, 0.0]);
    let sizes: Vec<_> = lease_rows(&sim).await.iter().map(size).collect();
    let largest = sizes.iter().max().unwrap();
    assert!(
        (400..=640).contains(largest),
        "about half a KiB for each row: {sizes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_a_write_that_takes_the_place_of_renewals_and_a_deferred_one_is_none() {
    for (defers, expected) in [(false, 1.0), (true, 0.3)] {
        let (sim, producer) = stream(1);
        let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never);
        let (_control, _running) = match defers {
            true => start(builder.for_each_batch(|_| async { Ok(()) })),
            false => start(worker(&sim, "w1", &Journal::default(), Checkpoints::AfterEachBatch)),
        };
        let putting = async {
            for n in 0.. {
                put(&producer, n..n + 1).await;
                tokio::time::sleep(Duration::from_millis(900)).await; // and 100 ms in the producer
            }
        };
        let rates = tokio::select! {
            biased;
            () = putting => unreachable!("it goes on for ever"),
            rates = per_second(&sim, &["UpdateItem"]) => rates,
        };
        assert_about(rates[0], expected, "UpdateItem");
    }
}

#[tokio::test(start_paused = true)]
async fn the_shards_of_a_crashed_worker_are_read_elsewhere_within_a_failover_time_and_two_looks() {
    for seed in 0..12 {
        let (sim, producer) = stream(2);
        let (first, second) = (Journal::default(), Journal::default());
        let (_control, running) = start(worker(&sim, "w1", &first, Checkpoints::AfterEachBatch).seed(seed));
        let places = put(&producer, 0..20).await;
        first
            .until("the first records", |journal| journal.read() == places)
            .await;
        let (_control, _running) = start(worker(&sim, "w2", &second, Checkpoints::AfterEachBatch).seed(seed + 100));
        tokio::time::sleep(MINUTE + Duration::from_millis(1_700 * seed)).await;
        running.abort();
        let crashed = sim.elapsed();
        let later = put(&producer, 20..60).await;
        let both = |second: &Journal| {
            first
                .read()
                .union(&second.read())
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
        };
        second
            .until("the rest", |journal| both(journal).is_superset(&later))
            .await;
        let took = sim.elapsed() - crashed;
        assert!(
            (Duration::from_secs(6)..=Duration::from_secs(31)).contains(&took),
            "{took:?}"
        );
    }
}

/// The numbers in a cell, in their order.
fn numbers(cell: &str) -> Vec<f64> {
    let words = cell.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','));
    words.filter_map(|word| word.replace(',', "").parse().ok()).collect()
}

/// Whether a number is printed with enough of its digits.
fn is_rounded(printed: &str, exact: f64) -> bool {
    let decimals = printed.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    format!("{exact:.decimals$}") == printed.replace(',', "")
}

#[test]
fn each_row_of_the_table_of_costs_follows_from_the_formulas_of_its_page() {
    let page = include_str!("../../kcl/TUNING.md");
    let (_, table) = page
        .split_once("$ a month |\n|---|---|---|---|---|---|---|---|\n")
        .unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut told = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [shards, workers, failover, checkpoints, updates, scans, units, dollars] = cells[..] else {
            panic!("{row}");
        };
        let (shards, workers, times) = (numbers(shards)[0], numbers(workers)[0], numbers(failover));
        let per_second = match checkpoints {
            "one a second and shard" => 1.0,
            "four a second and shard" => 4.0,
            deferred => {
                assert!(deferred.starts_with("deferred"), "{row}");
                0.0
            }
        };
        let update_items = shards * f64::max(3.0 / times[0], per_second);
        let scanned = workers / times.last().unwrap();
        let read_units = scanned * (shards * 0.5 / 4.0).ceil();
        let a_month = (update_items * 0.625 + read_units * 0.125) / 1e6 * 730.0 * 3_600.0;
        for (printed, exact) in [
            (updates, update_items),
            (scans, scanned),
            (units, read_units),
            (dollars, a_month),
        ] {
            assert!(is_rounded(printed, exact), "{printed} is not {exact}: {row}");
        }
        told += 1;
    }
    assert_eq!(told, 11);
}
