//! The adapter without a worker, in virtual time.

use std::sync::Mutex;
use std::time::Duration;

use service::Clock;

use super::*;
use crate::processor::handler_error::About;
use crate::testing::{TestRecord, TestShard, at};

/// What the tasks of a test took, and why their streams ended.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What the task does with a batch of this data.
async fn handle(batch: &Batch, stream: &ShardStream) -> Result<(), HandlerError> {
    match batch.records[0].data().as_ref() {
        b"slow" => Clock::default().sleep(Duration::from_secs(10)).await,
        b"fail" => return Err(HandlerError::new("no disk")),
        b"checkpoint" => stream.checkpointer().checkpoint().await?,
        _ => {}
    }
    Ok(())
}

fn processor(shard: &TestShard, log: &Log) -> StreamProcessor {
    let log = log.clone();
    StreamProcessor::new(&shard.context(), move |mut stream| {
        let log = log.clone();
        async move {
            log.push(format!("from {}", stream.context().checkpoint));
            while let Some(batch) = stream.next().await {
                log.push(String::from_utf8_lossy(batch.records[0].data()));
                handle(&batch, &stream).await?;
            }
            log.push(format!("{:?}", stream.end()));
            Ok(())
        }
    })
}

fn record(data: &str) -> [TestRecord; 1] {
    [TestRecord::new("key", data.to_owned())]
}

#[tokio::test(start_paused = true)]
async fn a_call_lasts_until_the_next_batch_is_asked_for() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = processor(&shard, &log);
    let clock = Clock::default();
    let begun = clock.monotonic();
    shard.process(&mut processor, record("slow")).await.unwrap();
    assert!(clock.monotonic() - begun >= Duration::from_secs(10));
    shard.process(&mut processor, record("quick")).await.unwrap();
    assert!(clock.monotonic() - begun < Duration::from_secs(11));
    assert_eq!(log.all(), ["from TRIM_HORIZON", "slow", "quick"]);
    assert_eq!(shard.checkpoints(), []);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_passes_no_batch_that_was_not_taken() {
    let shard = TestShard::new();
    let kept = Arc::new(Mutex::new(None));
    let keeping = Arc::clone(&kept);
    let mut processor = StreamProcessor::new(&shard.context(), move |mut stream| {
        let keeping = Arc::clone(&keeping);
        async move {
            *keeping.lock().unwrap() = Some(stream.checkpointer().clone());
            drop(stream.next().await);
            std::future::pending().await
        }
    });
    let call = shard.process(&mut processor, record("one"));
    assert!(
        call.now_or_never().is_none(),
        "it was taken, and no other one was asked for"
    );
    let batch = shard.batch(record("two"));
    let call = processor.process(batch, shard.checkpointer());
    assert!(call.now_or_never().is_none(), "nobody takes it");
    Clock::default().sleep(Duration::from_secs(1)).await;
    let checkpointer = kept.lock().unwrap().clone().unwrap();
    checkpointer.checkpoint().await.unwrap();
    assert_eq!(shard.checkpoints(), [at(1)]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_says_why_and_the_task_finishes_before_the_shard_does() {
    for (ends, why) in [("shard", "ShardEnded"), ("worker", "ShutdownRequested")] {
        let (shard, log) = (TestShard::new(), Log::default());
        let mut processor = processor(&shard, &log);
        shard.process(&mut processor, record("one")).await.unwrap();
        match ends {
            "shard" => shard.end(&mut processor).await.unwrap(),
            _ => shard.shut_down(&mut processor).await.unwrap(),
        }
        assert_eq!(log.all().last(), Some(&format!("Some({why})")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_stream_and_hands_out_nothing_more() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = processor(&shard, &log);
    shard.process(&mut processor, record("one")).await.unwrap();
    shard.lose_lease(LeaseLost::Expired);
    let error = shard.process(&mut processor, record("two")).await.unwrap_err();
    assert!(error.verdict().is_none(), "{error}");
    shard.lose(&mut processor, LeaseLost::Expired).await;
    assert_eq!(log.all()[1..], ["one", "Some(LeaseLost(Expired))"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_is_begun_anew_and_what_is_not_checkpointed_comes_again() {
    let (shard, log) = (TestShard::new(), Log::default());
    let mut processor = processor(&shard, &log);
    for data in ["checkpoint", "two"] {
        shard.process(&mut processor, record(data)).await.unwrap();
    }
    let error = shard.process(&mut processor, record("fail")).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.about()), ("no disk", &About::Call));
    assert_eq!(
        shard.checkpointer().processed_up_to(),
        at(1),
        "the task had taken 2 and lost it"
    );
    shard.process(&mut processor, record("two")).await.unwrap();
    assert_eq!(
        log.all(),
        ["from TRIM_HORIZON", "checkpoint", "two", "fail", "from 1", "two"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_task_names_is_named_in_the_text_alone() {
    let shard = TestShard::new();
    let mut processor = StreamProcessor::new(&shard.context(), |mut stream| async move {
        let batch = stream.next().await.unwrap();
        Err(HandlerError::skip("no disk").at(&batch.records[0]))
    });
    let error = shard.process(&mut processor, record("one")).await.unwrap_err();
    assert_eq!(error.to_string(), "record 1: no disk");
    assert_eq!((error.about(), error.is_about()), (&About::WholeCall, None));
}

#[tokio::test(start_paused = true)]
async fn records_that_the_task_did_not_take_are_not_to_blame_for_its_end() {
    let shard = TestShard::new();
    let mut processor = StreamProcessor::new(&shard.context(), |_| async { Err(HandlerError::skip("no database")) });
    let error = shard.process(&mut processor, record("one")).await.unwrap_err();
    assert_eq!(error.about(), &About::Unknown);
    let mut processor = StreamProcessor::new(&shard.context(), |_| async { Ok(()) });
    let error = shard.process(&mut processor, record("one")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the task of the shard's stream returned before the stream had ended"
    );
}
