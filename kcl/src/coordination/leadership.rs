//! Pure: which worker leads, by the lock in the lease table.
//!
//! ```text
//!                    ┌──────────── the row is another's ◄──────────────┐
//!                    ▼                                                 │
//!  new ─► Following: read each 10 s ─► free, or still for its lease ─► Holding: a heartbeat each 3 s
//!                    ▲                  by what `rival` saw: take it   │
//!                    │ 20 s after `resign`                             │ `resign`, `shut_down`
//!                    └─────────────── Leaving: delete the row ◄────────┘──► Ended
//! ```
//!
//! The protocol is that of the lock client of AWS, as the Java KCL uses it.
//!
//! * **Another worker's lock** is taken if its row is absent or released, or if the row has shown one version for longer than the
//!   lease in *the row*. A version counts as seen from the *reply* that showed it, which is later than the holder's write. The row of
//!   a Java worker says 120 s, ours 15 s. Without a readable lease a row is taken after 120 s, the longest lease that is usual. A
//!   lease of more than a day counts as a day: otherwise a wrong number would leave the fleet without a leader. A row under the key
//!   of the lock is the lock, whatever else it holds.
//! * **Our lock** makes this worker the leader from the *sending* of a write that was applied, for 6 s. Three heartbeats are tried
//!   in this time, so two may fail. All other workers wait for 15 s, so this worker has stopped long before. It goes on with its
//!   heartbeats. A heartbeat that is applied makes it the leader again in the same term, because nobody can have led meanwhile.
//! * **A slow table** does not keep the fleet from having a leader. The time limit of a call within a term is 0.9 s, or twice the
//!   last round trip if that is longer; other calls wait for 3 s.
//! * **A lost reply** is not a failure (`replies`). Each write has a version of its own, and `written` remembers them. A row that
//!   shows one of these versions is ours, from the sending of that write.
//! * **Two processes with one worker id.** The lock may name this worker under a version that this process has not written. Then
//!   another process with the same id holds the lock, or held it before it died. This process waits as for any other holder, but
//!   for `leadsFor` instead of the lease: the holder counts itself as the leader for this time, 6 s. Only Rust workers write
//!   `leadsFor`, and Java workers ignore it. So a restart leads 6 s after its first read instead of 15 s, and at once after an
//!   orderly shutdown, which deletes the row. Two processes with one id never lead at the same time: the version of the living one
//!   changes each 3 s. The other process gets [`LockNews::IdInUse`]. A leader that loses the lock to a process with its own id gets
//!   `IdInUse` instead of [`LockNews::Deposed`].
//! * **Clocks** may differ in rate: this worker leads a 500th shorter and waits a 500th longer than it says. Times must
//!   count the suspension of the machine, as `Clock::now` does.
//!
//! # When two workers can lead
//!
//! Two workers can lead in three cases, for at most 6 s, until the next heartbeat of the earlier leader is refused. Writes of a
//! leader name what it has seen of each row, so the second of two contradicting writes is refused.
//!
//! * **The hypervisor pauses the virtual machine.** This stops the clocks in it. A leader that was paused counts itself as the leader
//!   until its next reply, as it counts its leases as its own.
//! * **The wall clock is set forward by more than a second**, except on Linux. This counts as a suspension. A leader stops until its
//!   next heartbeat. A worker that waits takes the lock too early, by the length of the step. A wall clock that is set back during
//!   a suspension hides the suspension, so a leader counts itself as the leader for too long.
//! * **The row is deleted by hand, or the table is deleted and made again.** The next worker that reads it takes the lock. The
//!   heartbeat of the earlier leader is refused, and it gets [`LockNews::Deposed`]. While there is no table, calls fail, and the term
//!   ends.
//!
//! Source: amazon-dynamodb-lock-client 1.4.0; amazon-kinesis-client 3.5.1, `DynamoDBLockBasedLeaderDecider`.

use std::time::{Duration, Instant};

use self::rival::Rival;
use self::written::{Own, Written};
use super::rows::{FleetRow, FleetRowError, LockRow, LockVersion};
use super::write::{FleetOutcome, LockWrite, TakeWhen};
use crate::error::TableError;
use crate::lease::model::WorkerId;

mod replies;
mod rival;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod written;

/// The lease that the row says: how long other workers wait after a heartbeat. Our choice; Java's is 120 s.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// The time between two heartbeats. Our choice; Java's is 30 s.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long this worker leads after it has sent a heartbeat. Our choice: the time of two heartbeats.
pub(crate) const LEADS_FOR: Duration = Duration::from_secs(6);

/// The time between two reads of another worker's lock. Our choice.
pub(crate) const POLL: Duration = Duration::from_secs(10);

/// The least time limit of a call within a term. Our choice: three heartbeats without a reply fit into a term.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(900);

/// The time from sending a call that failed to the next call. Our choice.
///
/// Outside a term the time doubles with each failure, up to [`HEARTBEAT`] for the holder and [`POLL`] for others.
const RETRY: Duration = Duration::from_secs(1);

/// How long a worker that has resigned does not take the lock. Our choice: the time of two reads by other workers.
const PAUSE: Duration = Duration::from_secs(20);

/// The most attempts to delete the lock. Our choice: if all fail, other workers wait for its lease.
const DELETE_TRIES: u32 = 3;

/// The rates of two clocks differ by less than one part in this number.
///
/// Our choice: ten times what crystals and the slewing of NTP add up to.
const DRIFT: u32 = 500;

/// What this worker knows and wants of the lock.
#[derive(Debug)]
pub(crate) struct Leadership {
    me: WorkerId,
    written: Written,
    phase: Phase,
    quit: Option<Quit>,
    in_flight: Option<InFlight>,
    /// From the sending of the last call that was answered to its reply.
    round_trip: Duration,
    next_at: Instant,
    /// Failures since a call succeeded.
    failures: u32,
    /// Terms that have begun.
    terms: u64,
}

#[derive(Debug)]
enum Phase {
    Following {
        rival: Option<Rival>,
        /// It can be taken now.
        take: Option<TakeWhen>,
    },
    Holding {
        held: Own,
    },
    Leaving {
        version: LockVersion,
        tries: u32,
    },
    Ended,
}

/// Why the lock is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quit {
    Resign,
    ShutDown,
}

#[derive(Debug)]
struct InFlight {
    sent: Instant,
    /// What it writes, if it is a write of a version.
    version: Option<LockVersion>,
}

/// A call to make. Without a reply within the time limit its outcome is unknown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockCall {
    pub(crate) request: LockRequest,
    pub(crate) time_limit: Duration,
}

/// What a call asks of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LockRequest {
    /// Read the row, consistently.
    Read,
    Write(LockWrite),
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum LockReply {
    Read(Result<Option<FleetRow>, TableError>),
    Written(FleetOutcome),
}

/// A time in which this worker leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    /// Counts this process's terms. Within one nobody else has led, though this worker may have stopped meanwhile.
    pub(crate) number: u64,
    /// It ends then, unless a heartbeat moves it.
    pub(crate) until: Instant,
}

/// What a reply has brought.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LockNews {
    /// This worker holds the lock, in a new term.
    Elected,
    /// A worker with another id has taken the lock from this worker, or the row was deleted.
    Deposed { by: Option<WorkerId> },
    /// Another process lives under this worker's id. Told instead of `Deposed` if that process has taken the lock.
    IdInUse,
    /// The row cannot be read; it is taken once it has stood still for long enough.
    Damaged(FleetRowError),
}

impl Leadership {
    /// Knows nothing yet, and looks at once.
    pub(crate) fn new(me: WorkerId, now: Instant) -> Self {
        Self {
            me,
            written: Written::default(),
            phase: Phase::nobody(),
            quit: None,
            in_flight: None,
            round_trip: Duration::ZERO,
            next_at: now,
            failures: 0,
            terms: 0,
        }
    }

    /// When there is a call to make. `None`: once the reply of the last one is there, or never.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        (self.in_flight.is_none() && !self.is_ended()).then_some(self.next_at)
    }

    /// The call to send now, if one is due. [`replied`](Self::replied) has to follow, also if the call was dropped.
    pub(crate) fn next(&mut self, now: Instant, rng: &mut fastrand::Rng) -> Option<LockCall> {
        if self.next_at().is_none_or(|at| now < at) {
            return None;
        }
        let next = LockVersion::random(rng);
        let (request, version) = match &self.phase {
            Phase::Following { take: None, .. } => (LockRequest::Read, None),
            Phase::Following { take: Some(when), .. } => {
                let lock = Box::new(LockRow::taken_by(&self.me, next.clone(), LEASE, LEADS_FOR));
                let when = when.clone();
                (LockRequest::Write(LockWrite::Take { lock, when }), Some(next))
            }
            Phase::Holding { held } => (LockRequest::Write(self.heartbeat(held, next.clone())), Some(next)),
            Phase::Leaving { version, .. } => {
                let (holder, seen) = (self.me.clone(), version.clone());
                (LockRequest::Write(LockWrite::Delete { holder, seen }), None)
            }
            Phase::Ended => return None,
        };
        if let Some(version) = version.clone() {
            self.written.add(Own { version, sent: now });
        }
        self.in_flight = Some(InFlight { sent: now, version });
        let time_limit = self.time_limit(now);
        Some(LockCall { request, time_limit })
    }

    /// Notes how the call ended that was made last.
    pub(crate) fn replied(&mut self, now: Instant, reply: LockReply) -> Option<LockNews> {
        let call = self.in_flight.take()?;
        let failed = matches!(
            reply,
            LockReply::Read(Err(_)) | LockReply::Written(FleetOutcome::NotApplied(_) | FleetOutcome::Unknown(_))
        );
        if failed {
            self.failures = self.failures.saturating_add(1);
        } else {
            self.failures = 0;
            self.round_trip = now.saturating_duration_since(call.sent);
        }
        let news = match reply {
            LockReply::Read(Ok(row)) => self.saw(now, row),
            LockReply::Read(Err(_)) => self.retry(now, &call),
            LockReply::Written(outcome) => self.wrote(now, &call, outcome),
        };
        if let Some(quit) = self.quit {
            self.leave(now, quit);
            return None;
        }
        news
    }

    /// A call within a term is short, so that it can be made again before the term ends. Other calls can wait for a slow table.
    fn time_limit(&self, now: Instant) -> Duration {
        let is_short = match &self.phase {
            Phase::Holding { held } => now < held.leads_until(),
            Phase::Leaving { .. } => true,
            Phase::Following { .. } | Phase::Ended => false,
        };
        if is_short {
            // Twice the last round trip: with a fixed limit nobody would lead for long on a slow table.
            self.round_trip.saturating_mul(2).clamp(CALL_TIMEOUT, HEARTBEAT)
        } else {
            HEARTBEAT
        }
    }

    /// The term in which this worker leads. `None`: it does not lead.
    pub(crate) fn term(&self, now: Instant) -> Option<Term> {
        let Phase::Holding { held } = &self.phase else {
            return None;
        };
        let until = held.leads_until();
        let number = self.terms;
        (now < until && self.quit.is_none()).then_some(Term { number, until })
    }

    /// Stops leading at once, deletes the lock, and lets others lead for a while. For a leader that cannot do its work.
    pub(crate) fn resign(&mut self, now: Instant) {
        self.quit_by(now, Quit::Resign);
    }

    /// Stops leading at once, deletes the lock, and ends.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        self.quit_by(now, Quit::ShutDown);
    }

    /// Whether the shutdown is done: there will be no more calls.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    fn quit_by(&mut self, now: Instant, quit: Quit) {
        if self.quit == Some(Quit::ShutDown) {
            return;
        }
        self.quit = Some(quit);
        if self.in_flight.is_none() {
            self.leave(now, quit);
        }
    }

    /// Deletes the row if it may be ours.
    fn leave(&mut self, now: Instant, quit: Quit) {
        let version = match &self.phase {
            Phase::Holding { held } => Some(held.version.clone()),
            Phase::Following { .. } => self.written.last().map(|own| own.version.clone()),
            Phase::Leaving { .. } | Phase::Ended => return,
        };
        match version {
            Some(version) => {
                self.phase = Phase::Leaving { version, tries: 0 };
                self.next_at = now;
            }
            None => self.left(now, quit),
        }
    }

    fn left(&mut self, now: Instant, quit: Quit) {
        self.quit = None;
        self.phase = match quit {
            Quit::ShutDown => Phase::Ended,
            Quit::Resign => Phase::nobody(),
        };
        self.next_at = now + PAUSE;
    }

    fn heartbeat(&self, held: &Own, next: LockVersion) -> LockWrite {
        LockWrite::Heartbeat {
            holder: self.me.clone(),
            seen: held.version.clone(),
            next,
            lease: LEASE,
        }
    }
}

impl Phase {
    fn nobody() -> Self {
        Self::Following {
            rival: None,
            take: None,
        }
    }
}
