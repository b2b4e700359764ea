//! Looks at the table by turns, gives away the leases that nobody reads, and levels while this worker leads.
//!
//! `calls` makes the calls that the pure `turns` and `planner` ask for, and `told` tells what their replies have shown.
//! `housekeeping` is what a leader tidies up.

mod calls;
mod housekeeping;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::housekeeping::{Housekeeper, Tidying};
use super::duties::Duties;
use super::failures::{Answered, Failures, Verdict};
use super::{CALL_TIMEOUT, Context};
use crate::assignment::gauges::Gauges;
use crate::assignment::other_streams::LeftOut;
use crate::coordination::decisions::{DecisionKind, Decisions};
use crate::coordination::leadership::Term;
use crate::coordination::planner::{Decision, Plan};
use crate::coordination::rule::{Coordination, Coordinator, Leases, Rule, Seen, VersionRow, decide};
use crate::coordination::turns::{Assignment, TurnReply, Turns, TurnsPolicy};
use crate::coordination::version_row::create_version_row;
use crate::error::WorkerError;
use crate::event::FleetEvent;
use crate::lease::ended::EndedLeases;
use crate::lease::model::{Lease, LeaseKey, WorkerId};
use crate::lease::table::service_time;
use crate::lease::write::{CounterCondition, LeaseWrite};
use crate::shard_sync::audit_signals::AuditSignals;
use crate::shard_sync::auditor::AuditTurn;

/// How often a leader scans at least. Our choice: a worker that joins has its share within ten seconds.
const LEADER_SCANS: Duration = Duration::from_secs(3);

/// What an observer is made of.
#[derive(Debug)]
pub(crate) struct ObserverParts {
    pub(crate) context: Context,
    pub(crate) policy: TurnsPolicy,
    /// The latest term in which this worker leads.
    pub(crate) term: watch::Receiver<Option<Term>>,
    /// Has this worker lead no longer.
    pub(crate) resign: Arc<Notify>,
    pub(crate) decisions: Decisions,
    /// Tells the audit of this worker when it is its turn.
    pub(crate) audits: AuditSignals,
    /// What is to be tidied up goes here.
    pub(crate) tidying: mpsc::Sender<Tidying>,
    /// Leases that this worker has given to itself go here.
    pub(crate) assigned: mpsc::Sender<Lease>,
    /// A shard has ended, or a lease was given back: there may be leases to give away.
    pub(crate) new_leases: Arc<Notify>,
    /// What becomes of the leases of ended shards.
    pub(crate) ended_leases: watch::Sender<EndedLeases>,
    /// What is looked at for the metrics, at each whole scan.
    pub(crate) gauges: Gauges,
}

/// The observer of one worker.
#[derive(Debug)]
pub(crate) struct Observer {
    parts: ObserverParts,
    turns: Turns,
    duties: Duties,
    /// The end of the last whole scan that was acted upon.
    seen: Option<Instant>,
    /// When a scan was last asked for as the leader.
    asked: Option<Instant>,
    /// When this worker tidied up last.
    tidied: Option<Instant>,
    failures: Failures,
    /// What the scan that is made has left out.
    left_out: LeftOut,
    /// The rows that the scan that is made could not read.
    holes: BTreeSet<LeaseKey>,
}

impl Observer {
    pub(crate) fn new(parts: ObserverParts) -> Self {
        let (context, now) = (&parts.context, parts.context.clock.now());
        Self {
            turns: Turns::new(context.worker.clone(), parts.policy, now),
            parts,
            duties: Duties::default(),
            seen: None,
            asked: None,
            tidied: None,
            failures: Failures::default(),
            left_out: LeftOut::default(),
            holes: BTreeSet::new(),
        }
    }

    /// Observes until `stop` is set.
    ///
    /// # Errors
    ///
    /// [`WorkerError::LedByOthers`] when the fleet changes its rule.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<(), WorkerError> {
        let clock = self.parts.context.clock.clone();
        while !stop.is_cancelled() {
            let now = clock.now();
            if let Some(call) = self.turns.next(now) {
                let reply = self.carry_out(call).await;
                self.note_reply(&reply);
                let wall = self.wall();
                let news = self.turns.replied(clock.now(), wall, reply);
                self.take_up(news);
                self.look_at_scan().await?;
                continue;
            }
            let next = self.turns.next_at();
            let leads_at = self.next_as_leader(now);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.parts.new_leases.notified() => self.turns.scan_now(clock.now()),
                () = clock.sleep_until(next) => {}
                () = clock.sleep_until(leads_at), if leads_at.is_some() => {
                    self.asked = Some(clock.now());
                    self.turns.scan_now(clock.now());
                }
            }
        }
        Ok(())
    }

    /// Acts upon a whole scan, once.
    async fn look_at_scan(&mut self) -> Result<(), WorkerError> {
        let at = self.turns.last_scan().map(|scan| scan.at);
        if at == self.seen {
            return Ok(());
        }
        self.seen = at;
        self.failures.scanned();
        self.tell_of_scan();
        self.check_rule().await?;
        self.look_for_java();
        let workers = self.turns.members().taking_turns();
        let turn = AuditTurn::among(&self.parts.context.worker, workers);
        self.parts.audits.takes_turn(turn);
        self.lead().await;
        Ok(())
    }

    /// Sees whether the fleet still follows the 3.x rule. If the row that says it is gone, it is made again: a worker that
    /// starts would refuse to join, or follow the 2.x rule beside this fleet.
    async fn check_rule(&self) -> Result<(), WorkerError> {
        let Some(scan) = self.turns.last_scan() else {
            return Ok(());
        };
        let mut leases = self.turns.watch().leases();
        let leases = match leases.any(|watched| watched.lease.stream.is_some()) {
            true => Leases::OfSeveralStreams,
            false if self.turns.watch().len() == 0 => Leases::None,
            false => Leases::OfOneStream,
        };
        let seen = Seen {
            leases,
            rows: &scan.rows,
            // It counts no more once the row is in the lease table.
            coordinator: &Coordinator::Absent,
        };
        let Context {
            worker,
            table,
            clock,
            observers,
            ..
        } = &self.parts.context;
        let rule = decide(&seen, Coordination::Kcl3).map_err(|refusal| refusal.of_table(table.name()))?;
        match rule {
            Rule::Kcl2 { .. }
            | Rule::Kcl3 {
                row: VersionRow::Present,
            } => {}
            Rule::Kcl3 {
                row: VersionRow::ToCreate,
            } => {
                let creating = create_version_row(&**table, worker, clock, observers);
                // What fails is tried again after the next scan.
                if let Some(Ok(())) = clock.timeout(CALL_TIMEOUT, creating).await {
                    observers.tell(FleetEvent::VersionRowMadeAgain);
                }
            }
        }
        Ok(())
    }

    /// Workers of the KCL hold the leases of ended shards until they delete them.
    fn look_for_java(&self) {
        let ended_leases = match self.turns.members().has_java() {
            true => EndedLeases::Kept,
            false => EndedLeases::GivenBack,
        };
        self.parts.ended_leases.send_replace(ended_leases);
    }

    /// The term in which this worker leads now.
    fn term(&self, now: Instant) -> Option<Term> {
        (*self.parts.term.borrow()).filter(|term| now < term.until)
    }

    /// When a leader scans though it is not its turn.
    fn next_as_leader(&self, now: Instant) -> Option<Instant> {
        self.term(now)?;
        Some(self.seen.max(self.asked)? + LEADER_SCANS)
    }

    /// Levels the leases, if this worker leads and it is time.
    async fn lead(&mut self) {
        let now = self.parts.context.clock.now();
        let Some(term) = self.term(now) else {
            return;
        };
        self.tidy_up(now);
        let fleet = self.turns.fleet(now);
        let Some(plan) = self.duties.round(term, &fleet, &self.parts.policy.planner, now) else {
            return;
        };
        self.tell_of_room(&plan);
        let written = self.write_all(self.writes(plan)).await;
        for (write, outcome) in &written {
            self.decided(&write.decision, DecisionKind::of(&write.write), outcome);
        }
        let mut results = written.iter().map(|(_, outcome)| outcome.result());
        if !written.is_empty() {
            let verdict = self
                .failures
                .wrote(match results.any(|result| !matches!(result, Err(Some(_)))) {
                    true => Answered::Yes,
                    false => Answered::No,
                });
            self.heed(verdict);
        }
    }

    /// Notes how a call of a turn ended. Each worker has its turns, but only the leader answers for them.
    fn note_reply(&mut self, reply: &TurnReply) {
        let now = self.parts.context.clock.now();
        match reply {
            TurnReply::Page(Err(error)) => {
                self.parts.audits.scan_failed(error);
                if self.term(now).is_none() {
                    return;
                }
                let verdict = self.failures.scan_failed(now);
                self.heed(verdict);
            }
            TurnReply::Page(Ok(_)) | TurnReply::Rows(_) | TurnReply::Assigned(_) => {}
        }
    }

    /// Lets another worker lead, if this one cannot.
    fn heed(&self, verdict: Verdict) {
        match verdict {
            Verdict::GoOn => {}
            Verdict::Resign => self.parts.resign.notify_one(),
        }
    }

    /// The writes of a round: hand-offs to offer, and those that are overdue to end.
    fn writes(&self, plan: Plan) -> Vec<Assignment> {
        let offer = |decision: Decision| {
            let write = LeaseWrite::OfferHandOff {
                key: decision.lease.clone(),
                from: decision.from.clone()?,
                to: decision.to.clone(),
            };
            Some(Assignment { write, decision })
        };
        let end = |decision: Decision| {
            let watched = self.turns.watch().get(&decision.lease)?;
            let is_handed_over = watched.expired.is_none() && watched.lease.checkpoint_owner.is_some();
            let write = LeaseWrite::Assign {
                seen: watched.lease.clone(),
                to: decision.to.clone(),
                counter: CounterCondition::Any,
            };
            is_handed_over.then_some(Assignment { write, decision })
        };
        // A worker that may be dead is given nothing, and has to be heard of before it hands anything over.
        let is_certain = |worker: &WorkerId| !self.turns.watch().is_doubtful(worker);
        let is_certain =
            |decision: &Decision| is_certain(&decision.to) && decision.from.as_ref().is_none_or(is_certain);
        let offers = plan.moves.into_iter().filter(is_certain).filter_map(offer);
        offers.chain(plan.assignments.into_iter().filter_map(end)).collect()
    }

    fn tell_of_room(&self, plan: &Plan) {
        let figures = plan.figures;
        if figures.candidates > 0 && figures.room < figures.leases {
            self.parts.context.observers.tell(FleetEvent::TooSmall {
                leases: figures.leases,
                room: figures.room,
                workers: figures.candidates,
                repeated: 0,
            });
        }
    }

    fn wall(&self) -> std::time::SystemTime {
        let Context {
            table,
            clock,
            observers,
            ..
        } = &self.parts.context;
        service_time(&**table, clock, observers)
    }
}

impl DecisionKind {
    fn of(write: &LeaseWrite) -> Self {
        match write {
            LeaseWrite::OfferHandOff { .. } => Self::HandOffOffered,
            LeaseWrite::Owner(_)
            | LeaseWrite::Take { .. }
            | LeaseWrite::Adopt { .. }
            | LeaseWrite::Assign { .. }
            | LeaseWrite::MakeAgain { .. }
            | LeaseWrite::SetChildren { .. }
            | LeaseWrite::SetRange { .. }
            | LeaseWrite::Delete { .. }
            | LeaseWrite::Replace { .. }
            | LeaseWrite::Discard { .. } => Self::Assigned,
        }
    }
}
