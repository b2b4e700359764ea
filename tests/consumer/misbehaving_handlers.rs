//! Handlers that fail, panic or hang in odd places lose nothing, and the worker tells the truth about their shards (C5).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{
    Batch, Checkpointer, DeadLetter, ErrorPolicy, HandlerError, RecordProcessor, ShardContext, ShardState, Worker,
    WorkerBuilder,
};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use crate::fleet::{APPLICATION, STREAM, put, split, start, stream};

const SECOND: Duration = Duration::from_secs(1);

type Log = Arc<Mutex<Vec<String>>>;
type Rule = Arc<dyn Fn(&str, &[String]) -> Result<Option<usize>, HandlerError> + Send + Sync>;

/// Notes its calls; `rule` decides about each: Err, or Ok with a checkpoint at a record before an error.
struct Scripted {
    log: Log,
    rule: Rule,
}

impl Scripted {
    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(what.to_owned());
    }
}

impl RecordProcessor for Scripted {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        let data: Vec<String> = batch
            .records
            .iter()
            .map(|r| String::from_utf8_lossy(r.data()).into_owned())
            .collect();
        self.note(&format!("process {}", data.join(",")));
        match (self.rule)("process", &data)? {
            None => Ok(checkpointer.checkpoint().await?),
            Some(at) => {
                checkpointer.checkpoint_at(&batch.records[at]).await?;
                self.note(&format!("checkpointed {}", data[at]));
                Err("after the checkpoint".into())
            }
        }
    }
    async fn idle(&mut self, _: &Checkpointer) -> Result<(), HandlerError> {
        (self.rule)("idle", &[]).map(|_| ())
    }
    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), HandlerError> {
        self.note("shard_ended");
        (self.rule)("shard_ended", &[]).map(|_| ())
    }
    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), HandlerError> {
        self.note("shutdown_requested");
        if (self.rule)("shutdown_requested", &[]).is_err() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
    async fn lease_lost(&mut self, _: kcl::LeaseLost) {
        self.note("lease_lost");
    }
}

fn scripted(
    sim: &Sim,
    rule: impl Fn(&str, &[String]) -> Result<Option<usize>, HandlerError> + Send + Sync + 'static,
) -> (WorkerBuilder, Log) {
    let log = Log::default();
    let (noted, rule): (Log, Rule) = (Arc::clone(&log), Arc::new(rule));
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .processor(move |_: &ShardContext| Scripted {
            log: Arc::clone(&noted),
            rule: Arc::clone(&rule),
        });
    (builder, log)
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn failures_of_idle_are_no_attempts_of_process() {
    let (sim, producer) = stream(1);
    let away = Arc::new(AtomicBool::new(true));
    let failed = Arc::new(AtomicUsize::new(0));
    let (a, f) = (Arc::clone(&away), Arc::clone(&failed));
    let (builder, log) = scripted(&sim, move |call, _| match call {
        "idle" if a.load(Ordering::SeqCst) => Err("the database is away".into()),
        "process" if f.fetch_add(1, Ordering::SeqCst) == 0 => Err("the database is away".into()),
        _ => Ok(None),
    });
    let (_control, _running) = start(builder.error_policy(ErrorPolicy::skip()));
    tokio::time::sleep(5 * MINUTE).await;
    away.store(false, Ordering::SeqCst);
    put(&producer, 0..1).await;
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(
        lines(&log),
        ["process data-0", "process data-0"],
        "one failure of eight"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_idle_failed_is_not_halted() {
    let (sim, _producer) = stream(1);
    let away = Arc::new(AtomicBool::new(true));
    let a = Arc::clone(&away);
    let (builder, _log) = scripted(&sim, move |call, _| match call {
        "idle" if a.load(Ordering::SeqCst) => Err("the database is away".into()),
        _ => Ok(None),
    });
    let (control, running) = start(builder);
    tokio::time::sleep(5 * MINUTE).await;
    away.store(false, Ordering::SeqCst);
    tokio::time::sleep(20 * MINUTE).await;
    control.shutdown(10 * SECOND);
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.halted, []);
}

/// Panics before its future is made.
struct Eager(Arc<AtomicUsize>);
impl RecordProcessor for Eager {
    fn process(&mut self, _: Batch, _: &Checkpointer) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self.0.fetch_add(1, Ordering::SeqCst);
        let nothing: Vec<u8> = Vec::new();
        assert!(!nothing.is_empty(), "no async block yet");
        async { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_future_of_process_is_an_error_of_the_handler() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .worker_id("w1")
        .seed(1)
        .error_policy(ErrorPolicy::halt().attempts(3))
        .processor(move |_: &ShardContext| Eager(Arc::clone(&counted)));
    let (control, _running) = start(builder);
    tokio::time::sleep(5 * MINUTE).await;
    let states: Vec<_> = control.shards().into_iter().map(|s| s.state).collect();
    assert!(matches!(states[..], [ShardState::Halted { .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_before_its_future_is_a_failure_of_the_sink() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let (builder, _log) = scripted(&sim, |call, _| match call {
        "process" => Err("bad".into()),
        _ => Ok(None),
    });
    let sink = |letter: DeadLetter| {
        let text = letter.error.to_string();
        assert!(text.starts_with('{'), "not JSON");
        async { Ok(()) }
    };
    let (control, _running) = start(builder.error_policy(ErrorPolicy::dead_letter(sink).attempts(2)));
    tokio::time::sleep(5 * MINUTE).await;
    let states: Vec<_> = control.shards().into_iter().map(|s| s.state).collect();
    assert!(matches!(states[..], [ShardState::Halted { .. }]));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_after_a_shutdown_requested_that_was_dropped() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let (builder, log) = scripted(&sim, |call, _| match call {
        "shutdown_requested" => Err("hangs".into()),
        _ => Ok(None),
    });
    let (control, running) = start(builder);
    tokio::time::sleep(5 * SECOND).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    control.shutdown(2 * MINUTE);
    tokio::time::sleep(MINUTE).await;
    drop(running);
    assert!(!lines(&log).contains(&"lease_lost".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_ended_shard_says_so_although_its_end_was_written_late() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let ended = Arc::new(AtomicBool::new(false));
    let e = Arc::clone(&ended);
    let (builder, _log) = scripted(&sim, move |call, _| {
        if call == "shard_ended" {
            e.store(true, Ordering::SeqCst);
        }
        Ok(None)
    });
    let (control, _running) = start(builder);
    tokio::time::sleep(3 * SECOND).await;
    let until = Arc::clone(&ended);
    let heals_at = sim.now() + 15 * SECOND;
    sim.faults(move |call| {
        match call.operation == "UpdateItem"
            && until.load(Ordering::SeqCst)
            && call.now < heals_at
            && String::from_utf8_lossy(call.body).contains("SHARD_END")
        {
            true => Fault::throttled(),
            false => Fault::None,
        }
    });
    split(&sim, "shardId-000000000000", 1u128 << 127).await;
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(control.shards()[0].state, ShardState::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_record_behind_an_isolated_batch_gets_all_its_attempts() {
    let (sim, producer) = stream(1);
    put(&producer, 0..4).await;
    let (fails, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (f, l) = (Arc::clone(&fails), Arc::clone(&last));
    let (builder, log) = scripted(&sim, move |call, data| {
        if call != "process" {
            return Ok(None);
        }
        if data.len() > 1 {
            f.fetch_add(1, Ordering::SeqCst);
            return Err("the batch".into());
        }
        match data[0].as_str() {
            // Checkpoints its record, and fails after that, once.
            "data-0" => Ok(Some(0)),
            "data-2" if l.fetch_add(1, Ordering::SeqCst) == 0 => Err("a hiccup".into()),
            _ => Ok(None),
        }
    });
    let (_control, _running) = start(
        builder
            .max_batch_records(2)
            .error_policy(ErrorPolicy::skip().attempts(2)),
    );
    tokio::time::sleep(10 * MINUTE).await;
    let batch = "process data-2,data-3".to_owned();
    let times = lines(&log).iter().filter(|line| **line == batch).count();
    assert_eq!(
        times,
        2,
        "the next batch is delivered whole, as often as allowed: {:?}",
        lines(&log)
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_fatal_halt_one_ordinary_failure_skips_nothing() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let c = Arc::clone(&calls);
    let (builder, log) = scripted(&sim, move |call, _| {
        if call != "process" {
            return Ok(None);
        }
        match c.fetch_add(1, Ordering::SeqCst) {
            0 => Err(HandlerError::fatal("disk full")),
            1 => Err("restarting".into()),
            _ => Ok(None),
        }
    });
    let (_control, _running) = start(builder.error_policy(ErrorPolicy::skip()));
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(lines(&log).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_ended_holds_no_shards() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let (builder, _log) = scripted(&sim, |call, _| match call {
        "shutdown_requested" => Err("hangs".into()),
        _ => Ok(None),
    });
    let (control, running) = start(builder);
    tokio::time::sleep(5 * SECOND).await;
    control.shutdown(5 * SECOND);
    running.await.unwrap().unwrap();
    assert_eq!(control.shards(), []);
}

#[tokio::test(start_paused = true)]
async fn without_grace_lease_lost_is_still_told() {
    let (sim, producer) = stream(1);
    put(&producer, 0..1).await;
    let (builder, log) = scripted(&sim, |_, _| Ok(None));
    let (_control, running) = start(builder.handler_grace(Duration::ZERO));
    tokio::time::sleep(5 * SECOND).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    tokio::time::sleep(MINUTE).await;
    drop(running);
    assert!(lines(&log).contains(&"lease_lost".to_owned()));
}
