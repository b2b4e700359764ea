//! Pure: what the replies of the table say of the lock.

use std::time::Instant;

use super::rival::{Rival, Verdict};
use super::written::Own;
use super::{DELETE_TRIES, HEARTBEAT, InFlight, Leadership, LockNews, POLL, Phase, Quit, RETRY};
use crate::coordination::rows::{FleetRow, LockRow};
use crate::coordination::write::{FleetOutcome, TakeWhen};

impl Leadership {
    /// Takes up what a read, or a refusal, shows of the row.
    pub(super) fn saw(&mut self, now: Instant, row: Option<FleetRow>) -> Option<LockNews> {
        let Some(row) = row else {
            return self.follow(now, None, Some(TakeWhen::Absent));
        };
        let FleetRow::Lock(row) = row else {
            self.next_at = now + POLL;
            return None;
        };
        if let Some(own) = self.shown_of_ours(&row) {
            return self.hold(now, own);
        }
        let before = match &mut self.phase {
            Phase::Following { rival, .. } => rival.take(),
            Phase::Holding { .. } | Phase::Leaving { .. } | Phase::Ended => None,
        };
        let (rival, verdict, news) = Rival::seen(before, &row, &self.me, now);
        match verdict {
            Verdict::Take(when) => drop(self.follow(now, Some(rival), Some(when))),
            Verdict::LookAgain(at) => {
                drop(self.follow(now, Some(rival), None));
                self.next_at = at;
            }
        }
        news
    }

    /// The write of this process that `row` shows.
    fn shown_of_ours(&self, row: &LockRow) -> Option<Own> {
        let is_mine = row.owner.as_ref() == Some(&self.me) && !row.is_released;
        self.written.find(&row.version).filter(|_| is_mine)
    }

    fn follow(&mut self, now: Instant, rival: Option<Rival>, take: Option<TakeWhen>) -> Option<LockNews> {
        self.phase = Phase::Following { rival, take };
        self.next_at = now;
        None
    }

    /// The row is ours, by the write `own`.
    fn hold(&mut self, now: Instant, own: Own) -> Option<LockNews> {
        self.next_at = now.max(own.sent + HEARTBEAT);
        let is_new = !matches!(self.phase, Phase::Holding { .. });
        self.terms += u64::from(is_new);
        self.phase = Phase::Holding { held: own };
        is_new.then_some(LockNews::Elected)
    }

    pub(super) fn wrote(&mut self, now: Instant, call: &InFlight, outcome: FleetOutcome) -> Option<LockNews> {
        match (outcome, &call.version) {
            (FleetOutcome::Applied, Some(version)) => {
                let own = Own {
                    version: version.clone(),
                    sent: call.sent,
                };
                self.written.confirm(own.clone());
                self.hold(now, own)
            }
            (FleetOutcome::Applied, None) => self.deleted(now),
            (FleetOutcome::Refused(row), version) => {
                version.iter().for_each(|version| self.written.forget(version));
                self.refused(now, call, row)
            }
            (FleetOutcome::NotApplied(_), version) => {
                version.iter().for_each(|version| self.written.forget(version));
                self.retry(now, call)
            }
            (FleetOutcome::Unknown(_), _) => self.retry(now, call),
        }
    }

    fn refused(&mut self, now: Instant, call: &InFlight, row: Option<FleetRow>) -> Option<LockNews> {
        match &mut self.phase {
            Phase::Following { .. } if row.is_none() => self.retry(now, call),
            Phase::Following { .. } => self.saw(now, row),
            Phase::Holding { held } => {
                let lost = held.version.clone();
                self.written.forget(&lost);
                self.overtaken(now, row)
            }
            Phase::Leaving { version, .. } => {
                let tried = version.clone();
                self.written.forget(&tried);
                let row = row.and_then(FleetRow::into_lock);
                match row.and_then(|row| self.shown_of_ours(&row)) {
                    Some(own) => {
                        self.phase = Phase::Leaving {
                            version: own.version,
                            tries: 0,
                        };
                        self.next_at = now;
                        None
                    }
                    None => self.deleted(now),
                }
            }
            Phase::Ended => None,
        }
    }

    /// A heartbeat was refused: an earlier one was applied, or the lock is lost.
    fn overtaken(&mut self, now: Instant, row: Option<FleetRow>) -> Option<LockNews> {
        let lock = row.clone().and_then(FleetRow::into_lock);
        if let Some(own) = lock.as_ref().and_then(|lock| self.shown_of_ours(lock)) {
            return self.hold(now, own);
        }
        drop(self.follow(now, None, None));
        let by = lock.and_then(|lock| lock.owner);
        if row.is_some() {
            self.written.clear();
            drop(self.saw(now, row));
        }
        if by.as_ref() == Some(&self.me) {
            return Some(LockNews::IdInUse);
        }
        Some(LockNews::Deposed { by })
    }

    /// The row is not ours any more.
    fn deleted(&mut self, now: Instant) -> Option<LockNews> {
        self.written.clear();
        self.left(now, self.quit.unwrap_or(Quit::Resign));
        None
    }

    /// Plans the call after one that failed.
    pub(super) fn retry(&mut self, now: Instant, call: &InFlight) -> Option<LockNews> {
        let longest = match &mut self.phase {
            Phase::Following { take, .. } => {
                // What is known of the row may be outdated.
                *take = None;
                POLL
            }
            // Each second, so that three tries end within the term.
            Phase::Holding { held } if now < held.leads_until() => RETRY,
            Phase::Holding { .. } => HEARTBEAT,
            Phase::Leaving { tries, .. } => {
                *tries += 1;
                if *tries >= DELETE_TRIES {
                    self.left(now, self.quit.unwrap_or(Quit::Resign));
                    return None;
                }
                RETRY
            }
            Phase::Ended => return None,
        };
        let doubled = RETRY * 2_u32.pow(self.failures.saturating_sub(1).min(4));
        self.next_at = now.max(call.sent + doubled.min(longest));
        None
    }
}
