//! The adapter without a worker, in virtual time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::FutureExt as _;
use service::Clock;

use super::*;
use crate::processor::handler_error::About;
use crate::processor::handler_timeout::HandlerTimeout;
use crate::testing::{TestRecord, TestShard, at};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What runs and what has run, by data.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|line| line.starts_with(what)).count()
    }
}

/// Takes as many seconds as the data say, and fails as often as `failures` says.
fn per_key(log: &Log, failures: &[(&str, u32)]) -> PerKey {
    let log = log.clone();
    let failures: BTreeMap<String, u32> = failures
        .iter()
        .map(|(data, times)| ((*data).to_owned(), *times))
        .collect();
    let failures = Arc::new(Mutex::new(failures));
    PerKey::new(move |record: Record| {
        let (log, failures) = (log.clone(), Arc::clone(&failures));
        async move {
            let data = String::from_utf8(record.data().to_vec())?;
            log.push(format!("begin {data}"));
            let seconds: u64 = data.chars().filter(char::is_ascii_digit).collect::<String>().parse()?;
            Clock::default().sleep(Duration::from_secs(seconds)).await;
            if let Some(left) = failures.lock().unwrap().get_mut(&data).filter(|left| **left > 0) {
                *left -= 1;
                log.push(format!("fail {data}"));
                return Err(HandlerError::new("no disk"));
            }
            log.push(format!("end {data}"));
            Ok(())
        }
    })
}

/// Records whose key is the letter of their data.
fn records<const N: usize>(data: [&str; N]) -> [TestRecord; N] {
    data.map(|data| TestRecord::new(&data[..1], data.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn keys_run_at_once_and_each_in_its_order_and_the_watermark_is_checkpointed() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[]);
    shard
        .process(&mut processor, records(["a9", "b1", "b2", "c1"]))
        .await
        .unwrap();
    Clock::default().sleep(4 * SECOND).await;
    assert_eq!(log.all()[..3], ["begin a9", "begin b1", "begin c1"]);
    assert_eq!(log.all()[3..], ["end b1", "end c1", "begin b2", "end b2"]);
    Clock::default().sleep(2 * SECOND).await;
    shard.idle(&mut processor).await.unwrap();
    assert_eq!(shard.deferred(), [], "a9 is not done");
    Clock::default().sleep(9 * SECOND).await;
    shard.idle(&mut processor).await.unwrap();
    assert_eq!(shard.deferred(), [at(4)]);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_may_and_a_full_window_keeps_the_call_waiting() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[]).max_in_flight(2).window(3);
    {
        let taken = shard.process(&mut processor, records(["a5", "b1", "c1", "d1"]));
        tokio::pin!(taken);
        for _ in 0..4 {
            assert!(taken.as_mut().now_or_never().is_none());
            assert!(log.count("begin") - log.count("end") <= 2);
            Clock::default().sleep(SECOND).await;
        }
        assert_eq!(log.count("begin"), 3, "d1 waits for the watermark");
        taken.await.unwrap();
    }
    shard.end(&mut processor).await.unwrap();
    assert_eq!(log.count("end"), 4);
    assert_eq!(
        (shard.deferred(), shard.checkpoints()),
        (vec![at(3)], vec![Position::ShardEnd])
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_record_is_told_of_alone_and_holds_its_key_while_others_go_on() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[("b1", 1)]);
    let all = records(["a3", "b1", "b2", "c5"]);
    let all: Vec<Record> = shard.batch(all).records;
    shard.process(&mut processor, all.clone()).await.unwrap();
    Clock::default().sleep(2 * SECOND).await;
    let error = shard.idle(&mut processor).await.unwrap_err();
    assert_eq!(error.about(), &About::Record(Box::new(all[1].clone())));
    assert_eq!(
        shard.checkpointer().processed_up_to(),
        Position::TrimHorizon,
        "in front of a3, which runs"
    );
    assert_eq!(log.count("begin b2"), 0);
    shard.idle(&mut processor).await.unwrap();
    // As the worker does, all records are delivered again.
    shard.process(&mut processor, all.clone()).await.unwrap();
    shard.end(&mut processor).await.unwrap();
    let runs: Vec<usize> = ["begin a3", "begin b1", "begin b2", "begin c5"]
        .map(|what| log.count(what))
        .into();
    assert_eq!(runs, [1, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_passed_over_holds_nothing_any_more() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[("a1", 9)]);
    let all: Vec<Record> = shard.batch(records(["a1", "a2"])).records;
    shard.process(&mut processor, all.clone()).await.unwrap();
    Clock::default().sleep(2 * SECOND).await;
    shard.idle(&mut processor).await.unwrap_err();
    // As the worker does when its policy is to skip.
    shard.checkpointer().passed_over(all[0].position());
    shard.process(&mut processor, all[1..].to_vec()).await.unwrap();
    shard.end(&mut processor).await.unwrap();
    assert_eq!(log.count("end a2"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_runs_begins_nothing_more_and_checkpoints_the_watermark() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[("c2", 9)]).max_in_flight(3);
    shard
        .process(&mut processor, records(["a1", "b3", "c2", "b1", "d1"]))
        .await
        .unwrap();
    shard.shut_down(&mut processor).await.unwrap_err();
    assert_eq!((log.count("begin"), log.count("end")), (3, 2));
    assert_eq!(shard.checkpoints(), [at(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_what_runs_and_what_waits() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[]).max_in_flight(1);
    shard.process(&mut processor, records(["a5", "b1"])).await.unwrap();
    Clock::default().sleep(SECOND).await;
    shard.lose(&mut processor, LeaseLost::Expired).await;
    Clock::default().sleep(9 * SECOND).await;
    assert_eq!(log.all(), ["begin a5"]);
    let error = shard.process(&mut processor, records(["c1"])).await.unwrap_err();
    assert!(error.verdict().is_none(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_handler_is_an_error_of_its_record() {
    let shard = TestShard::new();
    let mut processor = PerKey::new(|record: Record| async move {
        assert_ne!(record.partition_key(), "b");
        Ok(())
    });
    let all: Vec<Record> = shard.batch(records(["a1", "b1"])).records;
    shard.process(&mut processor, all.clone()).await.unwrap();
    let error = shard.end(&mut processor).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.about()),
        ("the handler panicked", &About::Record(Box::new(all[1].clone())))
    );
}

/// What a handler panics with, and what panics again when it is dropped.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in the drop of what was panicked with");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_task_ends_without_an_answer_has_failed_and_the_others_go_on() {
    let (shard, log) = (TestShard::new(), Log::default());
    let runs = log.clone();
    let mut processor = PerKey::new(move |record: Record| {
        let runs = runs.clone();
        async move {
            runs.push(format!("begin {}", record.partition_key()));
            if record.partition_key() == "b" && runs.count("begin b") == 1 {
                std::panic::panic_any(PanicsWhenDropped);
            }
            Ok(())
        }
    });
    let all: Vec<Record> = shard.batch(records(["a1", "b1", "c1"])).records;
    shard.process(&mut processor, all.clone()).await.unwrap();
    let ended = Clock::default().timeout(MINUTE, shard.end(&mut processor)).await;
    let error = ended.expect("an answer").unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.about()),
        (
            "the task of the record panicked",
            &About::Record(Box::new(all[1].clone()))
        )
    );
    shard.process(&mut processor, all).await.unwrap();
    shard.end(&mut processor).await.unwrap();
    assert_eq!(
        ["begin a", "begin b", "begin c"].map(|what| log.count(what)),
        [1, 2, 1],
        "it is run again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_takes_longer_than_the_handler_timeout_is_dropped_and_has_failed_alone() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[]);
    processor.adapted.handler_timeout = HandlerTimeout::new(Some(4 * SECOND));
    let all: Vec<Record> = shard.batch(records(["a9", "b1", "b2", "c3"])).records;
    shard.process(&mut processor, all.clone()).await.unwrap();
    Clock::default().sleep(MINUTE).await;
    let error = shard.idle(&mut processor).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.about()),
        (
            "the handler did not return within handler_timeout",
            &About::Record(Box::new(all[0].clone()))
        )
    );
    let ended: Vec<_> = log.all().into_iter().filter(|line| line.starts_with("end")).collect();
    assert_eq!(ended, ["end b1", "end c3", "end b2"]);
}

#[tokio::test(start_paused = true)]
async fn the_watermark_is_deferred_at_once_and_written_when_no_renewal_has_carried_it_for_an_interval() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = per_key(&log, &[]).checkpoint_interval(3 * SECOND);
    shard.process(&mut processor, records(["a1", "b1"])).await.unwrap();
    Clock::default().sleep(2 * SECOND).await;
    shard.idle(&mut processor).await.unwrap();
    assert_eq!((shard.deferred(), shard.checkpoints()), (vec![at(2)], vec![]));
    Clock::default().sleep(2 * SECOND).await;
    shard.idle(&mut processor).await.unwrap();
    assert_eq!(shard.checkpoints(), []);
    Clock::default().sleep(SECOND).await;
    shard.idle(&mut processor).await.unwrap();
    Clock::default().sleep(MINUTE).await;
    shard.idle(&mut processor).await.unwrap();
    assert_eq!(
        (shard.deferred(), shard.checkpoints()),
        (vec![at(2)], vec![at(2)]),
        "once"
    );
}
