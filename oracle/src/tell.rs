//! Pure: takes note of what happened to the service, to the lease table and to the processes.

use super::evidence::Evidence;
use super::fact::{FleetFact, ServiceFact};
use super::rare::Rare;
use super::rules::Rule;
use super::{Oracle, failure, recreation};

impl Oracle {
    pub(crate) fn tell_of_service(&mut self, fact: ServiceFact) {
        let (judge, evidence, producers) = (&mut self.judge, &mut self.evidence, &mut self.producers);
        let stream = &mut evidence.stream;
        match fact {
            ServiceFact::StreamCreated { created } => stream.created(created),
            ServiceFact::ShardCreated {
                shard,
                parents,
                hash_range,
            } => {
                if stream.create(shard, parents, &hash_range, judge.now).is_none() {
                    judge.broken(
                        Rule::History,
                        format_args!("{shard} was created twice, or without hash keys"),
                    );
                }
            }
            ServiceFact::ShardClosed { shard } => stream.close(shard, judge),
            ServiceFact::RecordStored {
                shard,
                sequence_number,
                partition_key,
                data,
            } => {
                let contents = stream.store(shard, sequence_number, (&partition_key, &data), judge);
                if let Some(contents) = contents {
                    producers.stored(shard, &contents, (stream, &evidence.faults), judge);
                }
            }
            ServiceFact::StreamDeleted => {
                recreation::deleted(evidence, judge);
                producers.deleted(judge);
                self.gaps.forget();
            }
            ServiceFact::StreamMissed { caller, answered } => {
                producers.missed(&caller, answered, &evidence.faults, judge);
            }
            ServiceFact::StreamListed { caller, asked, as_of } => {
                producers.listed(caller, (asked, as_of), &evidence.faults, judge);
            }
            ServiceFact::BeginsAtLatest { caller, shard } => {
                self.consumers.begins_at_latest(shard, &caller, evidence, judge);
            }
            ServiceFact::RecordsTrimmed { shard, below } => {
                let row = evidence.leases.present_row(shard);
                stream.trim(shard, (below, row.map(|row| row.checkpoint)), judge);
            }
        }
    }

    pub(crate) fn tell_of_fleet(&mut self, fact: FleetFact) {
        let Self { judge, evidence, .. } = self;
        let Evidence {
            stream,
            leases,
            fleet,
            faults,
            ..
        } = evidence;
        match fact {
            FleetFact::LeaseWritten(write) => {
                self.consumers
                    .excuse_what_an_owner_at_latest_left(&write, leases, stream, judge);
                leases.written(write, (stream, faults), judge);
                if leases.is_empty() {
                    self.consumers.begin_anew();
                }
            }
            FleetFact::LeaseGarbled {
                writer,
                shard,
                attribute,
            } => judge.broken(
                Rule::History,
                format_args!("{writer} wrote a lease of {shard} whose {attribute} cannot be read"),
            ),
            FleetFact::LivesIn { process, host } => faults.lives_in(process, host, judge.now),
            FleetFact::WorkerStarted { worker } => {
                if fleet.knows(&worker) {
                    judge.reached(Rare::WorkerBack);
                }
                if leases.is_any_of_another_stream() {
                    judge.reached(Rare::StartedAfterRecreation);
                }
                fleet.started(worker, judge.now);
            }
            FleetFact::WorkerStopping { worker } => fleet.stopping(&worker),
            FleetFact::WorkerKilled { worker } => {
                fleet.killed(worker, judge.now);
                evidence.struck(judge.now);
            }
            FleetFact::WorkerFailed { worker, failure } => {
                failure::check(&worker, &failure, evidence, judge);
                evidence.fleet.killed(worker, judge.now);
                evidence.struck(judge.now);
            }
            FleetFact::WorkerStopped { worker } => fleet.stopped(worker, judge.now),
            FleetFact::RecreationTold => recreation::told(evidence, judge),
            FleetFact::Calm => self.recovery.calm(judge.now),
            FleetFact::TasksLeft { tasks } => failure::check_tasks_left(&tasks, judge),
            FleetFact::FaultBegan { fault, name, target } => evidence.fault_began(fault, name, target),
            FleetFact::FaultEnded { fault } => evidence.fault_ended(fault, judge.now),
            FleetFact::Unacknowledged {
                caller,
                service,
                operation,
                applied,
                because,
            } => faults.unacknowledged(caller, (service, &operation), applied, because),
        }
    }
}
