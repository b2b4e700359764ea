//! Records that a handler of batches names in its errors: what becomes of them, and of those in front of them (C5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::event::HandlerEvent;
use kcl::{
    Batch, Checkpointer, DeadLetter, ErrorPolicy, Event, HandlerError, RecordPosition, RecordProcessor, ShardContext,
    ShardState, Worker, WorkerControl,
};
use kpl::Producer;
use testkit::sim::Sim;

use super::MINUTE;
use crate::fleet::{APPLICATION, STREAM, put, start, stream};

const RECORDS: usize = 20;

/// How an error is made of its text.
type Fails = fn(&'static str) -> HandlerError;

/// How often each record was delivered, which were processed, and where those on which the handler fails lie.
#[derive(Debug, Default)]
struct Seen {
    delivered: BTreeMap<String, usize>,
    processed: BTreeSet<String>,
    poison: BTreeMap<String, RecordPosition>,
}

/// Fails on some records, which it names, and checkpoints when it has succeeded.
struct Names {
    seen: Arc<Mutex<Seen>>,
    poison: &'static [&'static str],
    fails: Fails,
}

impl RecordProcessor for Names {
    async fn process(&mut self, batch: Batch, checkpointer: &Checkpointer) -> Result<(), HandlerError> {
        for record in &batch.records {
            let text = String::from_utf8_lossy(record.data()).into_owned();
            let mut seen = self.seen.lock().unwrap();
            *seen.delivered.entry(text.clone()).or_default() += 1;
            if self.poison.contains(&text.as_str()) {
                seen.poison.insert(text, record.position().clone());
                return Err((self.fails)("cannot read it").at(record));
            }
            seen.processed.insert(text);
        }
        Ok(checkpointer.checkpoint().await?)
    }
}

struct Run {
    control: WorkerControl,
    seen: Arc<Mutex<Seen>>,
    events: Arc<Mutex<Vec<Event>>>,
    _kept: (Sim, Producer),
}

impl Run {
    /// A shard of 20 records, and a worker that fails on some, ten minutes later.
    async fn under(policy: ErrorPolicy, poison: &'static [&'static str], fails: Fails) -> Self {
        let (sim, producer) = stream(1);
        put(&producer, 0..RECORDS).await;
        let (seen, events) = (Arc::<Mutex<Seen>>::default(), Arc::<Mutex<Vec<Event>>>::default());
        let (seeing, hearing) = (Arc::clone(&seen), Arc::clone(&events));
        let builder = Worker::builder(APPLICATION, STREAM)
            .aws(&sim.client("w1"))
            .seed(1)
            .error_policy(policy)
            .on_event(move |event: &Event| hearing.lock().unwrap().push(event.clone()))
            .processor(move |_: &ShardContext| Names {
                seen: Arc::clone(&seeing),
                poison,
                fails,
            });
        let (control, _running) = start(builder);
        tokio::time::sleep(10 * MINUTE).await;
        Self {
            control,
            seen,
            events,
            _kept: (sim, producer),
        }
    }

    fn processed(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().processed.clone()
    }

    fn delivered(&self, record: &str) -> usize {
        self.seen.lock().unwrap().delivered[record]
    }

    fn position(&self, record: &str) -> RecordPosition {
        self.seen.lock().unwrap().poison[record].clone()
    }

    /// The last of the records that were skipped, with the number of those of each time.
    fn skips(&self) -> Vec<(RecordPosition, usize)> {
        let events = self.events.lock().unwrap();
        let skips = events.iter().filter_map(|event| match event {
            Event::Handler {
                event: HandlerEvent::Skipped { last, count },
                ..
            } => Some((last.clone(), *count)),
            Event::Worker(_) | Event::Fleet(_) | Event::Lease(_) | Event::Shard { .. } | Event::Handler { .. } | _ => {
                None
            }
        });
        skips.collect()
    }
}

fn all_but(poison: &[&str]) -> BTreeSet<String> {
    let all = (0..RECORDS).map(|n| format!("data-{n}"));
    all.filter(|text| !poison.contains(&text.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_skips_passes_over_the_named_records_without_calls_to_find_them() {
    let poison = &["data-7", "data-13"];
    let run = Run::under(ErrorPolicy::skip().attempts(3), poison, HandlerError::new).await;
    assert_eq!(run.processed(), all_but(poison));
    assert_eq!(run.skips(), poison.map(|record| (run.position(record), 1)));
    assert_eq!(poison.map(|record| run.delivered(record)), [3, 3]);
    assert_eq!(run.delivered("data-0"), 4, "it is delivered again with those in front");
    assert_eq!(run.control.shards()[0].state, ShardState::Reading);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_asks_for_a_skip_loses_the_named_record_alone() {
    let poison = &["data-0", "data-7", "data-19"];
    let run = Run::under(ErrorPolicy::halt(), poison, HandlerError::skip).await;
    assert_eq!(run.processed(), all_but(poison));
    assert_eq!(poison.map(|record| run.delivered(record)), [1, 1, 1]);
    assert_eq!(run.skips(), poison.map(|record| (run.position(record), 1)));
}

#[tokio::test(start_paused = true)]
async fn a_named_record_goes_to_the_sink_alone_with_all_its_attempts() {
    let letters = Arc::new(Mutex::new(Vec::<DeadLetter>::new()));
    let kept = Arc::clone(&letters);
    let sink = move |letter| {
        let kept = Arc::clone(&kept);
        async move {
            let mut kept = kept.lock().unwrap();
            kept.push(letter);
            // The sink fails once, so that the record is delivered once more.
            if kept.len() == 1 {
                return Err(HandlerError::new("the queue is away"));
            }
            Ok(())
        }
    };
    let policy = ErrorPolicy::dead_letter(sink).attempts(3);
    let run = Run::under(policy, &["data-7"], HandlerError::new).await;
    assert_eq!(run.processed(), all_but(&["data-7"]));
    let letters = letters.lock().unwrap();
    let attempts: Vec<_> = letters
        .iter()
        .map(|letter| (letter.records.len(), letter.attempts))
        .collect();
    assert_eq!(attempts, [(1, 3), (1, 4)]);
    let position = run.position("data-7");
    assert_eq!(*letters[1].records[0].position(), position);
    assert_eq!(
        letters[1].error.to_string(),
        format!("record {position}: cannot read it")
    );
}

#[tokio::test(start_paused = true)]
async fn a_halted_shard_names_the_record_in_its_status_its_health_and_its_event() {
    let run = Run::under(ErrorPolicy::halt(), &["data-7"], HandlerError::new).await;
    let position = run.position("data-7");
    let status = run.control.shards().remove(0);
    assert!(matches!(status.state, ShardState::Halted { .. }));
    assert_eq!(status.failing_at, Some(position.clone()));
    assert_eq!(status.last_error, Some(format!("record {position}: cannot read it")));
    let health = run.control.health().degraded[0].to_string();
    assert!(health.contains(&position.to_string()), "{health}");
    let events = run.events.lock().unwrap();
    let halted = events.iter().find_map(|event| match event {
        Event::Handler {
            event: HandlerEvent::Halted { position, .. },
            ..
        } => position.clone(),
        Event::Worker(_) | Event::Fleet(_) | Event::Lease(_) | Event::Shard { .. } | Event::Handler { .. } | _ => None,
    });
    assert_eq!(halted, Some(position));
}

#[tokio::test(start_paused = true)]
async fn a_skip_by_the_control_gives_up_the_named_record_and_calls_for_no_other_alone() {
    let run = Run::under(ErrorPolicy::halt().attempts(2), &["data-7"], HandlerError::new).await;
    let delivered = run.delivered("data-7");
    let skipped = run.control.skip(&run.control.shards()[0].shard).await.unwrap();
    assert_eq!(skipped.records, [run.position("data-7")]);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(run.processed(), all_but(&["data-7"]));
    assert_eq!(run.delivered("data-7"), delivered);
    assert_eq!(run.control.shards()[0].failing_at, None);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_about_no_record_has_no_position_beside_it() {
    let (sim, producer) = stream(1);
    put(&producer, 0..20).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let builder = Worker::builder(APPLICATION, STREAM).aws(&sim.client("w1")).seed(1);
    let builder = builder.for_each_batch(move |batch: Batch| {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        let error = match is_first {
            true => HandlerError::new("cannot read it").at(&batch.records[7]),
            false => HandlerError::lease_lost(),
        };
        async move { Err(error) }
    });
    let (control, _running) = start(builder);
    let mut status = control.shards();
    while !status.iter().any(|status| status.last_error.is_some()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        status = control.shards();
    }
    assert!(status[0].failing_at.is_some(), "{status:?}");
    tokio::time::sleep(MINUTE).await;
    let status = control.shards().remove(0);
    assert!(status.last_error.unwrap().contains("lease"));
    assert_eq!(status.failing_at, None);
}
