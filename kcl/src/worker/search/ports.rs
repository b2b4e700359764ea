//! What a search for leases is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::super::Worker;
use super::Search;
use crate::assignment::children::NewChildren;
use crate::assignment::gauges::Gauges;
use crate::assignment::other_streams::OtherStreams;
use crate::assignment::taker::{Taker, TakerPolicy, VeryOldLeases};
use crate::assignment::task::Assignment;
use crate::assignment::token_bases::TokenBases;
use crate::coordination::participation::{
    Context, Discovery, DiscoveryParts, Housekeeper, LockKeeper, Observer, ObserverParts, Participation, Reporter,
};
use crate::coordination::planner::PlannerPolicy;
use crate::coordination::rule::Coordination;
use crate::coordination::turns::TurnsPolicy;
use crate::coordination::worker_metrics::sources;
use crate::lease::ended::EndedLeases;
use crate::lease::renewer::{OwnedLease, Renewer};
use crate::lease::table::LeaseTable;
use crate::shard_sync::audit_signals::AuditSignals;

/// Leases that a worker has given to itself and that may wait to be begun. One that finds no room is found by the next look.
const ASSIGNED: usize = 1_024;

/// What connects a search with the other parts of its worker.
#[derive(Debug)]
pub(in crate::worker) struct Ports {
    pub(in crate::worker) table: Arc<dyn LeaseTable>,
    pub(in crate::worker) renewer: Renewer,
    pub(in crate::worker) other_streams: OtherStreams,
    pub(in crate::worker) gauges: Gauges,
    /// Leases that the worker comes to hold go here.
    pub(in crate::worker) owned: mpsc::Sender<OwnedLease>,
    /// Wakes the search.
    pub(in crate::worker) new_leases: Arc<Notify>,
    /// Children of ended shards whose leases are to be created.
    pub(in crate::worker) children: mpsc::Receiver<NewChildren>,
    /// Tells the audit of this worker when it is its turn.
    pub(in crate::worker) audits: AuditSignals,
    /// What becomes of the leases of ended shards.
    pub(in crate::worker) ended_leases: watch::Sender<EndedLeases>,
    /// Is cancelled once other workers can know that this one leaves.
    pub(in crate::worker) retired: CancellationToken,
}

impl Ports {
    /// The search by the rule that `worker` follows.
    pub(in crate::worker) fn search(self, worker: &mut Worker) -> Search {
        match worker.config.coordination {
            Coordination::Auto | Coordination::Kcl2 => {
                self.retired.cancel();
                Search::Kcl2(Box::new(self.assignment(worker)))
            }
            Coordination::Kcl3 => Search::Kcl3(Box::new(self.participation(worker))),
        }
    }

    fn assignment(self, worker: &mut Worker) -> Assignment {
        let policy = TakerPolicy {
            failover: worker.config.failover_time,
            max_leases: worker.config.max_leases,
            max_leases_to_steal: 1,
            very_old_leases: VeryOldLeases::TakenFirst,
        };
        Assignment {
            clock: worker.clock.clone(),
            worker: worker.id.clone(),
            table: self.table,
            coordination: worker.config.coordination,
            other_streams: self.other_streams,
            renewer: self.renewer,
            health: worker.control.health.clone(),
            taker: Taker::new(worker.id.clone(), policy),
            token_bases: TokenBases::default(),
            interval: worker.config.assignment_interval(),
            write_timeout: worker.config.lease_write_timeout(),
            rng: worker.rng.fork(),
            observers: worker.observers.clone(),
            gauges: self.gauges,
            owned: self.owned,
            new_leases: self.new_leases,
            children: self.children,
            finished: BTreeSet::new(),
            audits: self.audits,
        }
    }

    fn participation(self, worker: &mut Worker) -> Participation {
        let context = Context {
            worker: worker.id.clone(),
            table: self.table,
            clock: worker.clock.clone(),
            observers: worker.observers.clone(),
            health: worker.control.health.clone(),
            other_streams: self.other_streams,
        };
        let max_leases = worker.config.max_leases;
        let room = (max_leases < usize::MAX).then_some(max_leases);
        let policy = TurnsPolicy {
            failover: worker.config.failover_time,
            planner: PlannerPolicy {
                max_leases: room,
                ..PlannerPolicy::default()
            },
        };
        let sources = match worker.clock.is_virtual() {
            // What the machine measures would differ from run to run.
            true => Vec::new(),
            false => sources::of_this_machine(),
        };
        let resign = Arc::new(Notify::new());
        let (assigned, given) = mpsc::channel(ASSIGNED);
        let (lock_keeper, term) = LockKeeper::new(context.clone(), Arc::clone(&resign), worker.rng.fork());
        let (housekeeper, tidying) = Housekeeper::new(context.clone());
        Participation {
            housekeeper,
            reporter: Reporter::new(context.clone(), room, sources, &mut worker.rng),
            lock_keeper,
            observer: Observer::new(ObserverParts {
                context: context.clone(),
                policy,
                term,
                resign,
                decisions: worker.control.decisions.clone(),
                tidying,
                audits: self.audits,
                assigned,
                new_leases: self.new_leases,
                gauges: self.gauges,
                ended_leases: self.ended_leases.clone(),
            }),
            discovery: Discovery::new(DiscoveryParts {
                context,
                layout: worker.layout.clone(),
                renewer: self.renewer,
                write_timeout: worker.config.lease_write_timeout(),
                max_leases,
                assigned: given,
                children: self.children,
                ended_leases: self.ended_leases.subscribe(),
                owned: self.owned,
                rng: worker.rng.fork(),
            }),
            retired: self.retired,
        }
    }
}
