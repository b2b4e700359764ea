//! A checkpoint that the service refuses: somebody edited the row, or copied it from another table.

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::ShardState;
use kpl::Producer;
use testkit::sim::Sim;

use super::MINUTE;
use super::lease_table::lease_rows;
use super::log::{capture, lines};
use crate::fleet::{APPLICATION, Checkpoints, Entry, Journal, STREAM, put, start, stream, worker};

const FIRST: &str = "shardId-000000000000";

/// The checkpoints of both shards, once their first records were read and the worker has ended.
async fn read_and_stop(sim: &Sim, producer: &Producer) -> [String; 2] {
    let journal = Journal::default();
    let (control, running) = start(worker(sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let places = put(producer, 0..40).await;
    journal.until("all records", |journal| journal.read() == places).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let rows = lease_rows(sim).await;
    [0, 1].map(|shard| rows[shard]["checkpoint"].as_s().unwrap().clone())
}

/// Edits the checkpoint of the first shard's row, as an operator does with a console.
async fn edit_checkpoint(sim: &Sim, checkpoint: &str) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let edit = client
        .update_item()
        .table_name(APPLICATION)
        .key("leaseKey", AttributeValue::S(FIRST.into()))
        .update_expression("SET checkpoint = :checkpoint")
        .expression_attribute_values(":checkpoint", AttributeValue::S(checkpoint.into()));
    edit.send().await.unwrap();
}

fn initialisations(journal: &Journal, of: &str) -> usize {
    let entries = journal.entries();
    let is_first = |entry: &&Entry| matches!(entry, Entry::Initialized { shard, .. } if shard == of);
    entries.iter().filter(is_first).count()
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_of_another_shard_puts_its_shard_on_hold_until_the_row_is_corrected() {
    capture();
    let (sim, producer) = stream(2);
    let [of_first, of_second] = read_and_stop(&sim, &producer).await;
    edit_checkpoint(&sim, &of_second).await;
    let later = put(&producer, 40..80).await;

    let journal = Journal::default();
    let (control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    tokio::time::sleep(11 * MINUTE).await;
    assert!(
        journal.read().iter().all(|place| place.0 != FIRST),
        "it is neither read nor skipped"
    );
    let of_others = later.iter().filter(|place| place.0 != FIRST);
    assert_eq!(journal.read().len(), of_others.count(), "the other shard is read");
    let told = lines("checkpoint refused");
    assert!(
        (2..=4).contains(&told.len()),
        "at once and each five minutes: {told:#?}"
    );
    for line in &told {
        let says = |text: &str| line.contains(text);
        assert!(
            says("ERROR") && says(FIRST) && says(&of_second) && says("correct the row"),
            "{line}"
        );
    }
    let statuses = control.shards();
    assert!(matches!(statuses[0].state, ShardState::OnHold { .. }), "{statuses:?}");
    assert_eq!(lease_rows(&sim).await[0]["checkpoint"].as_s().unwrap(), &of_second);

    edit_checkpoint(&sim, &of_first).await;
    journal.until("the rest", |journal| journal.read() == later).await;
    assert_eq!(
        initialisations(&journal, FIRST),
        2,
        "it begins anew at the corrected checkpoint"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_refused_row_is_deleted_is_read_from_the_start_by_the_next_worker() {
    let (sim, producer) = stream(2);
    let [_, of_second] = read_and_stop(&sim, &producer).await;
    edit_checkpoint(&sim, &of_second).await;
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let row = client.delete_item().table_name(APPLICATION);
    row.key("leaseKey", AttributeValue::S(FIRST.into()))
        .send()
        .await
        .unwrap();
    let journal = Journal::default();
    let (_control, _running) = start(worker(&sim, "w2", &journal, Checkpoints::AfterEachBatch));
    journal
        .until("all records of the first shard", |journal| {
            let numbers = journal.read().iter().filter(|place| place.0 == FIRST).count();
            numbers > 10
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_refused_by_a_stream_that_was_created_again_is_not_called_wrong() {
    capture();
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let places = put(&producer, 0..40).await;
    let (_control, _running) = start(worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    journal.until("all records", |journal| journal.read() == places).await;
    let client = aws_sdk_kinesis::Client::new(&sim.client("operator"));
    client.delete_stream().stream_name(STREAM).send().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    sim.create_stream(STREAM, 2).unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(lines("checkpoint refused"), [""; 0]);
    assert!(!lines("stream was created again").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_an_operator_moves_back_is_not_overwritten_by_one_that_was_deferred_before() {
    let (sim, producer) = stream(1);
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never).for_each_record(|_| async { Ok(()) });
    let (_control, _running) = start(builder);
    put(&producer, 0..20).await;
    tokio::time::sleep(MINUTE).await;
    let rows = lease_rows(&sim).await;
    assert!(rows[0]["checkpoint"].as_s().unwrap().starts_with("49"), "{rows:?}");
    edit_checkpoint(&sim, "TRIM_HORIZON").await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(lease_rows(&sim).await[0]["checkpoint"].as_s().unwrap(), "TRIM_HORIZON");
}
