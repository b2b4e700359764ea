//! Workers of a fleet by the rule of KCL 3.x: who reads what, who leads, and who is dead.
//!
//! By subject: `rule`, `sharing`, `deaths`, `faults`, `shard_ends`, `leaving`, `beside_java`. This file has a fleet whose workers can be started, killed and looked at.

mod beside_java;
mod deaths;
mod faults;
mod leaving;
mod rule;
mod shard_ends;
mod sharing;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{Coordination, RunError, ShutdownReport, WorkerBuilder, WorkerControl};
use kpl::Producer;
use testkit::sim::Sim;
use tokio::task::JoinHandle;

use crate::fleet::{APPLICATION, Checkpoints, Journal, STREAM, start, worker};

const SECOND: Duration = Duration::from_secs(1);

/// The failover time of the workers.
const FAILOVER: Duration = Duration::from_secs(10);

type Row = BTreeMap<String, AttributeValue>;

/// A fleet on one stream.
struct Fleet {
    sim: Sim,
    producer: Producer,
    journal: Journal,
    workers: BTreeMap<String, Member>,
}

struct Member {
    control: WorkerControl,
    running: JoinHandle<Result<ShutdownReport, RunError>>,
}

impl Fleet {
    /// A stream with this number of shards, and no worker.
    fn new(shards: usize) -> Self {
        let sim = Sim::new(11);
        sim.create_stream(STREAM, shards).unwrap();
        let producer = Producer::builder(STREAM).aws(&sim.client("producer")).seed(11).build();
        Self {
            producer: producer.unwrap(),
            sim,
            journal: Journal::default(),
            workers: BTreeMap::new(),
        }
    }

    /// A worker that follows the 3.x rule.
    fn worker(&self, name: &str) -> WorkerBuilder {
        worker(&self.sim, name, &self.journal, Checkpoints::AfterEachBatch).coordination(Coordination::Kcl3)
    }

    fn start(&mut self, name: &str) {
        self.start_as(name, self.worker(name));
    }

    fn start_as(&mut self, name: &str, builder: WorkerBuilder) {
        let (control, running) = start(builder);
        self.workers.insert(name.to_owned(), Member { control, running });
    }

    /// Ends a worker on the spot, as a crash of its process would.
    fn kill(&mut self, name: &str) {
        self.workers.remove(name).unwrap().running.abort();
    }

    /// Ends a worker in an orderly way.
    async fn stop(&mut self, name: &str) -> Result<ShutdownReport, RunError> {
        let Member { control, running } = self.workers.remove(name).unwrap();
        control.shutdown(60 * SECOND);
        running.await.unwrap()
    }

    fn control(&self, name: &str) -> &WorkerControl {
        &self.workers[name].control
    }

    /// How many shards each worker reads.
    fn counts(&self) -> Vec<usize> {
        let members = self.workers.values();
        members.map(|member| member.control.shards().len()).collect()
    }

    /// Waits until each shard is read by one of the workers, all of them have the same number within one, and that is so for
    /// a second. Returns how long it took.
    async fn until_level(&self, shards: usize) -> Duration {
        let is_level = |counts: &[usize]| {
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            counts.iter().sum::<usize>() == shards && most - least <= 1
        };
        self.until("all shards are read and level", || is_level(&self.counts()))
            .await
    }

    /// Waits until each shard is read by a worker. Returns how long it took.
    async fn until_all_are_read(&self, shards: usize) -> Duration {
        self.until("all shards are read", || self.counts().iter().sum::<usize>() == shards)
            .await
    }

    /// Names another owner in the row of a lease, as an assignment does. Returns its key.
    async fn give_away(&self, to: &str) -> String {
        let rows = self.rows().await;
        let (key, row) = rows.iter().find(|(_, row)| row.contains_key("leaseOwner")).unwrap();
        assert_ne!(text(row, "leaseOwner"), to);
        let client = aws_sdk_dynamodb::Client::new(&self.sim.client("operator"));
        let given = client.update_item().table_name(APPLICATION);
        let given = given.key("leaseKey", AttributeValue::S(key.clone()));
        let given = given.update_expression("SET leaseOwner = :to ADD leaseCounter :one");
        let given = given.expression_attribute_values(":to", AttributeValue::S(to.to_owned()));
        let given = given.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        given.send().await.unwrap();
        key.clone()
    }

    /// Waits (in virtual time) until `done` says so; fails after five virtual minutes. Returns how long it took.
    async fn until(&self, what: &str, done: impl Fn() -> bool) -> Duration {
        let begun = self.sim.elapsed();
        for _ in 0..3_000 {
            if done() {
                return self.sim.elapsed() - begun;
            }
            tokio::time::sleep(SECOND / 10).await;
        }
        panic!("not in time: {what}; shards by worker: {:?}", self.counts());
    }

    /// The rows of the lease table, by their keys.
    async fn rows(&self) -> BTreeMap<String, Row> {
        let client = aws_sdk_dynamodb::Client::new(&self.sim.client("operator"));
        let mut rows = BTreeMap::new();
        let mut from = None;
        loop {
            let scan = client.scan().table_name(APPLICATION).set_exclusive_start_key(from);
            let page = scan.send().await.unwrap();
            for row in page.items() {
                let row: Row = row.clone().into_iter().collect();
                rows.insert(row["leaseKey"].as_s().unwrap().clone(), row);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return rows;
            }
        }
    }

    /// Deletes a row of the lease table, as an operator would.
    async fn delete_row(&self, key: &str) {
        let client = aws_sdk_dynamodb::Client::new(&self.sim.client("operator"));
        let delete = client.delete_item().table_name(APPLICATION);
        let delete = delete.key("leaseKey", AttributeValue::S(key.to_owned()));
        delete.send().await.unwrap();
    }

    /// The worker that holds the leader's lock.
    async fn leader(&self) -> Option<String> {
        let rows = self.rows().await;
        Some(text(rows.get("Leader")?, "ownerName").to_owned())
    }
}

fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row[name].as_s().unwrap()
}
