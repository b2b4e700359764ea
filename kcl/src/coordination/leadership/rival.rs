//! Pure: another's lock, and when it may be taken.

use std::time::{Duration, Instant};

use super::{DRIFT, LockNews, POLL};
use crate::coordination::rows::lock::LONGEST_LEASE;
use crate::coordination::rows::{LockRow, LockVersion};
use crate::coordination::write::TakeWhen;
use crate::lease::model::WorkerId;

/// How long a lock is respected that does not say its lease: Java's default, the longest that is usual.
const UNREADABLE_LEASE: Duration = Duration::from_secs(120);

/// How often a lock that names this worker must change until another process is known to live under its id. One change may be
/// a last write of an earlier process, on its way while that process died.
const CHANGES: u32 = 2;

/// A lock that this process does not hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rival {
    version: LockVersion,
    /// When a reply has first shown the version.
    since: Instant,
    /// How often the version has changed while the lock named this worker.
    changes: u32,
}

/// What to do about a rival's lock.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Take(TakeWhen),
    LookAgain(Instant),
}

impl Rival {
    /// The rival that `row` shows at `now`, if `before` was known.
    pub(super) fn seen(
        before: Option<Self>,
        row: &LockRow,
        me: &WorkerId,
        now: Instant,
    ) -> (Self, Verdict, Option<LockNews>) {
        let is_known = before.as_ref().is_some_and(|before| before.version == row.version);
        let names_me = row.owner.as_ref() == Some(me);
        let changes = match &before {
            Some(before) if names_me => before.changes + u32::from(!is_known),
            Some(_) | None => 0,
        };
        let rival = match before {
            Some(before) if is_known => before,
            Some(_) | None => Self {
                version: row.version.clone(),
                since: now,
                changes,
            },
        };
        let damage = row.damage.clone().filter(|_| !is_known);
        let news = (!is_known && changes == CHANGES)
            .then_some(LockNews::IdInUse)
            .or(damage.map(LockNews::Damaged));
        let verdict = rival.verdict(row, me, now);
        (rival, verdict, news)
    }

    fn verdict(&self, row: &LockRow, me: &WorkerId, now: Instant) -> Verdict {
        if row.is_released {
            return Verdict::Take(TakeWhen::Released);
        }
        let wait = respected(row, me);
        let free_at = wait
            .checked_add(wait / DRIFT)
            .and_then(|wait| self.since.checked_add(wait));
        let poll = now + POLL;
        match free_at {
            Some(free_at) if now > free_at => Verdict::Take(TakeWhen::Version(self.version.clone())),
            Some(free_at) => Verdict::LookAgain(poll.min(free_at + Duration::from_millis(1))),
            None => Verdict::LookAgain(poll),
        }
    }
}

/// How long a version of `row` must have been seen until its holder leads no more.
fn respected(row: &LockRow, me: &WorkerId) -> Duration {
    // The holder of a longer lease that lives sends heartbeats meanwhile. Without the bound a wrong number would leave the fleet
    // without a leader for years.
    let lease = row.lease.unwrap_or(UNREADABLE_LEASE).min(LONGEST_LEASE);
    match row.leads_for {
        Some(leads_for) if row.owner.as_ref() == Some(me) => leads_for.min(lease),
        Some(_) | None => lease,
    }
}
