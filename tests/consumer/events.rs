//! What a listener is told, in which order, and how often.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::event::{HandlerEvent, Hold, ShardEvent, WorkerEvent};
use kcl::{
    Batch, Checkpointer, Event, HandlerError, RecordProcessor, StartingPosition, Worker, WorkerBuilder, WorkerControl,
};
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use super::lease_table::leave_a_table;
use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, put, start, stream, worker};

/// What a worker told, each event with the virtual time.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Duration, Event)>>>);

impl Told {
    fn listen(&self, sim: &Sim, builder: WorkerBuilder) -> WorkerBuilder {
        let (told, sim) = (Arc::clone(&self.0), sim.clone());
        builder.on_event(move |event| {
            let now = sim.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            told.lock().unwrap().push((now, event.clone()));
        })
    }

    /// What `select` makes of the events, where it makes something.
    fn of<T>(&self, select: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        let told = self.0.lock().unwrap();
        told.iter().filter_map(|(_, event)| select(event)).collect()
    }

    /// The times between the events that are meant, in whole seconds.
    fn seconds_between(&self, is_meant: impl Fn(&Event) -> bool) -> Vec<u64> {
        let told = self.0.lock().unwrap();
        let times: Vec<_> = told
            .iter()
            .filter(|(_, event)| is_meant(event))
            .map(|(at, _)| *at)
            .collect();
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }
}

/// The first word of an event's variant.
fn name(event: &Event) -> Option<String> {
    let text = match event {
        Event::Worker(event) => format!("Worker {event:?}"),
        Event::Fleet(event) => format!("Fleet {event:?}"),
        Event::Lease(event) => format!("Lease {event:?}"),
        Event::Shard { event, .. } => format!("Shard {event:?}"),
        Event::Handler { event, .. } => format!("Handler {event:?}"),
        other => unreachable!("{other:?}"),
    };
    text.split(" {").next().map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_begins_reads_and_is_stopped_tells_of_each_step_and_of_nothing_else() {
    let (sim, producer) = stream(1);
    let (journal, told) = (Journal::default(), Told::default());
    let places = put(&producer, 0..10).await;
    let builder = told.listen(&sim, worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (control, running) = start(builder);
    journal.until("all records", |journal| journal.read() == places).await;
    tokio::time::sleep(10 * MINUTE).await;
    control.shutdown(MINUTE);
    running.await.unwrap().unwrap();
    let expected = [
        "Lease Created",
        "Worker Started",
        "Lease Taken",
        "Shard ReadingBegins",
        "Lease Released",
        "Worker Ended",
    ];
    assert_eq!(told.of(name), expected);
}

/// Fails each time, for two reasons.
struct Failing;

#[derive(Debug)]
struct NoDisk;

impl std::fmt::Display for NoDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot store the record")
    }
}

impl std::error::Error for NoDisk {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        static FULL: std::fmt::Error = std::fmt::Error;
        Some(&FULL)
    }
}

impl RecordProcessor for Failing {
    async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        Err(NoDisk.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_halted_shard_tells_its_position_and_the_whole_cause_at_once_and_each_five_minutes() {
    let (sim, producer) = stream(1);
    let told = Told::default();
    let places = put(&producer, 0..1).await;
    let builder = Worker::builder(APPLICATION, STREAM).aws(&sim.client("w1")).seed(1);
    let (_control, _running) = start(told.listen(&sim, builder.processor(|_| Failing)));
    tokio::time::sleep(20 * MINUTE).await;
    let halted = told.of(|event| {
        let Event::Handler { shard, event } = event else {
            return None;
        };
        let HandlerEvent::Halted {
            position,
            failures,
            error,
        } = event
        else {
            return None;
        };
        Some((
            shard.shard.to_string(),
            position.clone().unwrap(),
            *failures,
            error.clone(),
        ))
    });
    let cause = format!("cannot store the record: {}", std::fmt::Error);
    for (n, (shard, position, failures, error)) in halted.iter().enumerate() {
        let number = position.sequence_number.to_string();
        assert!(places.contains(&(shard.clone(), number, position.sub_sequence_number)));
        assert_eq!((*failures, error), (8 + u32::try_from(n).unwrap(), &cause));
    }
    let is_halt = |event: &Event| {
        matches!(
            event,
            Event::Handler {
                event: HandlerEvent::Halted { .. },
                ..
            }
        )
    };
    assert_eq!(told.seconds_between(is_halt), [300, 300, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_throttled_all_the_time_tells_it_once_in_ten_seconds_and_how_often_it_was() {
    let (sim, producer) = stream(2);
    let (journal, told) = (Journal::default(), Told::default());
    put(&producer, 0..10).await;
    let throttled = Arc::new(Mutex::new(0));
    let counting = Arc::clone(&throttled);
    sim.faults(move |call| match call.operation {
        "GetRecords" => {
            *counting.lock().unwrap() += 1;
            Fault::throttled()
        }
        _ => Fault::None,
    });
    let builder = told.listen(&sim, worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_control, _running) = start(builder);
    tokio::time::sleep(5 * MINUTE).await;
    let repeats = told.of(|event| {
        let Event::Shard { event, .. } = event else { return None };
        let ShardEvent::ReadFailed { repeated, .. } = event else {
            return None;
        };
        Some(*repeated)
    });
    assert!((20..=2 * 30).contains(&repeats.len()), "{repeats:?}");
    for shard in 0..2 {
        let is_of_shard = |event: &Event| {
            let id = event.shard().map(|shard| shard.shard.to_string());
            let is_meant = matches!(
                event,
                Event::Shard {
                    event: ShardEvent::ReadFailed { .. },
                    ..
                }
            );
            is_meant && id == Some(format!("shardId-00000000000{shard}"))
        };
        let between = told.seconds_between(is_of_shard);
        assert!(between.iter().all(|seconds| *seconds >= 10), "{between:?}");
    }
    let counted = repeats.len() as u64 + repeats.iter().sum::<u64>();
    let throttled: u64 = *throttled.lock().unwrap();
    assert!((counted..counted + 20).contains(&throttled), "{counted} of {throttled}");
}

async fn set_checkpoint(sim: &Sim, checkpoint: &str) {
    let client = aws_sdk_dynamodb::Client::new(&sim.client("operator"));
    let update = client
        .update_item()
        .table_name(APPLICATION)
        .key("leaseKey", AttributeValue::S("shardId-000000000000".into()))
        .update_expression("SET checkpoint = :c")
        .expression_attribute_values(":c", AttributeValue::S(checkpoint.into()));
    update.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_the_service_refuses_is_told_with_row_value_and_cure_and_each_five_minutes() {
    let (sim, producer) = stream(1);
    let (journal, told) = (Journal::default(), Told::default());
    put(&producer, 0..10).await;
    leave_a_table(&sim, &journal).await;
    set_checkpoint(&sim, "12345").await;
    let builder = told.listen(&sim, worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
    let (_control, _running) = start(builder);
    tokio::time::sleep(16 * MINUTE).await;
    let holds = told.of(|event| {
        let Event::Shard { event, .. } = event else { return None };
        let ShardEvent::OnHold { reason, row, position } = event else {
            return None;
        };
        Some((*reason, row.as_str().to_owned(), position.clone()))
    });
    assert!((3..=4).contains(&holds.len()), "{holds:?}");
    let expected = (
        Hold::PositionRefused,
        "shardId-000000000000".to_owned(),
        "12345".to_owned(),
    );
    assert!(holds.iter().all(|hold| *hold == expected), "{holds:?}");
    let cure = Hold::PositionRefused.to_string();
    assert!(
        cure.contains("correct the row's checkpoint") && cure.contains("or delete the row"),
        "{cure}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_starting_position_that_existing_leases_overrule_is_told_if_it_was_set() {
    let (sim, producer) = stream(3);
    let journal = Journal::default();
    put(&producer, 0..50).await;
    leave_a_table(&sim, &journal).await;
    for (position, expected) in [(None, 0), (Some(StartingPosition::Latest), 1)] {
        let told = Told::default();
        let builder = told.listen(&sim, worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch));
        let builder = match position {
            Some(position) => builder.start_at(position),
            None => builder,
        };
        let (control, running) = start(builder);
        tokio::time::sleep(Duration::from_secs(5)).await;
        control.shutdown(MINUTE);
        running.await.unwrap().unwrap();
        let overruled = told.of(|event| {
            let Event::Worker(event) = event else { return None };
            let WorkerEvent::StartOverruled { start_at, leases, .. } = event else {
                return None;
            };
            Some((start_at.to_string(), *leases))
        });
        assert_eq!(overruled, vec![("LATEST".to_owned(), 3); expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_ends_the_pause_of_which_it_is_told_hears_the_end_after_the_pause_of_each_shard() {
    let (sim, _producer) = stream(3);
    let (journal, told) = (Journal::default(), Arc::new(Mutex::new(Vec::new())));
    let (control_of, telling) = (Arc::<OnceLock<WorkerControl>>::default(), Arc::clone(&told));
    let control = Arc::clone(&control_of);
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch).on_event(move |event| {
        let Event::Shard { shard, event } = event else { return };
        if !matches!(event, ShardEvent::Paused | ShardEvent::Resumed) {
            return;
        }
        let mut told = telling.lock().unwrap();
        told.push((shard.shard.to_string(), event.clone()));
        let is_first = told.len() == 1;
        drop(told);
        if is_first {
            control.get().unwrap().resume();
        }
    });
    let (control, _running) = start(builder);
    tokio::time::sleep(MINUTE).await;
    control_of.set(control.clone()).unwrap();
    control.pause();
    let told = told.lock().unwrap();
    for shard in control.shards() {
        let id = shard.shard.shard.to_string();
        let of_shard: Vec<_> = told.iter().filter(|(of, _)| *of == id).map(|(_, told)| told).collect();
        assert_eq!(of_shard, [&ShardEvent::Paused, &ShardEvent::Resumed], "{id}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_costs_no_record() {
    let (sim, producer) = stream(2);
    let journal = Journal::default();
    let builder = worker(&sim, "w1", &journal, Checkpoints::AfterEachBatch);
    let (control, running) = start(builder.on_event(|_| panic!("on purpose")));
    let places = put(&producer, 0..100).await;
    journal.until("all records", |journal| journal.read() == places).await;
    control.shutdown(MINUTE);
    assert_eq!(running.await.unwrap().unwrap().released.len(), 2);
}
