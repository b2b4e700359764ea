//! The blocking producer against services behind sockets, in real time.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{Config, Region};
use bytes::Bytes;
use futures::future::BoxFuture;
use testkit::Service;
use testkit::sandbox::{FaultRule, Sandbox};
use testkit::sim::Fault;
use tokio::runtime::Runtime;

use super::{FlushError, Producer};
use crate::budget::Budget;
use crate::driver::ShutdownEnd;
use crate::error::EncodeError;
use crate::error::{BuildErrorKind, PutErrorKind};
use crate::producer::builder::ProducerBuilder;
use crate::producer::encoding::PayloadEncoder;
use crate::record::Record;

const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3_600);

/// Services on a runtime of their own, with one stream.
struct World {
    sandbox: Sandbox,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let sandbox = runtime.block_on(Sandbox::start()).unwrap();
        let client = Client::new(&sandbox.sdk_config());
        runtime
            .block_on(client.create_stream().stream_name("orders").shard_count(2).send())
            .unwrap();
        Self { sandbox, runtime }
    }

    fn builder(&self) -> ProducerBuilder {
        let builder = Producer::builder("orders").aws(&self.sandbox.sdk_config());
        builder.stream_not_found_grace(PATIENCE)
    }

    /// `PutRecords` fails until `heal`, in a way that is tried again.
    fn outage(&self) {
        let rule = FaultRule::new(Service::Kinesis, Fault::RequestLost);
        let rule = rule.operation("PutRecords").times(u32::MAX);
        self.sandbox.faults(|faults| faults.push(rule)).unwrap();
    }

    fn heal(&self) {
        self.sandbox.faults(testkit::sandbox::Faults::clear);
    }

    fn stored(&self) -> u64 {
        self.sandbox.kinesis(|kinesis| kinesis.stored_count("orders"))
    }
}

/// A producer whose service cannot be reached.
fn nowhere() -> ProducerBuilder {
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"));
    Producer::builder("orders").client(Client::from_conf(config.build()))
}

/// Asks a registry, which takes a moment, and refuses what is empty.
struct Registry;

impl PayloadEncoder for Registry {
    fn encode<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Bytes, EncodeError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match record.data().len() {
                0 => Err("nothing to encode".into()),
                _ => Ok([b"schema ", &record.data()[..]].concat().into()),
            }
        })
    }
}

fn record(n: usize) -> Record {
    Record::new(format!("key-{n}"), n.to_string())
}

#[test]
fn records_are_put_and_waited_for_without_a_runtime() {
    let world = World::new();
    let producer = world.builder().build_blocking().unwrap();
    let mut receipts: Vec<_> = (0..100).map(|n| producer.put(record(n)).unwrap()).collect();
    receipts.extend(producer.put_all((100..200).map(record)).into_iter().map(Result::unwrap));
    receipts.push(producer.try_put(record(200)).unwrap());
    for receipt in &mut receipts {
        let delivered = receipt.wait().unwrap();
        assert_eq!(receipt.wait_timeout(Duration::ZERO).unwrap().unwrap(), delivered);
    }
    assert!(world.stored() < 20, "records travel in aggregates");
}

#[test]
fn put_waits_for_room_that_try_put_does_not_find() {
    let world = World::new();
    let producer = world.builder().budget(Budget::new(1_000, 1)).build_blocking().unwrap();
    world.outage();
    let first = producer.put(record(0)).unwrap();
    let full = producer.try_put(record(1)).unwrap_err();
    assert_eq!(full.kind(), &PutErrorKind::Full);
    let other = producer.clone();
    let waiting = std::thread::spawn(move || other.put(full.into_record()));
    world.heal();
    assert!(waiting.join().unwrap().unwrap().wait().is_ok());
    drop(first);
    assert_eq!(world.stored(), 2);
}

#[test]
fn flush_is_a_barrier_with_a_time_limit() {
    let world = World::new();
    let producer = world.builder().record_max_buffered_time(HOUR).build_blocking().unwrap();
    world.outage();
    let mut receipt = producer.put(record(0)).unwrap();
    assert_eq!(producer.flush(Duration::from_millis(10)), Err(FlushError::TimedOut));
    assert!(receipt.wait_timeout(Duration::from_millis(1)).is_none());
    world.heal();
    producer.flush(PATIENCE).unwrap();
    assert!(receipt.wait_timeout(Duration::ZERO).unwrap().is_ok());
}

#[test]
fn a_shutdown_gives_back_what_it_cannot_deliver_and_ends_the_producer() {
    // Nothing is sent, so that it matters neither where the service is nor how long anything takes.
    let nowhere = Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"));
    let builder = Producer::builder("orders").client(Client::from_conf(nowhere.build()));
    let producer = builder.record_max_buffered_time(HOUR).build_blocking().unwrap();
    let mut receipt = producer.put(record(0)).unwrap();
    let report = producer.shutdown(Duration::ZERO);
    assert_eq!((report.end, report.returned.len()), (ShutdownEnd::DeadlinePassed, 1));
    assert_eq!(receipt.wait().unwrap_err().record(), &record(0));
    assert_eq!(producer.put(record(1)).unwrap_err().kind(), &PutErrorKind::ShutDown);
    assert_eq!(producer.flush(HOUR), Err(FlushError::Ended));
    assert_eq!(producer.shutdown(HOUR).end, ShutdownEnd::EndedBefore);
}

#[test]
fn inside_a_task_of_a_runtime_its_calls_hold_up_the_thread_and_come_back() {
    let world = World::new();
    let producer = world.builder().build_blocking().unwrap();
    let delivered = world.runtime.block_on(async {
        let receipts: Vec<_> = (0..500).map(|n| producer.put(record(n)).unwrap()).collect();
        receipts
            .into_iter()
            .map(|mut receipt| receipt.wait())
            .filter(Result::is_ok)
            .count()
    });
    assert_eq!(delivered, 500);
}

#[test]
fn records_pass_through_an_encoder_that_needs_a_runtime() {
    let producer = nowhere().record_max_buffered_time(HOUR).build_blocking().unwrap();
    let encoding = producer.encoding(Registry);
    let mut receipts = vec![encoding.put(record(0)).unwrap()];
    let empty = Record::new("key", "");
    let mut answers = encoding.put_all([record(1), empty.clone()]);
    let refused = answers.pop().unwrap().unwrap_err();
    assert_eq!(
        (refused.kind(), refused.record()),
        (&PutErrorKind::EncodingFailed, &empty)
    );
    receipts.extend(answers.into_iter().map(Result::unwrap));
    receipts.push(producer.try_put(encoding.encode(record(2)).unwrap()).unwrap());
    encoding.producer().shutdown(Duration::ZERO);
    let returned: Vec<_> = receipts
        .iter_mut()
        .map(|receipt| receipt.wait().unwrap_err().into_record())
        .collect();
    let encoded = [0, 1, 2].map(|n| Record::new(format!("key-{n}"), format!("schema {n}")));
    assert_eq!(returned, encoded);
    drop(producer);
    let late = encoding.put(record(3)).unwrap_err();
    assert_eq!(
        late.kind(),
        &PutErrorKind::ShutDown,
        "the encoder has its runtime to the end"
    );
}

#[test]
fn the_last_drop_waits_until_the_records_are_delivered() {
    let world = World::new();
    let producer = world.builder().record_max_buffered_time(HOUR).build_blocking().unwrap();
    drop(producer.clone().put(record(0)).unwrap());
    drop(producer);
    assert_eq!(world.stored(), 1);
}

#[test]
fn inside_a_runtime_it_is_refused_and_a_drop_there_neither_waits_nor_panics() {
    let world = World::new();
    let refused = world.runtime.block_on(async { world.builder().build_blocking() });
    assert_eq!(refused.unwrap_err().kind(), &BuildErrorKind::InsideRuntime);
    let producer = world.builder().record_max_buffered_time(HOUR).build_blocking().unwrap();
    let mut receipt = producer.put(record(0)).unwrap();
    world.outage();
    world.runtime.block_on(async move { drop(producer) });
    world.heal();
    assert!(receipt.wait().is_ok(), "it is delivered all the same");
}

#[test]
fn an_option_out_of_range_is_refused_by_the_thread_that_has_started() {
    let world = World::new();
    let refused = world.builder().collection_max_count(501).build_blocking().unwrap_err();
    assert!(matches!(refused.kind(), BuildErrorKind::OutOfRange { .. }));
}
