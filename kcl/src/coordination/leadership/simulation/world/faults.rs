//! What goes wrong with calls and processes.

use std::time::Duration;

use super::{Process, SECOND, WAY, What, World};
use crate::coordination::leadership::LockRequest;
use crate::coordination::leadership::tests::failed;
use crate::coordination::write::FleetOutcome;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Faults {
    None,
    /// Calls are late, lost and refused; processes are suspended, killed, restarted, and resign or shut down.
    All,
    /// One call in four is lost or refused, never two in turn.
    OneInFour,
    /// Round trips take one to two seconds.
    Slow,
}

impl World {
    pub(super) fn send(&mut self, worker: usize, request: LockRequest, time_limit: Duration) {
        let call = self.planned;
        self.workers[worker].call = Some((call, request.clone()));
        let timeout = u64::try_from(time_limit.as_micros()).unwrap();
        self.plan(timeout, worker, What::Timeout { call });
        let way = self.way();
        let arrive = |reply_lost| What::Arrive {
            call,
            request: request.clone(),
            reply_lost,
        };
        let refusal = || What::Reply {
            call,
            reply: failed(&request, FleetOutcome::NotApplied),
        };
        let luck = match self.faults {
            Faults::None | Faults::Slow => 100,
            Faults::All => self.rng.u8(0..30),
            Faults::OneInFour if self.last_failed => 100,
            Faults::OneInFour => [0, 1, 2].get(self.rng.usize(0..9)).copied().unwrap_or(100),
        };
        self.last_failed = luck < 5;
        match luck {
            0 => {}
            1 => self.plan(way, worker, arrive(true)),
            2 => self.plan(way, worker, refusal()),
            3 | 4 => {
                let late = self.some_time(40);
                let is_lost = self.rng.bool();
                self.plan(late, worker, arrive(is_lost));
            }
            _ => self.plan(way, worker, arrive(false)),
        }
    }

    pub(super) fn way(&mut self) -> u64 {
        match self.faults {
            Faults::Slow => self.rng.u64(SECOND / 2..SECOND),
            Faults::None | Faults::All | Faults::OneInFour => self.rng.u64(500..WAY),
        }
    }

    pub(super) fn let_something_happen(&mut self) {
        let worker = self.rng.usize(0..self.workers.len());
        let now = self.local(worker);
        let longest = [2, 8, 20, 40][self.rng.usize(0..4)];
        let pause = self.some_time(longest);
        let is_running = self.workers[worker].suspended_until <= self.now;
        match (self.rng.u8(0..200), &mut self.workers[worker].process) {
            (0..3, Some(_)) => self.workers[worker].suspended_until = self.now + pause,
            (3..5, Some(_)) => self.kill(worker),
            (5, Some(_)) => {
                self.kill(worker);
                self.revive(worker);
            }
            (6, Some(Process::Rust(leadership))) if is_running => {
                leadership.resign(now);
                self.poll(worker);
            }
            (7, Some(Process::Rust(leadership))) if is_running => {
                leadership.shut_down(now);
                self.poll(worker);
            }
            (8..20, None) => self.revive(worker),
            (20..30, Some(Process::Rust(leadership))) if leadership.is_ended() => self.revive(worker),
            _ => {}
        }
    }
}
