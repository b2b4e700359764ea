//! Closures in the place of a processor: they checkpoint by themselves, and what fails is a batch or a record.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{
    Batch, DeadLetter, ErrorPolicy, HandlerError, PerKey, Record, ShardContext, ShardState, Worker, WorkerBuilder,
};
use testkit::Service;
use testkit::sim::{Fault, Sim};
use tokio::time::sleep;

use super::MINUTE;
use super::checkpoints::count_writes;
use super::lease_table::lease_rows;
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, put, split, start, stream, worker};

const SECOND: Duration = Duration::from_secs(1);

/// The data of the records of all calls, in the order of the calls.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, record: &Record) -> String {
        let data = String::from_utf8_lossy(record.data()).into_owned();
        self.0.lock().unwrap().push(data.clone());
        data
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn distinct(&self) -> BTreeSet<String> {
        self.all().into_iter().collect()
    }

    fn of(&self, data: &str) -> usize {
        self.all().iter().filter(|call| *call == data).count()
    }
}

fn builder(sim: &Sim, name: &str) -> WorkerBuilder {
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client(name))
        .worker_id(name)
        .seed(1)
}

/// Notes each record of each batch.
fn each_batch(sim: &Sim, name: &str, calls: &Calls) -> WorkerBuilder {
    let calls = calls.clone();
    builder(sim, name).for_each_batch(move |batch: Batch| {
        batch.records.iter().for_each(|record| drop(calls.note(record)));
        async { Ok(()) }
    })
}

/// Notes each record, and fails as `fails` says.
fn each_record(
    sim: &Sim,
    name: &str,
    calls: &Calls,
    fails: impl Fn(&str, usize) -> Result<(), HandlerError> + Send + Sync + 'static,
) -> WorkerBuilder {
    let calls = calls.clone();
    builder(sim, name).for_each_record(move |record: Record| {
        let data = calls.note(&record);
        let result = fails(&data, calls.of(&data));
        async move { result }
    })
}

/// `data-<n>` for each.
fn data(numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers.map(|n| format!("data-{n}")).collect()
}

async fn checkpoint(sim: &Sim) -> AttributeValue {
    lease_rows(sim).await[0]["checkpoint"].clone()
}

/// The writes of lease rows in five minutes with a record each second.
async fn writes_in_five_minutes(form: impl FnOnce(&Sim) -> WorkerBuilder) -> usize {
    let (sim, producer) = stream(1);
    let writes = count_writes(&sim);
    let (_control, _running) = start(form(&sim));
    for n in 0..300 {
        put(&producer, n..n + 1).await;
        sleep(SECOND).await;
    }
    assert_ne!(checkpoint(&sim).await, AttributeValue::S(String::new()));
    writes.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn the_checkpoints_of_a_closure_cost_no_write() {
    let never = writes_in_five_minutes(|sim| worker(sim, "w1", &Journal::default(), Checkpoints::Never).seed(1)).await;
    let batches = writes_in_five_minutes(|sim| each_batch(sim, "w1", &Calls::default())).await;
    let records = writes_in_five_minutes(|sim| each_record(sim, "w1", &Calls::default(), |_, _| Ok(()))).await;
    assert!(batches <= never && records <= never, "{batches}, {records}, {never}");
}

#[tokio::test(start_paused = true)]
async fn the_checkpoints_of_records_by_key_cost_no_write() {
    let never = writes_in_five_minutes(|sim| worker(sim, "w1", &Journal::default(), Checkpoints::Never).seed(1)).await;
    let by_key = |_: &ShardContext| PerKey::new(async |_| Ok(()));
    let by_key = writes_in_five_minutes(|sim| builder(sim, "w1").processor(by_key)).await;
    assert!(by_key <= never, "{by_key}, {never}");
}

#[tokio::test(start_paused = true)]
async fn what_a_closure_has_processed_is_checkpointed_by_the_release_at_a_shutdown() {
    for form in [each_batch, |sim: &Sim, name: &str, calls: &Calls| {
        each_record(sim, name, calls, |_, _| Ok(()))
    }] {
        let (sim, producer) = stream(1);
        let calls = Calls::default();
        let (control, running) = start(form(&sim, "w1", &calls));
        sleep(10 * SECOND).await;
        let places = put(&producer, 0..20).await;
        assert!(sim.until(MINUTE, || calls.all().len() == 20).await);
        let writes = count_writes(&sim);
        control.shutdown(MINUTE);
        assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
        assert_eq!(writes.load(Ordering::SeqCst), 1, "the release alone");
        assert_eq!(
            checkpoint(&sim).await,
            AttributeValue::S(places.last().unwrap().1.clone())
        );
        let (_control, _running) = start(form(&sim, "w2", &calls));
        sleep(MINUTE).await;
        assert_eq!(calls.all().len(), 20, "nothing is left to process again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_reads_parents_before_children_and_ends_their_shards() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    split(&sim, "shardId-000000000000", 1u128 << 126).await;
    put(&producer, 20..40).await;
    let calls = Calls::default();
    let (_control, _running) = start(each_record(&sim, "w1", &calls, |_, _| Ok(())));
    assert!(sim.until(MINUTE, || calls.distinct() == data(0..40)).await);
    assert_eq!(calls.all()[..20].iter().cloned().collect::<BTreeSet<_>>(), data(0..20));
    assert_eq!(checkpoint(&sim).await, AttributeValue::S("SHARD_END".into()));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_or_panics_comes_again_and_those_in_front_of_it_do_not() {
    let (sim, producer) = stream(1);
    put(&producer, 0..100).await;
    let calls = Calls::default();
    let fails = |data: &str, call| {
        assert!(data != "data-30" || call > 1, "injected: a panic");
        match (data, call) {
            ("data-50", 1..=3) => Err("not yet".into()),
            _ => Ok(()),
        }
    };
    let (_control, _running) = start(each_record(&sim, "w1", &calls, fails));
    assert!(sim.until(MINUTE, || calls.distinct() == data(0..100)).await);
    assert_eq!((calls.of("data-30"), calls.of("data-50")), (2, 4));
    assert_eq!(calls.all().len(), 100 + 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_one_record_is_dead_lettered_and_all_others_are_processed_once() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..100).await;
    let (calls, letters) = (Calls::default(), Arc::new(Mutex::new(Vec::<DeadLetter>::new())));
    let kept = Arc::clone(&letters);
    let sink = move |letter| {
        kept.lock().unwrap().push(letter);
        async { Ok(()) }
    };
    let fails = |data: &str, _| match data {
        "data-50" => Err("unreadable".into()),
        _ => Ok(()),
    };
    let policy = ErrorPolicy::dead_letter(sink).attempts(3);
    let (_control, _running) = start(each_record(&sim, "w1", &calls, fails).error_policy(policy));
    assert!(sim.until(MINUTE, || calls.distinct() == data(0..100)).await);
    assert_eq!((calls.of("data-50"), calls.all().len()), (3, 102));
    {
        let letters = letters.lock().unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].records.len(), letters[0].attempts), (1, 3));
        assert_eq!(letters[0].records[0].data().as_ref(), b"data-50");
    }
    sleep(10 * SECOND).await;
    assert_eq!(
        checkpoint(&sim).await,
        AttributeValue::S(places.last().unwrap().1.clone())
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_skipped_at_the_end_of_the_stream_is_checkpointed() {
    let (sim, producer) = stream(1);
    let places = put(&producer, 0..10).await;
    let calls = Calls::default();
    let fails = |_: &str, _| Err(HandlerError::skip("none is wanted"));
    let (_control, _running) = start(each_record(&sim, "w1", &calls, fails));
    sleep(MINUTE).await;
    assert_eq!(calls.all().len(), 10);
    assert_eq!(
        checkpoint(&sim).await,
        AttributeValue::S(places.last().unwrap().1.clone())
    );
}

#[tokio::test(start_paused = true)]
async fn by_default_the_shard_halts_in_front_of_the_record_and_what_went_well_is_checkpointed() {
    let (sim, producer) = stream(1);
    put(&producer, 0..100).await;
    let calls = Calls::default();
    let fails = |data: &str, _| match data {
        "data-50" => Err("unreadable".into()),
        _ => Ok(()),
    };
    let policy = ErrorPolicy::halt().attempts(1);
    let (control, running) = start(each_record(&sim, "w1", &calls, fails).error_policy(policy));
    sleep(MINUTE).await;
    let status = control.shards().remove(0);
    assert!(matches!(status.state, ShardState::Halted { .. }));
    let told = AttributeValue::S(status.checkpoint.checkpoint_text().into());
    assert_eq!(told, checkpoint(&sim).await);
    let before = calls.all().iter().filter(|data| *data != "data-50").count();
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let (_control, _running) = start(each_record(&sim, "w2", &calls, |_, _| Ok(())));
    sleep(MINUTE).await;
    assert_eq!(calls.distinct(), data(0..100));
    assert_eq!(
        calls.all().iter().filter(|data| *data != "data-50").count(),
        99,
        "{before} before"
    );
}

/// Takes a second for each record.
fn slow(sim: &Sim, name: &str, calls: &Calls) -> WorkerBuilder {
    let calls = calls.clone();
    builder(sim, name).for_each_record(move |record: Record| {
        let calls = calls.clone();
        async move {
            sleep(SECOND).await;
            calls.note(&record);
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_in_the_middle_of_a_batch_waits_for_one_record_and_the_next_worker_goes_on_behind_it() {
    let (sim, producer) = stream(1);
    put(&producer, 0..60).await;
    let calls = Calls::default();
    let (control, running) = start(slow(&sim, "w1", &calls));
    assert!(sim.until(MINUTE, || calls.all().len() == 10).await);
    let asked = sim.elapsed();
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 1);
    assert!(sim.elapsed() - asked < 2 * SECOND, "{:?}", sim.elapsed() - asked);
    let done = calls.all().len();
    assert!(done <= 11, "{done}");
    let (_control, _running) = start(slow(&sim, "w2", &calls));
    assert!(sim.until(2 * MINUTE, || calls.all().len() == 60).await);
    assert_eq!(calls.distinct(), data(0..60), "each of them once");
}

#[tokio::test(start_paused = true)]
async fn no_record_of_a_batch_begins_once_the_lease_is_lost() {
    let (sim, producer) = stream(1);
    put(&producer, 0..60).await;
    let calls = Calls::default();
    let (control, _running) = start(slow(&sim, "w1", &calls));
    assert!(sim.until(MINUTE, || calls.all().len() == 5).await);
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    sleep(MINUTE / 2).await;
    // The lease lapses at most ten seconds later.
    assert!(calls.all().len() <= 5 + 10 + 1, "{}", calls.all().len());
    assert_eq!(control.shards().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn progress_inside_a_slow_batch_is_checkpointed_by_the_renewals() {
    let (sim, producer) = stream(1);
    put(&producer, 0..60).await;
    let calls = Calls::default();
    let (_control, running) = start(slow(&sim, "w1", &calls));
    assert!(sim.until(MINUTE, || calls.all().len() == 30).await);
    running.abort();
    let (_control, _running) = start(slow(&sim, "w2", &calls));
    assert!(sim.until(2 * MINUTE, || calls.distinct() == data(0..60)).await);
    let again = calls.all().len() - 60;
    assert!(
        again <= 4,
        "{again} records again, and a renewal each three to four seconds"
    );
}

/// How many records of one each half second are processed again after a crash.
async fn again_after_a_crash(interval: Option<Duration>) -> usize {
    let (sim, producer) = stream(1);
    let calls = Calls::default();
    let mut first = each_batch(&sim, "w1", &calls).failover_time(MINUTE);
    if let Some(interval) = interval {
        first = first.checkpoint_interval(interval);
    }
    let (_control, running) = start(first);
    // A renewal comes each twenty seconds.
    for n in 0..77 {
        put(&producer, n..n + 1).await;
        sleep(SECOND / 2).await;
    }
    assert!(sim.until(SECOND, || calls.all().len() == 77).await);
    sleep(SECOND / 10).await;
    running.abort();
    let (_control, _running) = start(each_batch(&sim, "w2", &calls).failover_time(MINUTE));
    sleep(4 * MINUTE).await;
    calls.all().len() - 77
}

#[tokio::test(start_paused = true)]
async fn a_crash_costs_the_records_of_one_checkpoint_interval() {
    let by_default = again_after_a_crash(None).await;
    assert!(
        (1..=12).contains(&by_default),
        "{by_default} of two a second, in five seconds"
    );
    let short = again_after_a_crash(Some(SECOND)).await;
    assert!(
        short <= 4 && short < by_default,
        "{short} of two a second, in one second"
    );
    let at_once = again_after_a_crash(Some(Duration::ZERO)).await;
    assert_eq!(at_once, 0);
}
