//! Carries out the calls that the leader's lock asks for.

use service::Clock;

use super::leadership::{CALL_TIMEOUT, LockCall, LockReply};
use super::rows::LEADER_KEY;
use super::table::{FleetTable, Place};
use super::write::{FleetOutcome, FleetWrite};
use crate::lease::renewer::timed_out;

/// Makes `call`, and waits for its reply for [`CALL_TIMEOUT`]. Without one, a write is of unknown outcome.
///
/// # Cancellation
///
/// A dropped future leaves open whether a write is applied; the leadership has to be told so.
pub(crate) async fn carry_out(call: LockCall, table: &dyn FleetTable, clock: &Clock) -> LockReply {
    match call {
        LockCall::Read => {
            let read = table.fleet_row(Place::LeaseTable, LEADER_KEY);
            let read = clock.timeout(CALL_TIMEOUT, read).await;
            LockReply::Read(read.unwrap_or_else(|| Err(timed_out("GetItem", CALL_TIMEOUT))))
        }
        LockCall::Write(write) => {
            let write = FleetWrite::Lock(write);
            let written = clock.timeout(CALL_TIMEOUT, table.write_fleet(&write)).await;
            let unknown = || FleetOutcome::Unknown(timed_out("a write of the leader's lock", CALL_TIMEOUT));
            LockReply::Written(written.unwrap_or_else(unknown))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures::future::{BoxFuture, pending};

    use super::*;
    use crate::coordination::leadership::{Leadership, LockNews};
    use crate::coordination::rows::FleetRow;
    use crate::error::TableError;
    use crate::lease::memory::{Fault, MemoryLeaseTable, Operation};
    use crate::lease::model::WorkerId;

    /// A table that does not answer.
    #[derive(Debug)]
    struct Silent;

    impl FleetTable for Silent {
        fn fleet_row<'a>(&'a self, _: Place, _: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>> {
            Box::pin(pending())
        }

        fn write_fleet<'a>(&'a self, _: &'a FleetWrite) -> BoxFuture<'a, FleetOutcome> {
            Box::pin(pending())
        }
    }

    fn leadership(clock: &Clock) -> (Leadership, fastrand::Rng) {
        let leadership = Leadership::new(WorkerId::new("me"), clock.now());
        (leadership, fastrand::Rng::with_seed(1))
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_becomes_the_leader_on_a_table() {
        let (table, clock) = (MemoryLeaseTable::new("leases", 3), Clock::default());
        let (mut leadership, mut rng) = leadership(&clock);
        let mut news = Vec::new();
        while let Some(call) = leadership.next(clock.now(), &mut rng) {
            let reply = carry_out(call, &table, &clock).await;
            news.extend(leadership.replied(clock.now(), reply));
        }
        assert_eq!(news, [LockNews::Elected]);
        assert!(leadership.term(clock.now()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_take_whose_reply_was_lost_is_recognised_on_a_table() {
        let (table, clock) = (MemoryLeaseTable::new("leases", 3), Clock::default());
        let (mut leadership, mut rng) = leadership(&clock);
        table.fail_next(Operation::Write, Fault::ReplyLost);
        for _ in 0..3 {
            clock.sleep_until(leadership.next_at()).await;
            let call = leadership.next(clock.now(), &mut rng).unwrap();
            let reply = carry_out(call, &table, &clock).await;
            drop(leadership.replied(clock.now(), reply));
        }
        assert!(leadership.term(clock.now()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_reply_ends_after_a_second_as_unknown() {
        let clock = Clock::default();
        let (mut leadership, mut rng) = leadership(&clock);
        let call = leadership.next(clock.now(), &mut rng).unwrap();
        let begun = clock.now();
        let silent: Arc<dyn FleetTable> = Arc::new(Silent);
        let reply = carry_out(call, &*silent, &clock).await;
        assert!(matches!(reply, LockReply::Read(Err(_))), "{reply:?}");
        let write = crate::coordination::write::LockWrite::Delete {
            holder: WorkerId::new("me"),
            seen: crate::coordination::rows::LockVersion::random(&mut rng),
        };
        let reply = carry_out(LockCall::Write(write), &*silent, &clock).await;
        assert!(
            matches!(reply, LockReply::Written(FleetOutcome::Unknown(_))),
            "{reply:?}"
        );
        let took = clock.now() - begun;
        assert!(took >= CALL_TIMEOUT * 2 && took < Duration::from_secs(3), "{took:?}");
    }
}
