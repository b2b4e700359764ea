//! Pure: judges whether a run kept the promises of producers and consumers.
//!
//! A test tells the [`Oracle`] what happened, each [`Fact`] with its virtual time: what the service stored, what the
//! lease table applied, what receipts and handlers were given. The oracle keeps its own picture of the stream and names
//! each broken [`Rule`] with the shard, the record, the worker and what was expected. It knows neither the producer nor
//! the consumer that it judges; any will do.
//!
//! One oracle judges one stream and one application. All facts of a run go to it, in the order of their times:
//!
//! | from | facts |
//! |---|---|
//! | the service | shards created and closed, records stored and trimmed; the stream deleted, who missed it and who knows its shards |
//! | a producer's caller | records accepted, delivered and returned; the end of the producer |
//! | the lease table | each applied write, whoever made it |
//! | a record processor | each call of it, and when it is done with records, *before* it checkpoints them |
//! | a worker | the records that it passes over; the dead-letter sink tells which it took |
//! | the test | workers that start, die and stop; faults |
//!
//! ```
//! use std::time::Duration;
//! use testkit::kinesis::ShardId;
//! use oracle::*;
//!
//! let mut oracle = Oracle::new(Rules::new(Duration::from_secs(10)));
//! let (shard, at) = (ShardId::FIRST, Duration::from_millis);
//! let created = ServiceFact::ShardCreated { shard, parents: vec![], hash_range: 0..=u128::MAX };
//! oracle.tell(at(0), Fact::Service(created));
//!
//! let (producer, record) = (Process::new("producer-1"), RecordId(7));
//! let accepted = AcceptedRecord {
//!     record,
//!     partition_key: "customer-7".to_owned(),
//!     explicit_hash_key: None,
//!     payload: Digest::of(b"two apples"),
//! };
//! oracle.tell(at(5), Fact::Producer(producer.clone(), ProducerFact::Accepted(accepted)));
//!
//! // The service stored nothing, and yet:
//! let place = Place { sequence_number: "49".parse()?, sub_sequence_number: 0 };
//! oracle.tell(at(20), Fact::Producer(producer, ProducerFact::Delivered { record, shard, place }));
//!
//! let report = oracle.finish(at(30), Ending::CutShort);
//! assert_eq!(
//!     report.violations[0].to_string(),
//!     "P1 broken at 0.020 s: record 7 of producer-1 was delivered to shardId-000000000000 at 49:0, \
//!      but no record was stored there",
//! );
//! # Ok::<(), testkit::kinesis::InvalidSequenceNumber>(())
//! ```
//!
//! # The rules
//!
//! * [P1](Rule::Outcome): each accepted record is delivered or returned, once, before its producer is shut down or has
//!   been flushed; the service stored what a receipt says, in this stream or in one that had its name before, and never
//!   what a receipt says was never stored. A record whose receipt was dropped is stored or in the shutdown's report.
//! * [P2](Rule::Readable): each delivered record has a copy that a reader gets who drops aggregates with a record
//!   outside of the shard, as the Java KCL does.
//! * [P3](Rule::Memory): no sample of a producer is above the budget of the rules.
//! * [P4](Rule::KeyOrder): the first readable copies of a key's records are stored in the order of acceptance, until
//!   one of them is returned.
//! * [C1](Rule::AtLeastOnce): handlers are given what is stored, without gaps; a checkpoint moves only over processed
//!   records, and to `SHARD_END` only in a closed shard; what is acknowledged is in the row; in the end all is
//!   processed.
//! * [C2](Rule::ParentFirst): when a record is offered, the rows of the shard's parents are at `SHARD_END` or gone, and
//!   their records processed.
//! * [C3](Rule::OneOwner): when a record is offered, the guard says that the lease is held, the row names this worker,
//!   its counter moved not longer ago than the failover time, and no larger fencing token has begun. While a handler is
//!   at work, its guard says that the lease is lost once it is.
//! * [C4](Rule::Coverage): in the end, a living worker owns each open shard's lease, or its row names a parent whose
//!   row is not at `SHARD_END`; if any worker lives. All the time, if the rules set a [bound](Rules::coverage_within),
//!   no shard is without an owner, or read no further, a closed one to its end, for longer than that while a worker could see to it.
//! * [recovery](Rule::Recovery): once nothing goes wrong and nothing is put any more, everything is read, owned and
//!   ended within a [bound](Rules::recovery_within), if the rules set one.
//! * [C5](Rule::NothingSkipped): records on which a handler failed are offered again before any behind them; where one runs
//!   records of different keys at once, before any of their keys. Records are passed over only if a handler failed on them,
//!   and only by the [policy](Rules::exhausted), by the handler's wish, or by an operator's.
//! * [duplicate](Rule::Duplicate): what is offered again was offered to a handler that failed, or to an ownership that
//!   ended for a reason that the facts tell, and lies behind the checkpoint. What is stored again was misplaced before,
//!   or in a stream that was deleted since, or one of the two writes was not acknowledged.
//! * [shutdown](Rule::Shutdown): after everything was shut down, no task is left; nor does a handler of single records run
//!   when the end of its ownership is told.
//! * [survival](Rule::Survival): a worker ends by itself only if a fault hit it, and never by a panic.
//! * [history](Rule::History): the facts fit together; if not, the test tells them wrongly.
//!
//! "Processed" is what the application says, in [`ConsumerFact::Processed`]; a record that was passed over counts as it. So a checkpoint that a library writes on
//! its own is seen. Only records behind the [`Start`] of the rules have to be processed. What was trimmed while the
//! checkpoint of its shard lay before it cannot be any more; how many were trimmed unread is a figure of the report. What
//! was trimmed after a checkpoint had passed it is still missed.
//!
//! A stream may be deleted and created again. A lease is of the stream that its row names; if it names none, of the one
//! that had its shard as the row was created, or that was there as a worker took it before anything was read by it. Who
//! owns it is offered records of that stream alone, and its row comes to `SHARD_END` only if that shard was closed. What
//! the new stream holds is read by leases of its own, or a worker says that the stream was created again. That counts
//! until no lease is left: consumers begin anew then.
//!
//! What is not promised yet is excused by an [`Exception`], with a reason; the report counts how often that was needed.
//!
//! # Inside
//!
//! In the order of a fact:
//!
//! * what happened: `witness` sees a simulation and makes a `fact` of it, with `name`, `position`, `payload` and `row` for
//!   its parts; `tell` takes note of those of the service and of the fleet;
//! * what is known, as `evidence`: the `stream`, each `shard` of it and the `contents` of its records, the `leases` and
//!   each `departure` from one, the `fleet`, the `faults` and the `recovery_time` after them, also `deletions` of the stream
//!   and the `lists` of its shards;
//! * what changes all of that: a `recreation` of the stream;
//! * the checks: of a `producer` (`permission`, `key_order`), of a `consumer` and each `tenant` of a shard
//!   (`duplicates`; `keyed` if its records run at once; what is `passed_over`), of all shards (`coverage`, `gaps`), of workers
//!   that end and tasks that do not (`failure`), of the `recovery` after the last fault;
//! * what is counted, as `figures`: also each `cause` of a duplicate, and `rare` states;
//! * the verdict: `rules`, `judge`, `report`, with times in `seconds`.

mod cause;
mod consumer;
mod contents;
mod coverage;
mod deletions;
mod departure;
mod duplicates;
mod evidence;
mod fact;
mod failure;
mod faults;
mod figures;
mod fleet;
mod gaps;
mod judge;
mod key_order;
mod keyed;
mod leases;
mod lists;
mod name;
mod passed_over;
mod payload;
mod permission;
mod position;
mod producer;
mod rare;
mod recovery;
mod recovery_time;
mod recreation;
mod report;
mod row;
mod rules;
mod seconds;
mod shard;
mod stream;
mod tell;
mod tenant;
mod witness;

#[cfg(test)]
mod consumer_tests;
#[cfg(test)]
mod producer_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod story;

use std::time::Duration;

pub use cause::Cause;
pub use fact::{
    AcceptedRecord, Asks, ConsumerFact, Fact, Failure, FleetFact, LeaseClaim, LeaseRow, LeaseWrite, OfferedRecord,
    ProducerFact, Remedy, ServiceFact, Stored, Target, WorkerFact,
};
pub use figures::Figures;
pub use judge::{Excused, Violation};
pub use name::{Digest, FaultId, Ownership, Process, RecordId};
pub use position::{Place, Position};
pub use rare::Rare;
pub use report::Report;
pub use rules::{Budget, Exception, Exhausted, PassedOver, Rule, Rules, Start};
pub use testkit::sim::observation::Missed;
pub use witness::Witness;

use consumer::Consumers;
use evidence::Evidence;
use gaps::Gaps;
use judge::{Judge, Seconds};
use producer::Producers;
use recovery::Recovery;

/// The judge of one run. See the [module](self).
#[derive(Debug)]
pub struct Oracle {
    judge: Judge,
    evidence: Evidence,
    producers: Producers,
    consumers: Consumers,
    gaps: Gaps,
    recovery: Recovery,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is under way any more: what is not processed or not owned now never will be.
    Quiet,
    /// In the middle of things: only what may never happen is judged.
    CutShort,
}

impl Oracle {
    /// An oracle that has been told nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            evidence: Evidence::new(&rules),
            judge: Judge::new(rules),
            producers: Producers::default(),
            consumers: Consumers::default(),
            gaps: Gaps::default(),
            recovery: Recovery::default(),
        }
    }

    /// Takes note of what happened at the virtual time `at`, and judges it.
    pub fn tell(&mut self, at: Duration, fact: Fact) {
        self.advance(at);
        match fact {
            Fact::Service(fact) => self.tell_of_service(fact),
            Fact::Producer(producer, fact) => {
                self.producers
                    .tell(producer, fact, &self.evidence.stream, &mut self.judge);
            }
            Fact::Consumer(ownership, fact) => {
                self.consumers
                    .tell(&ownership, fact, &mut self.evidence, &mut self.judge);
            }
            Fact::Worker(worker, fact) => self.consumers.told(&worker, fact, &mut self.evidence, &mut self.judge),
            Fact::Fleet(fact) => self.tell_of_fleet(fact),
        }
        self.evidence.observe(at);
        self.wait(at);
    }

    /// Takes note that nothing happened until the virtual time `at`. What should have, in the meantime, is judged.
    pub fn wait(&mut self, at: Duration) {
        self.judge.now = self.judge.now.max(at);
        self.gaps.observe(&self.evidence, &self.consumers, &mut self.judge);
        let everyone = (&self.producers, &self.consumers);
        self.recovery.check(&self.evidence, everyone, &mut self.judge);
    }

    /// What was found so far, in the order of time: the first 100.
    pub fn violations(&self) -> &[Violation] {
        self.judge.violations()
    }

    /// Whether a worker said that the stream was created again, and not all leases were deleted since.
    pub fn is_recreation_told(&self) -> bool {
        self.evidence.stream.is_told()
    }

    /// Whether everything stored so far was processed, and each open shard is read by a living worker that owns its lease.
    pub fn is_caught_up(&self) -> bool {
        let Evidence {
            stream, leases, fleet, ..
        } = &self.evidence;
        stream.is_done() && coverage::is_complete(stream, leases, fleet) && self.consumers.are_complete(&self.evidence)
    }

    /// Judges the end of the run, at the virtual time `at`, and reports.
    pub fn finish(mut self, at: Duration, ending: Ending) -> Report {
        self.advance(at);
        self.producers.finish(&mut self.judge);
        match ending {
            Ending::CutShort => {}
            Ending::Quiet => {
                let Evidence {
                    stream, leases, fleet, ..
                } = &self.evidence;
                self.consumers.finish(&self.evidence, &mut self.judge);
                coverage::check(stream, leases, fleet, &mut self.judge);
            }
        }
        let (unread, trimmed_unread) = self.evidence.stream.unread();
        let figures = Figures {
            unread,
            trimmed_unread,
            faults: self.evidence.faults.by_name(),
            recovery: self.evidence.recovery_time.took(),
            ..self.judge.figures.clone()
        };
        Report {
            at,
            violations: self.judge.violations().to_vec(),
            unlisted: self.judge.unlisted(),
            excused: self.judge.excused(),
            figures,
        }
    }

    fn advance(&mut self, at: Duration) {
        if at < self.judge.now {
            let now = Seconds(self.judge.now);
            self.judge.broken(
                Rule::History,
                format_args!("a fact of {} came after one of {now}", Seconds(at)),
            );
        }
        self.judge.now = self.judge.now.max(at);
    }
}
