//! Pure: what the replies of an observer's calls show.

use std::time::{Instant, SystemTime};

use super::{Purpose, RETRY, Scan, TurnNews, TurnReply, Turns, WholeScan};
use crate::coordination::lease_watch::{ReadTime, Sign, SignOfLife};
use crate::coordination::members::MembersSeen;
use crate::error::TableError;
use crate::lease::item::Row;
use crate::lease::model::LeaseKey;
use crate::lease::table::ScanPage;
use crate::lease::write::WriteOutcome;

impl Turns {
    /// Notes how the call ended that was made last.
    ///
    /// `wall` is the time of the table's service; that of this host if no reply of the service has shown it yet.
    pub(crate) fn replied(&mut self, now: Instant, wall: SystemTime, reply: TurnReply) -> Vec<TurnNews> {
        let Some(sent) = self.in_flight.take() else {
            return Vec::new();
        };
        let read = ReadTime { sent, replied: now };
        self.note_failures(&reply, read);
        match reply {
            TurnReply::Page(Ok(page)) => self.page(page, read, wall),
            TurnReply::Page(Err(_)) => {
                match self.scan.take().map(|scan| scan.purpose) {
                    Some(Purpose::Turn) => self.next_turn = now,
                    Some(Purpose::Other) | None => self.scan_now(now),
                }
                Vec::new()
            }
            TurnReply::Rows(rows) => {
                let is_routine = rows.iter().all(|(key, _)| !self.rereads.contains_key(key));
                for (key, row) in rows {
                    self.row(&key, row, read);
                }
                if is_routine {
                    self.look_at_neighbour(now);
                    return Vec::new();
                }
                self.conclude(now, wall)
            }
            TurnReply::Assigned(outcomes) => self.assigned(outcomes, read),
        }
    }

    /// Lets the next call wait after a failure, and finds out whether this worker was cut off from the table.
    fn note_failures(&mut self, reply: &TurnReply, read: ReadTime) {
        let is_lost =
            |outcome: &WriteOutcome| matches!(outcome, WriteOutcome::NotApplied(_) | WriteOutcome::Unknown(_));
        let (answers, failures) = match reply {
            TurnReply::Page(page) => (usize::from(page.is_ok()), usize::from(page.is_err())),
            TurnReply::Rows(rows) => count(rows.iter().map(|(_, row)| row.is_err())),
            TurnReply::Assigned(outcomes) => count(outcomes.iter().map(|(_, outcome)| is_lost(outcome))),
        };
        if failures > 0 {
            self.pause = Some(read.replied + RETRY);
        }
        if answers == 0 {
            self.failing_since.get_or_insert(read.sent);
            return;
        }
        let since = self.failing_since.take().unwrap_or(read.sent);
        if read.replied.saturating_duration_since(since) > self.policy.failover {
            self.cut_off(read.replied);
        }
    }

    fn page(&mut self, page: ScanPage, read: ReadTime, wall: SystemTime) -> Vec<TurnNews> {
        let Some(mut scan) = self.scan.take() else {
            return Vec::new();
        };
        for row in page.rows {
            match row {
                Row::Lease(_) => self.saw(row, read),
                Row::Foreign(kind, attributes) => scan.rows.add(&kind, &attributes),
                Row::Hole(_) => {}
            }
        }
        if page.next.is_some() {
            scan.from = page.next;
            self.scan = Some(scan);
            return Vec::new();
        }
        self.scanned(scan, read, wall)
    }

    fn scanned(&mut self, scan: Scan, read: ReadTime, wall: SystemTime) -> Vec<TurnNews> {
        self.plan_second_scan(&scan, read.replied);
        self.watch.forget_unread(scan.begun);
        let leases = self.watch.leases();
        let owners = leases
            .filter_map(|watched| watched.lease.actual_owner().cloned())
            .collect();
        if let Some(sign) = self.heartbeat(&scan, read.replied) {
            self.members.renewed(sign);
        }
        let seen = MembersSeen {
            rows: &scan.rows.metrics,
            owners: &owners,
            read: ReadTime {
                sent: scan.begun,
                replied: read.replied,
            },
            wall,
        };
        let mut members = self.members.scanned(&seen);
        members.extend(self.members.slow(&self.watch.slow_owners()));
        let mut news: Vec<_> = members.into_iter().map(TurnNews::Member).collect();
        news.extend(self.conclude(read.replied, wall));
        self.last_scan = Some(WholeScan {
            begun: scan.begun,
            at: read.replied,
            rows: scan.rows,
        });
        news
    }

    /// The sign of life of the leader, which may have no lease: its lock has changed since the last scan.
    fn heartbeat(&self, scan: &Scan, now: Instant) -> Option<SignOfLife> {
        let last = self.last_scan.as_ref()?;
        let (before, lock) = (last.rows.lock.as_ref()?, scan.rows.lock.as_ref()?);
        let is_beat = before.owner == lock.owner && before.version != lock.version && !lock.is_released;
        is_beat.then_some(SignOfLife {
            worker: lock.owner.clone()?,
            after: last.begun,
            before: now,
        })
    }

    fn row(&mut self, key: &LeaseKey, row: Result<Option<Row>, TableError>, read: ReadTime) {
        match row {
            Ok(Some(row)) => self.saw(row, read),
            Ok(None) => self.watch.gone(key),
            Err(_) => {}
        }
    }

    fn saw(&mut self, row: Row, read: ReadTime) {
        let Row::Lease(lease) = row else { return };
        match self.watch.saw(lease, read) {
            Some(Sign::Life(sign)) => self.members.renewed(sign),
            Some(Sign::Lost { worker, at }) => self.members.expired(worker, at),
            None => {}
        }
    }

    fn assigned(&mut self, outcomes: Vec<(LeaseKey, WriteOutcome)>, read: ReadTime) -> Vec<TurnNews> {
        let mut news = Vec::new();
        for (key, outcome) in outcomes {
            match outcome {
                WriteOutcome::Applied(row) => {
                    if row.actual_owner() == Some(&self.me) {
                        news.push(TurnNews::Mine(key));
                    }
                    self.saw(Row::Lease(row), read);
                }
                WriteOutcome::Refused(Some(row)) => self.saw(Row::Lease(row), read),
                WriteOutcome::Refused(None) => self.watch.gone(&key),
                // Whether it was applied is seen by reading the row.
                WriteOutcome::NotApplied(_) | WriteOutcome::Unknown(_) => {
                    self.rereads.insert(key, read.replied);
                }
            }
        }
        news
    }
}

/// How many calls have an answer, and how many have not.
fn count(failures: impl Iterator<Item = bool>) -> (usize, usize) {
    failures.fold((0, 0), |(answers, failures), is_failure| match is_failure {
        true => (answers, failures + 1),
        false => (answers + 1, failures),
    })
}
