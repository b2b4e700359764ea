//! Records of different keys at once: each key keeps its order, and nothing is skipped (C1), whatever fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::event::{Event, HandlerEvent};
use kcl::{DeadLetter, ErrorPolicy, HandlerError, PerKey, ShardContext, ShardState, Worker, WorkerBuilder};
use kpl::{Producer, Record};
use testkit::sim::Sim;
use tokio::sync::Notify;

use super::MINUTE;
use crate::fleet::{APPLICATION, STREAM, split, start, stream};

const KEYS: usize = 20;

/// What the handlers of a test did: for each key of a shard the numbers of its records, in the order in which they were done.
///
/// By shard, because a producer that does not know of a split yet writes records that are delivered twice.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    done: BTreeMap<String, Vec<usize>>,
    running: BTreeSet<String>,
    most_running: usize,
    /// How often the handler was called for each record.
    calls: BTreeMap<usize, u32>,
}

impl Ledger {
    /// Begins a record; returns how often it was begun before.
    fn begin(&self, key: &str, number: usize) -> u32 {
        let mut shared = self.0.lock().unwrap();
        assert!(shared.running.insert(key.to_owned()), "two records of {key} at once");
        shared.most_running = shared.most_running.max(shared.running.len());
        let calls = shared.calls.entry(number).or_default();
        *calls += 1;
        *calls - 1
    }

    fn end(&self, key: &str, done: Option<usize>) {
        let mut shared = self.0.lock().unwrap();
        shared.running.remove(key);
        shared.done.entry(key.to_owned()).or_default().extend(done);
    }

    /// Forgets what ran in a process that has crashed.
    fn crash(&self) {
        self.0.lock().unwrap().running.clear();
    }

    fn numbers(&self) -> BTreeSet<usize> {
        self.0.lock().unwrap().done.values().flatten().copied().collect()
    }

    /// For the first time, the records of each key were done in its order.
    fn assert_order_of_keys(&self) {
        for (key, numbers) in &self.0.lock().unwrap().done {
            let mut seen = BTreeSet::new();
            let first: Vec<_> = numbers.iter().filter(|number| seen.insert(**number)).collect();
            assert!(first.is_sorted(), "{key}: {first:?}");
        }
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..6_000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{what} did not happen: {} records", self.numbers().len());
    }
}

/// A number that looks random, the same for the same record and attempt.
fn draw(number: usize, attempt: u32) -> u64 {
    (number as u64 + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(attempt % 64)
        >> 40
}

/// Ends the record's run in the ledger, also when it is dropped in the middle.
struct Run {
    ledger: Ledger,
    key: String,
    done: Option<usize>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.ledger.end(&self.key, self.done);
    }
}

/// Takes up to two seconds for each record, and fails where `fails` says so, by number and attempt.
fn worker(sim: &Sim, name: &str, ledger: &Ledger, fails: fn(usize, u32) -> bool) -> WorkerBuilder {
    let ledger = ledger.clone();
    Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client(name))
        .worker_id(name)
        .seed(name.len() as u64)
        .processor(move |shard: &ShardContext| {
            let (ledger, shard) = (ledger.clone(), shard.shard_id().clone());
            PerKey::new(move |record| {
                let (ledger, key) = (ledger.clone(), format!("{} in {shard}", record.partition_key()));
                async move {
                    let number = number_in(&record);
                    let attempt = ledger.begin(&key, number);
                    let mut run = Run {
                        ledger,
                        key,
                        done: None,
                    };
                    tokio::time::sleep(Duration::from_millis(draw(number, attempt) % 2_000)).await;
                    if fails(number, attempt) {
                        return Err(HandlerError::new(format!("record {number} fails")));
                    }
                    run.done = Some(number);
                    Ok(())
                }
            })
            .max_in_flight(8)
            .window(200)
            .checkpoint_interval(Duration::from_secs(1))
        })
}

fn number_in(record: &kcl::Record) -> usize {
    String::from_utf8_lossy(record.data()).parse().unwrap()
}

/// Puts numbered records, in their order.
async fn put(producer: &Producer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let record = Record::new(format!("key-{}", number % KEYS), number.to_string());
        let receipt = producer.put(record).await.unwrap();
        if number % 50 == 49 {
            receipt.await.unwrap();
        }
    }
    producer.flush().await.unwrap();
}

fn sometimes(number: usize, attempt: u32) -> bool {
    attempt == 0 && draw(number, 7).is_multiple_of(40)
}

#[tokio::test(start_paused = true)]
async fn keys_keep_their_order_and_nothing_is_skipped_through_failures_a_crash_and_a_split() {
    let (sim, producer) = stream(1);
    let ledger = Ledger::default();
    let (_control, crashing) = start(worker(&sim, "w1", &ledger, sometimes));
    put(&producer, 0..500).await;
    ledger.until("a good part", |ledger| ledger.numbers().len() > 200).await;
    crashing.abort();
    assert!(crashing.await.unwrap_err().is_cancelled());
    ledger.crash();
    let (control, running) = start(worker(&sim, "w1", &ledger, sometimes));
    put(&producer, 500..700).await;
    split(&sim, "shardId-000000000000", 1 << 127).await;
    put(&producer, 700..900).await;
    ledger
        .until("all records", |ledger| ledger.numbers().len() == 900)
        .await;
    ledger.assert_order_of_keys();
    assert!(ledger.0.lock().unwrap().most_running > 4);
    control.shutdown(MINUTE);
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.abandoned, []);
    // Everything was done, so the next owner has nothing to do.
    let calls: u32 = ledger.0.lock().unwrap().calls.values().sum();
    let (_control, _running) = start(worker(&sim, "w2", &ledger, sometimes));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(ledger.0.lock().unwrap().calls.values().sum::<u32>(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_always_fails_halts_its_shard_and_other_keys_go_on_up_to_the_window() {
    let (sim, producer) = stream(1);
    let ledger = Ledger::default();
    let poison = |number: usize, _| number == 100;
    let (control, running) = start(worker(&sim, "w1", &ledger, poison));
    put(&producer, 0..500).await;
    tokio::time::sleep(10 * MINUTE).await;
    let status = control.shards().remove(0);
    assert!(matches!(status.state, ShardState::Halted { .. }), "{status:?}");
    assert_eq!(status.last_error.as_deref(), Some("record 100 fails"));
    let done = ledger.numbers();
    assert!((0..100).all(|number| done.contains(&number)));
    assert!(
        !(100..500).step_by(KEYS).any(|number| done.contains(&number)),
        "behind it in its key"
    );
    assert!(
        done.contains(&299) && done.iter().all(|number| *number < 300),
        "the window"
    );
    let calls = ledger.0.lock().unwrap().calls[&100];
    assert!((8..12).contains(&calls), "{calls} attempts");
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    // The checkpoint stands in front of the record: it comes first for the next owner.
    let next = Ledger::default();
    let (_control, _running) = start(worker(&sim, "w2", &next, |_, _| false));
    next.until("the rest", |next| next.numbers().len() == 400).await;
    assert_eq!(next.numbers().first(), Some(&100));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_is_tried_again_though_those_that_wait_for_it_fill_the_read_budget() {
    let (sim, producer) = stream(1);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let calling = Arc::clone(&calls);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .read_budget(256 * 1024)
        .processor(move |_: &ShardContext| {
            let calling = Arc::clone(&calling);
            PerKey::new(move |record: kcl::Record| {
                let calling = Arc::clone(&calling);
                async move {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    let mut calls = calling.lock().unwrap();
                    calls.push(record.data()[0]);
                    if calls.len() <= 3 {
                        return Err(HandlerError::new("no disk"));
                    }
                    Ok(())
                }
            })
        });
    let (_control, _running) = start(builder);
    for number in 0..100_u8 {
        let record = Record::new("key", vec![number; 20 * 1024]);
        producer.put(record).await.unwrap().await.unwrap();
    }
    tokio::time::sleep(20 * MINUTE).await;
    let expected: Vec<u8> = [0, 0, 0].into_iter().chain(0..100).collect();
    assert_eq!(*calls.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_hangs_is_dropped_by_the_handler_timeout_and_tried_again_by_the_same_processor() {
    let (sim, producer) = stream(1);
    let (processors, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (made, called) = (Arc::clone(&processors), Arc::clone(&calls));
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .handler_timeout(Duration::from_secs(10))
        .processor(move |_: &ShardContext| {
            made.fetch_add(1, Ordering::SeqCst);
            let called = Arc::clone(&called);
            PerKey::new(move |_| {
                let call = called.fetch_add(1, Ordering::SeqCst);
                async move {
                    if call == 3 {
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            })
        });
    let (control, _running) = start(builder);
    put(&producer, 0..20).await;
    tokio::time::sleep(MINUTE).await;
    let counted = [processors, calls].map(|counter| counter.load(Ordering::SeqCst));
    assert_eq!(counted, [1, 21]);
    assert_eq!(control.shards()[0].state, ShardState::Reading);
}

/// The call that delivers it again takes as long as the record.
#[tokio::test(start_paused = true)]
async fn a_record_that_always_hangs_has_its_attempts_and_is_dead_lettered_alone() {
    let (sim, producer) = stream(1);
    let processors = Arc::new(AtomicUsize::new(0));
    let (letters, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(BTreeSet::new())));
    let (made, kept, doing) = (Arc::clone(&processors), Arc::clone(&letters), Arc::clone(&done));
    let sink = move |letter: DeadLetter| {
        let numbers: Vec<_> = letter.records.iter().map(number_in).collect();
        kept.lock().unwrap().push((numbers, letter.attempts));
        async { Ok(()) }
    };
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .handler_timeout(Duration::from_secs(10))
        .error_policy(ErrorPolicy::dead_letter(sink).attempts(3))
        .processor(move |_: &ShardContext| {
            made.fetch_add(1, Ordering::SeqCst);
            let doing = Arc::clone(&doing);
            PerKey::new(move |record| {
                let doing = Arc::clone(&doing);
                async move {
                    let number = number_in(&record);
                    if number == 3 {
                        std::future::pending::<()>().await;
                    }
                    doing.lock().unwrap().insert(number);
                    Ok(())
                }
            })
        });
    let (_control, _running) = start(builder);
    put(&producer, 0..20).await;
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(*letters.lock().unwrap(), [(vec![3], 3)]);
    assert_eq!(done.lock().unwrap().len(), 19);
    assert_eq!(processors.load(Ordering::SeqCst), 1);
}

/// Together they take much longer than one record may.
#[tokio::test(start_paused = true)]
async fn the_records_of_one_key_are_run_to_their_ends_at_the_end_of_their_shard() {
    let (sim, producer) = stream(1);
    let (processors, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (made, doing) = (Arc::clone(&processors), Arc::clone(&done));
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .handler_timeout(Duration::from_secs(10))
        .processor(move |_: &ShardContext| {
            made.fetch_add(1, Ordering::SeqCst);
            let doing = Arc::clone(&doing);
            PerKey::new(move |_| {
                let doing = Arc::clone(&doing);
                async move {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    doing.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            })
        });
    let (_control, _running) = start(builder);
    for _ in 0..100 {
        drop(producer.put(Record::new("key", "data")).await.unwrap());
    }
    producer.flush().await.unwrap();
    split(&sim, "shardId-000000000000", 1 << 127).await;
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(done.load(Ordering::SeqCst), 100);
    assert_eq!(
        processors.load(Ordering::SeqCst),
        3,
        "of the parent and of two children"
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_record_that_fails_is_dead_lettered() {
    let (sim, producer) = stream(1);
    let ledger = Ledger::default();
    let letters = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&letters);
    let sink = move |letter: DeadLetter| {
        kept.lock()
            .unwrap()
            .push((number_in(&letter.records[0]), letter.records.len(), letter.attempts));
        async { Ok(()) }
    };
    let poison = |number: usize, _| number == 100 || number == 103;
    let builder = worker(&sim, "w1", &ledger, poison).error_policy(ErrorPolicy::dead_letter(sink).attempts(3));
    let (control, running) = start(builder);
    put(&producer, 0..300).await;
    ledger.until("all others", |ledger| ledger.numbers().len() == 298).await;
    ledger.assert_order_of_keys();
    assert_eq!(*letters.lock().unwrap(), [(100, 1, 3), (103, 1, 3)]);
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_asks_to_skip_loses_its_one_record_only() {
    let (sim, producer) = stream(1);
    let done = Arc::new(Mutex::new(BTreeSet::new()));
    let doing = Arc::clone(&done);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .processor(move |_: &ShardContext| {
            let doing = Arc::clone(&doing);
            PerKey::new(move |record| {
                let doing = Arc::clone(&doing);
                async move {
                    let number = number_in(&record);
                    if number % 10 == 7 {
                        return Err(HandlerError::skip("not readable"));
                    }
                    doing.lock().unwrap().insert(number);
                    Ok(())
                }
            })
        });
    let (_control, _running) = start(builder);
    put(&producer, 0..100).await;
    tokio::time::sleep(2 * MINUTE).await;
    let expected: BTreeSet<usize> = (0..100).filter(|number| number % 10 != 7).collect();
    assert_eq!(*done.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn records_that_wait_behind_one_failure_are_not_lost_when_the_next_one_is_passed_over() {
    let (sim, producer) = stream(1);
    let done = Arc::new(Mutex::new(BTreeSet::new()));
    let (doing, skipped) = (Arc::clone(&done), Arc::new(Notify::new()));
    let skips = Arc::clone(&skipped);
    let builder = Worker::builder(APPLICATION, STREAM)
        .aws(&sim.client("w1"))
        .seed(1)
        .max_batch_records(1)
        .on_event(move |event| {
            if matches!(
                event,
                Event::Handler {
                    event: HandlerEvent::Skipped { .. },
                    ..
                }
            ) {
                skips.notify_one();
            }
        })
        .processor(move |_: &ShardContext| {
            let (doing, skipped) = (Arc::clone(&doing), Arc::clone(&skipped));
            PerKey::new(move |record| {
                let (doing, skipped) = (Arc::clone(&doing), Arc::clone(&skipped));
                async move {
                    match number_in(&record) {
                        // When 20 and 40, of its key, wait behind it.
                        0 => tokio::time::sleep(MINUTE).await,
                        // Before 20 is delivered again.
                        30 => skipped.notified().await,
                        number => {
                            doing.lock().unwrap().insert(number);
                            return Ok(());
                        }
                    }
                    Err(HandlerError::skip("not readable"))
                }
            })
        });
    put(&producer, 0..50).await;
    let (_control, _running) = start(builder);
    tokio::time::sleep(5 * MINUTE).await;
    let expected: BTreeSet<usize> = (0..50).filter(|number| ![0, 30].contains(number)).collect();
    assert_eq!(*done.lock().unwrap(), expected);
}
