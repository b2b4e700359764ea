//! A naive fleet that keeps all promises is never blamed; the same history with one lie in it always is.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;

use super::story::{FAILOVER, at, ownership, payload, place, row, shard, text};
use super::*;
use testkit::kinesis::ShardId;

/// A fact and its time.
type Told = (Duration, Fact);

/// Two workers and a producer, which do everything one after the other.
struct Fleet {
    history: Vec<Told>,
    now: Duration,
    next_number: u64,
    /// The shards that were not read to their ends, each with the records that lie behind its checkpoint.
    shards: Vec<Reading>,
    next_shard: u32,
}

struct Reading {
    number: u32,
    owner: usize,
    counter: u64,
    token: u64,
    checkpoint: Position,
    /// Stored and not checkpointed; the first `seen` of them were processed.
    behind: Vec<u64>,
    seen: usize,
}

const WORKERS: [&str; 2] = ["a", "b"];

/// What the fleet does next; the numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Produce(Index),
    Read(Index, Index),
    Fail(Index),
    Checkpoint(Index, Index),
    Expire(Index),
    Release(Index),
    Split(Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<Index>().prop_map(Step::Produce),
        4 => any::<(Index, Index)>().prop_map(|(shard, count)| Step::Read(shard, count)),
        1 => any::<Index>().prop_map(Step::Fail),
        3 => any::<(Index, Index)>().prop_map(|(shard, count)| Step::Checkpoint(shard, count)),
        1 => any::<Index>().prop_map(Step::Expire),
        1 => any::<Index>().prop_map(Step::Release),
        1 => any::<Index>().prop_map(Step::Split),
    ]
}

impl Fleet {
    fn run(steps: &[Step]) -> Self {
        let mut fleet = Self {
            history: Vec::new(),
            now: Duration::ZERO,
            next_number: 1,
            shards: Vec::new(),
            next_shard: 0,
        };
        for worker in WORKERS {
            let worker = Process::new(worker);
            fleet.tell(Fact::Fleet(FleetFact::WorkerStarted { worker }));
        }
        fleet.open(&[], 0..=u128::MAX, 0);
        for step in steps {
            fleet.step(step);
        }
        // A record to read at least, so that there is something to lie about.
        fleet.produce(0);
        for place in 0..fleet.shards.len() {
            fleet.read(place, usize::MAX);
            fleet.checkpoint(place, usize::MAX);
        }
        fleet.tell(Fact::Producer(Process::new("p"), ProducerFact::ShutDown));
        fleet
    }

    fn step(&mut self, step: &Step) {
        let count = self.shards.len();
        match step {
            Step::Produce(shard) => self.produce(shard.index(count)),
            Step::Read(shard, records) => self.read(shard.index(count), records.index(5)),
            Step::Fail(shard) => self.fail(shard.index(count)),
            Step::Checkpoint(shard, records) => self.checkpoint(shard.index(count), records.index(5)),
            Step::Expire(shard) => {
                let place = shard.index(count);
                self.now += FAILOVER + Duration::from_secs(1);
                let other = 1 - self.shards[place].owner;
                self.take(place, other);
                self.renew_all();
            }
            Step::Release(shard) => {
                let place = shard.index(count);
                let reading = &mut self.shards[place];
                reading.counter += 1;
                let (number, owner) = (reading.number, reading.owner);
                let released = row(None, reading.counter, reading.checkpoint);
                self.write(number, owner, released);
                self.take(place, 1 - owner);
            }
            Step::Split(shard) => self.split(shard.index(count)),
        }
    }

    fn tell(&mut self, fact: Fact) {
        self.now += Duration::from_millis(1);
        self.history.push((self.now, fact));
    }

    fn open(&mut self, parents: &[u32], hash_range: std::ops::RangeInclusive<u128>, owner: usize) {
        let number = self.next_shard;
        self.next_shard += 1;
        self.tell(Fact::Service(ServiceFact::ShardCreated {
            shard: shard(number),
            parents: parents.iter().map(|parent| shard(*parent)).collect(),
            hash_range,
        }));
        self.write(number, owner, row(None, 0, Position::TrimHorizon));
        self.shards.push(Reading {
            number,
            owner,
            counter: 0,
            token: 0,
            checkpoint: Position::TrimHorizon,
            behind: Vec::new(),
            seen: 0,
        });
        self.take(self.shards.len() - 1, owner);
    }

    fn produce(&mut self, place_in_list: usize) {
        let number = self.next_number;
        self.next_number += 1;
        self.shards[place_in_list].behind.push(number);
        let stored_in = shard(self.shards[place_in_list].number);
        let (producer, record) = (Process::new("p"), RecordId(number));
        let accepted = AcceptedRecord {
            record,
            partition_key: "k".to_owned(),
            explicit_hash_key: None,
            payload: payload(number),
        };
        self.tell(Fact::Producer(producer.clone(), ProducerFact::Accepted(accepted)));
        let place = place(number, 0);
        self.tell(Fact::Service(ServiceFact::RecordStored {
            shard: stored_in,
            sequence_number: place.sequence_number,
            partition_key: "k".to_owned(),
            data: text(number).into(),
        }));
        let delivered = ProducerFact::Delivered {
            record,
            shard: stored_in,
            place,
        };
        self.tell(Fact::Producer(producer, delivered));
    }

    fn read(&mut self, place_in_list: usize, most: usize) {
        if self.offer(place_in_list, most) {
            self.consumer(place_in_list, ConsumerFact::Processed { through: None });
            let reading = &mut self.shards[place_in_list];
            reading.seen = reading.behind.len().min(reading.seen.saturating_add(most));
        }
    }

    fn fail(&mut self, place_in_list: usize) {
        if self.offer(place_in_list, 3) {
            self.consumer(place_in_list, ConsumerFact::Failed);
        }
    }

    fn offer(&mut self, place_in_list: usize, most: usize) -> bool {
        let reading = &self.shards[place_in_list];
        let fresh = reading.behind.iter().skip(reading.seen).take(most);
        let records: Vec<_> = fresh
            .map(|number| OfferedRecord {
                place: place(*number, 0),
                payload: payload(*number),
            })
            .collect();
        let any = !records.is_empty();
        if any {
            let lease = LeaseClaim::Held;
            self.consumer(place_in_list, ConsumerFact::Offered { records, lease });
        }
        any
    }

    fn checkpoint(&mut self, place_in_list: usize, most: usize) {
        let reading = &mut self.shards[place_in_list];
        let count = reading.seen.min(most);
        let Some(last) = reading.behind.drain(..count).next_back() else {
            return;
        };
        reading.seen -= count;
        reading.checkpoint = at(last);
        let position = reading.checkpoint;
        self.renew(place_in_list);
        self.consumer(place_in_list, ConsumerFact::CheckpointAcknowledged { position });
    }

    fn take(&mut self, place_in_list: usize, worker: usize) {
        let reading = &mut self.shards[place_in_list];
        reading.owner = worker;
        reading.seen = 0;
        reading.token = reading.counter + 1;
        let checkpoint = reading.checkpoint;
        self.renew(place_in_list);
        self.consumer(place_in_list, ConsumerFact::Initialized { checkpoint });
    }

    fn renew_all(&mut self) {
        (0..self.shards.len()).for_each(|place| self.renew(place));
    }

    fn renew(&mut self, place_in_list: usize) {
        let reading = &mut self.shards[place_in_list];
        reading.counter += 1;
        let (number, owner) = (reading.number, reading.owner);
        let renewed = row(Some(WORKERS[owner]), reading.counter, reading.checkpoint);
        self.write(number, owner, renewed);
    }

    fn write(&mut self, number: u32, writer: usize, after: LeaseRow) {
        self.tell(Fact::Fleet(FleetFact::LeaseWritten(LeaseWrite {
            writer: Process::new(WORKERS[writer]),
            sent: self.now,
            shard: shard(number),
            after: Some(after),
        })));
    }

    fn consumer(&mut self, place_in_list: usize, fact: ConsumerFact) {
        let Reading {
            number, owner, token, ..
        } = self.shards[place_in_list];
        self.tell(Fact::Consumer(ownership(WORKERS[owner], number, token), fact));
    }

    /// The shard ends and is read to its end; then its children are there.
    fn split(&mut self, place_in_list: usize) {
        let number = self.shards[place_in_list].number;
        self.tell(Fact::Service(ServiceFact::ShardClosed { shard: shard(number) }));
        self.read(place_in_list, usize::MAX);
        self.consumer(place_in_list, ConsumerFact::ShardEnded);
        self.shards[place_in_list].checkpoint = Position::ShardEnd;
        self.renew(place_in_list);
        let owner = self.shards.remove(place_in_list).owner;
        self.open(&[number], 0..=99, owner);
        self.open(&[number], 100..=u128::MAX, 1 - owner);
    }
}

/// One lie. Not every history has room for each.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// A handler never returned from its batch.
    ProcessedForgotten,
    /// A checkpoint names what was not stored yet.
    CheckpointTooFar,
    /// A record is offered that lies one further on.
    RecordLeftOut,
    /// The lease had expired when a batch was offered.
    OfferedTooLate,
    /// A receipt names a place where nothing is.
    DeliveredNowhere,
    /// A receipt never came.
    DeliveryForgotten,
    /// A receipt came twice.
    DeliveredTwice,
    /// The parent's checkpoint at its end was never written.
    ParentNotEnded,
    /// The new owner has no larger token.
    TokenOfOthers,
    /// A batch is offered a second time.
    OfferedTwice,
}

const LIES: [Lie; 10] = [
    Lie::ProcessedForgotten,
    Lie::CheckpointTooFar,
    Lie::RecordLeftOut,
    Lie::OfferedTooLate,
    Lie::DeliveredNowhere,
    Lie::DeliveryForgotten,
    Lie::DeliveredTwice,
    Lie::ParentNotEnded,
    Lie::TokenOfOthers,
    Lie::OfferedTwice,
];

impl Lie {
    /// Tells it at the chosen one of the facts that it can twist. `false` if there is none.
    fn tell(self, history: &mut Vec<Told>, choice: Index) -> bool {
        let places: Vec<_> = (0..history.len()).filter(|place| self.fits(history, *place)).collect();
        if places.is_empty() {
            return false;
        }
        let place = *choice.get(&places);
        match (self, &mut history[place].1) {
            (Self::ProcessedForgotten | Self::DeliveryForgotten | Self::ParentNotEnded, _) => {
                history.remove(place);
            }
            (Self::CheckpointTooFar, Fact::Fleet(FleetFact::LeaseWritten(write))) => {
                write.after.as_mut().unwrap().checkpoint = at(1_000_000);
            }
            (Self::RecordLeftOut, Fact::Consumer(_, ConsumerFact::Offered { records, .. })) => {
                records.remove(0);
            }
            (Self::OfferedTooLate, _) => {
                for (at, _) in history.iter_mut().skip(place) {
                    *at += FAILOVER * 2;
                }
            }
            (Self::DeliveredNowhere, Fact::Producer(_, ProducerFact::Delivered { place, .. })) => {
                place.sub_sequence_number += 1;
            }
            (Self::DeliveredTwice, _) => history.insert(place, history[place].clone()),
            (Self::TokenOfOthers, _) => {
                let (at, Fact::Consumer(owner, initialized)) = history[place].clone() else {
                    unreachable!()
                };
                let stranger = Ownership {
                    worker: Process::new("stranger"),
                    ..owner
                };
                history.insert(place + 1, (at, Fact::Consumer(stranger, initialized)));
            }
            (Self::OfferedTwice, _) => {
                // With its end.
                let batch = [history[place].clone(), history[place + 1].clone()];
                history.splice(place + 2..place + 2, batch);
            }
            (lie, fact) => unreachable!("{lie:?} does not fit {fact:?}"),
        }
        true
    }

    fn fits(self, history: &[Told], place: usize) -> bool {
        let next = history.get(place + 1).map(|(_, fact)| fact);
        match (self, &history[place].1) {
            (Self::ProcessedForgotten, Fact::Consumer(ownership, ConsumerFact::Processed { .. })) => {
                // What another ownership was offered, before or after, would not be missed.
                let (offered, after) = (place - 1, place);
                matches!(&history[offered].1, Fact::Consumer(_, ConsumerFact::Offered { records, .. })
                    if !is_offered(&history[..offered], ownership.shard, records[0].place)
                        && !is_offered(&history[after..], ownership.shard, records[0].place))
            }
            (Self::CheckpointTooFar, Fact::Fleet(FleetFact::LeaseWritten(write))) => {
                let checkpoint = write.after.as_ref().map(|row| row.checkpoint);
                matches!(checkpoint, Some(Position::At(_))) && has_undone_or_unstored(history, place, write.shard)
            }
            (Self::RecordLeftOut, Fact::Consumer(ownership, ConsumerFact::Offered { records, .. })) => {
                // The first offer of the record, and not of a handler that will fail: then it would not be missed.
                let succeeds = matches!(next, Some(Fact::Consumer(_, ConsumerFact::Processed { .. })));
                succeeds && records.len() > 1 && !is_offered(&history[..place], ownership.shard, records[0].place)
            }
            (Self::OfferedTooLate, Fact::Consumer(_, ConsumerFact::Offered { .. })) => true,
            (
                Self::DeliveredNowhere | Self::DeliveryForgotten | Self::DeliveredTwice,
                Fact::Producer(_, ProducerFact::Delivered { .. }),
            ) => true,
            (Self::ParentNotEnded, Fact::Fleet(FleetFact::LeaseWritten(write))) => {
                let ended = write
                    .after
                    .as_ref()
                    .is_some_and(|row| row.checkpoint == Position::ShardEnd);
                ended && is_child_read(history, write.shard)
            }
            (Self::TokenOfOthers, Fact::Consumer(_, ConsumerFact::Initialized { .. })) => true,
            (Self::OfferedTwice, Fact::Consumer(_, ConsumerFact::Offered { .. })) => {
                matches!(next, Some(Fact::Consumer(_, ConsumerFact::Processed { .. })))
            }
            _ => false,
        }
    }
}

/// A checkpoint beyond all records is a lie also if all of them were processed: it names a place where none is. That is
/// seen when the row names a place already, as a lease that begins may name any.
fn has_undone_or_unstored(history: &[Told], place: usize, shard: ShardId) -> bool {
    history[..place].iter().any(|(_, fact)| {
        matches!(fact, Fact::Fleet(FleetFact::LeaseWritten(write)) if write.shard == shard
            && matches!(write.after.as_ref().map(|row| row.checkpoint), Some(Position::At(_))))
    })
}

fn is_offered(history: &[Told], shard: ShardId, place: Place) -> bool {
    history.iter().any(|(_, fact)| {
        matches!(fact, Fact::Consumer(ownership, ConsumerFact::Offered { records, .. })
            if ownership.shard == shard && records.iter().any(|record| record.place == place))
    })
}

fn is_child_read(history: &[Told], parent: ShardId) -> bool {
    let is_child = |child: ShardId| {
        history.iter().any(|(_, fact)| {
            matches!(fact, Fact::Service(ServiceFact::ShardCreated { shard, parents, .. })
                if *shard == child && parents.contains(&parent))
        })
    };
    history.iter().any(|(_, fact)| {
        matches!(fact, Fact::Consumer(ownership, ConsumerFact::Offered { .. }) if is_child(ownership.shard))
    })
}

fn judged(history: Vec<Told>) -> Report {
    let rules = Rules::new(FAILOVER).except(Exception::Rule(Rule::KeyOrder), "shards are chosen freely here");
    let mut oracle = Oracle::new(rules);
    let end = history.last().unwrap().0;
    for (at, fact) in history {
        oracle.tell(at, fact);
    }
    oracle.finish(end, Ending::Quiet)
}

proptest! {
    #[test]
    fn a_fleet_that_keeps_its_promises_is_never_blamed(steps in prop::collection::vec(any_step(), 0..60)) {
        let report = judged(Fleet::run(&steps).history);
        prop_assert!(report.is_clean(), "{}", report);
    }

    #[test]
    fn one_lie_in_a_history_is_always_found(
        steps in prop::collection::vec(any_step(), 0..60),
        lie in prop::sample::select(&LIES[..]),
        choice: Index,
    ) {
        let mut history = Fleet::run(&steps).history;
        if !lie.tell(&mut history, choice) {
            return Err(TestCaseError::reject("the history has no room for the lie"));
        }
        let report = judged(history);
        prop_assert!(!report.is_clean(), "{:?} was not found", lie);
    }
}
