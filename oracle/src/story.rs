//! A history in the making: facts by short names, for the tests of the rules.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use testkit::Service;
use testkit::kinesis::ShardId;

pub(crate) const FAILOVER: Duration = Duration::from_secs(10);

/// The call that renews a lease.
pub(crate) const RENEW: (Service, &str) = (Service::DynamoDb, "UpdateItem");

/// The call that stores records.
pub(crate) const PUT: (Service, &str) = (Service::Kinesis, "PutRecords");

/// Facts told one after the other; the time between them is told too.
pub(crate) struct Story {
    oracle: Oracle,
    now: Duration,
}

/// The shard with this number.
pub(crate) fn shard(number: u32) -> ShardId {
    ShardId::new(number).unwrap()
}

pub(crate) fn place(sequence_number: u64, sub_sequence_number: u64) -> Place {
    Place {
        sequence_number: sequence_number.to_string().parse().unwrap(),
        sub_sequence_number,
    }
}

/// The position of a record that is no aggregate.
pub(crate) fn at(sequence_number: u64) -> Position {
    Position::At(place(sequence_number, 0))
}

/// The payload of the record that is stored as this number, and no aggregate.
pub(crate) fn payload(sequence_number: u64) -> Digest {
    Digest::of(text(sequence_number).as_bytes())
}

pub(crate) fn text(sequence_number: u64) -> String {
    format!("payload {sequence_number}")
}

pub(crate) fn ownership(worker: &str, number: u32, token: u64) -> Ownership {
    Ownership {
        shard: shard(number),
        token,
        worker: Process::new(worker),
    }
}

pub(crate) fn row(owner: Option<&str>, counter: u64, checkpoint: Position) -> LeaseRow {
    LeaseRow {
        owner: owner.map(Process::new),
        checkpoint_owner: None,
        counter,
        checkpoint,
        pending: None,
        parents: Vec::new(),
        stream_created: None,
    }
}

impl Story {
    pub(crate) fn new() -> Self {
        Self::by(Rules::new(FAILOVER))
    }

    pub(crate) fn by(rules: Rules) -> Self {
        Self {
            oracle: Oracle::new(rules),
            now: Duration::ZERO,
        }
    }

    /// One shard, the records 1 to 6 in it, and the worker a that took its lease with token 1.
    pub(crate) fn of_a_consumer(rules: Rules) -> Self {
        let mut story = Self::by(rules);
        story.create(0, &[], 0..=u128::MAX);
        for number in 1..=6 {
            story.store(0, number);
        }
        story.start("a");
        story.lease("a", 0, row(None, 0, Position::TrimHorizon));
        story.take("a", 1, Position::TrimHorizon);
        story
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Lets so many seconds pass, and is looked at in each.
    pub(crate) fn waits(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.later(1);
            self.oracle.wait(self.now);
        }
    }

    pub(crate) fn tell(&mut self, fact: Fact) {
        self.oracle.tell(self.now, fact);
    }

    pub(crate) fn service(&mut self, fact: ServiceFact) {
        self.tell(Fact::Service(fact));
    }

    pub(crate) fn create(&mut self, number: u32, parents: &[u32], hash_range: std::ops::RangeInclusive<u128>) {
        self.service(ServiceFact::ShardCreated {
            shard: shard(number),
            parents: parents.iter().map(|parent| shard(*parent)).collect(),
            hash_range,
        });
    }

    pub(crate) fn close(&mut self, number: u32) {
        self.service(ServiceFact::ShardClosed { shard: shard(number) });
    }

    /// Stores the record `sequence_number` on its own, under the key "k".
    pub(crate) fn store(&mut self, number: u32, sequence_number: u64) {
        self.store_data(number, sequence_number, text(sequence_number).into());
    }

    pub(crate) fn store_data(&mut self, number: u32, sequence_number: u64, data: Bytes) {
        self.service(ServiceFact::RecordStored {
            shard: shard(number),
            sequence_number: place(sequence_number, 0).sequence_number,
            partition_key: "k".to_owned(),
            data,
        });
    }

    pub(crate) fn fleet(&mut self, fact: FleetFact) {
        self.tell(Fact::Fleet(fact));
    }

    pub(crate) fn start(&mut self, worker: &str) {
        self.fleet(FleetFact::WorkerStarted {
            worker: Process::new(worker),
        });
    }

    pub(crate) fn kill(&mut self, worker: &str) {
        self.fleet(FleetFact::WorkerKilled {
            worker: Process::new(worker),
        });
    }

    pub(crate) fn lease(&mut self, writer: &str, number: u32, after: LeaseRow) {
        self.fleet(FleetFact::LeaseWritten(LeaseWrite {
            writer: Process::new(writer),
            sent: self.now,
            shard: shard(number),
            after: Some(after),
        }));
    }

    pub(crate) fn delete_lease(&mut self, writer: &str, number: u32) {
        self.fleet(FleetFact::LeaseWritten(LeaseWrite {
            writer: Process::new(writer),
            sent: self.now,
            shard: shard(number),
            after: None,
        }));
    }

    /// The worker takes the lease of shard 0, and its processor is initialized. The counter is the token.
    pub(crate) fn take(&mut self, worker: &str, token: u64, checkpoint: Position) {
        self.lease(worker, 0, row(Some(worker), token, checkpoint));
        self.consumer(worker, token, ConsumerFact::Initialized { checkpoint });
    }

    /// Tells of shard 0.
    pub(crate) fn consumer(&mut self, worker: &str, token: u64, fact: ConsumerFact) {
        self.tell(Fact::Consumer(ownership(worker, 0, token), fact));
    }

    /// The handler of shard 0 is called with these records.
    pub(crate) fn offer(&mut self, worker: &str, token: u64, sequence_numbers: impl IntoIterator<Item = u64>) {
        let records = sequence_numbers.into_iter().map(|number| OfferedRecord {
            place: place(number, 0),
            payload: payload(number),
        });
        let (records, lease) = (records.collect(), LeaseClaim::Held);
        self.consumer(worker, token, ConsumerFact::Offered { records, lease });
    }

    pub(crate) fn processed(&mut self, worker: &str, token: u64) {
        self.consumer(worker, token, ConsumerFact::Processed { through: None });
    }

    /// Offers and processes.
    pub(crate) fn work(&mut self, worker: &str, token: u64, sequence_numbers: impl IntoIterator<Item = u64>) {
        self.offer(worker, token, sequence_numbers);
        self.processed(worker, token);
    }

    /// A call was applied at this second without its caller's knowing.
    pub(crate) fn unacknowledged(&mut self, caller: &str, call: (Service, &str), applied: u64) {
        self.missed(caller, call, applied, Missed::NoReply);
    }

    /// A call was applied at this second, and this is why its caller does not know it in time.
    pub(crate) fn missed(
        &mut self,
        caller: &str,
        (service, operation): (Service, &str),
        applied: u64,
        because: Missed,
    ) {
        self.fleet(FleetFact::Unacknowledged {
            caller: Process::new(caller),
            service,
            operation: operation.to_owned(),
            applied: Duration::from_secs(applied),
            because,
        });
    }

    pub(crate) fn producer(&mut self, fact: ProducerFact) {
        self.tell(Fact::Producer(Process::new("p"), fact));
    }

    /// The producer accepts the record that will be stored as `number`, under the key "k".
    pub(crate) fn accept(&mut self, number: u64) {
        self.accept_with_key(number, "k");
    }

    pub(crate) fn accept_with_key(&mut self, number: u64, partition_key: &str) {
        self.producer(ProducerFact::Accepted(AcceptedRecord {
            record: RecordId(number),
            partition_key: partition_key.to_owned(),
            explicit_hash_key: None,
            payload: payload(number),
        }));
    }

    pub(crate) fn deliver(&mut self, number: u64, place: Place) {
        self.producer(ProducerFact::Delivered {
            record: RecordId(number),
            shard: shard(0),
            place,
        });
    }

    pub(crate) fn give_back(&mut self, number: u64, stored: Stored) {
        self.producer(ProducerFact::Returned {
            record: RecordId(number),
            reason: "refused".to_owned(),
            stored,
        });
    }

    /// The rules that were found broken so far.
    pub(crate) fn broken(&self) -> Vec<Rule> {
        self.oracle
            .violations()
            .iter()
            .map(|violation| violation.rule)
            .collect()
    }

    pub(crate) fn assert_kept(&self) {
        assert_eq!(self.oracle.violations(), []);
    }

    pub(crate) fn finish(self, ending: Ending) -> Report {
        self.oracle.finish(self.now, ending)
    }
}
