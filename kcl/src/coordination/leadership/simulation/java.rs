//! A worker of the Java KCL 3.5.1, as far as the lock goes.

use std::time::{Duration, Instant};

use crate::coordination::leadership::{LockReply, LockRequest};
use crate::coordination::rows::{FleetRow, LockRow, LockVersion};
use crate::coordination::write::{FleetOutcome, LockWrite, TakeWhen};
use crate::lease::model::WorkerId;

const LEASE: Duration = Duration::from_secs(120);
const HEARTBEAT: Duration = Duration::from_secs(30);

/// It counts from the sending of a write, and from the reply of a read, and knows nothing of lost replies.
#[derive(Debug)]
pub(super) struct Java {
    me: WorkerId,
    held: Option<(LockVersion, Instant)>,
    seen: Option<(LockVersion, Instant)>,
    take: Option<TakeWhen>,
    in_flight: Option<(Instant, Option<LockVersion>)>,
    next_at: Instant,
}

impl Java {
    pub(super) fn new(me: WorkerId, now: Instant) -> Self {
        Self {
            me,
            held: None,
            seen: None,
            take: None,
            in_flight: None,
            next_at: now,
        }
    }

    pub(super) fn leads(&self, now: Instant) -> bool {
        self.held.as_ref().is_some_and(|(_, sent)| now < *sent + LEASE)
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.in_flight.is_none().then_some(self.next_at)
    }

    pub(super) fn next(&mut self, now: Instant, rng: &mut fastrand::Rng) -> Option<LockRequest> {
        if self.next_at().is_none_or(|at| now < at) {
            return None;
        }
        let next = LockVersion::random(rng);
        let (call, version) = match (&self.held, self.take.take()) {
            (Some((seen, _)), _) => {
                let heartbeat = LockWrite::Heartbeat {
                    holder: self.me.clone(),
                    seen: seen.clone(),
                    next: next.clone(),
                    lease: LEASE,
                };
                (LockRequest::Write(heartbeat), Some(next))
            }
            (None, Some(when)) => {
                let lock = LockRow {
                    leads_for: None,
                    ..LockRow::taken_by(&self.me, next.clone(), LEASE, LEASE)
                };
                (
                    LockRequest::Write(LockWrite::Take {
                        lock: Box::new(lock),
                        when,
                    }),
                    Some(next),
                )
            }
            (None, None) => (LockRequest::Read, None),
        };
        self.in_flight = Some((now, version));
        Some(call)
    }

    pub(super) fn replied(&mut self, now: Instant, reply: LockReply) {
        let Some((sent, version)) = self.in_flight.take() else {
            return;
        };
        self.next_at = sent + HEARTBEAT;
        match (reply, version) {
            (LockReply::Written(FleetOutcome::Applied), Some(version)) => self.held = Some((version, sent)),
            (LockReply::Written(FleetOutcome::Refused(_)), _) => self.held = None,
            (LockReply::Read(Ok(row)), _) => self.saw(now, row.and_then(FleetRow::into_lock)),
            (LockReply::Read(Err(_)) | LockReply::Written(_), _) => {}
        }
    }

    fn saw(&mut self, now: Instant, row: Option<LockRow>) {
        let Some(row) = row else {
            return self.take_it(now, TakeWhen::Absent);
        };
        if row.is_released {
            return self.take_it(now, TakeWhen::Released);
        }
        let seen = self.seen.take().filter(|(version, _)| *version == row.version);
        let seen = seen.unwrap_or((row.version, now));
        // It cannot read a lock without a lease, and does nothing.
        if row.lease.is_some_and(|lease| now > seen.1 + lease) {
            self.take_it(now, TakeWhen::Version(seen.0.clone()));
        }
        self.seen = Some(seen);
    }

    fn take_it(&mut self, now: Instant, when: TakeWhen) {
        self.take = Some(when);
        self.next_at = now;
    }
}
