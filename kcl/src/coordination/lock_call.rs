//! Carries out the calls that the leader's lock asks for.

use std::time::Duration;

use service::Clock;

use super::leadership::{LockCall, LockReply, LockRequest};
use super::rows::LEADER_KEY;
use super::table::{FleetTable, Place};
use super::write::{FleetOutcome, FleetWrite};
use crate::error::{CallErrorKind, TableError};

/// Makes `call`, and waits for its reply for the time limit of the call. Without a reply, a write is of unknown outcome.
///
/// # Cancellation
///
/// A dropped future leaves open whether a write is applied; the leadership has to be told so.
pub(crate) async fn carry_out(call: LockCall, table: &dyn FleetTable, clock: &Clock) -> LockReply {
    let LockCall { request, time_limit } = call;
    match request {
        LockRequest::Read => {
            let read = table.fleet_row(Place::LeaseTable, LEADER_KEY);
            let read = clock.timeout(time_limit, read).await;
            LockReply::Read(read.unwrap_or_else(|| Err(no_answer("GetItem", time_limit))))
        }
        LockRequest::Write(write) => {
            let write = FleetWrite::Lock(write);
            let written = clock.timeout(time_limit, table.write_fleet(&write)).await;
            let unknown = || FleetOutcome::Unknown(no_answer("a write of the leader's lock", time_limit));
            LockReply::Written(written.unwrap_or_else(unknown))
        }
    }
}

fn no_answer(operation: &'static str, time_limit: Duration) -> TableError {
    TableError {
        operation,
        kind: CallErrorKind::Unavailable {
            code: "Timeout".to_owned(),
            message: format!("no answer within {time_limit:?}, the time limit of a call about the leader's lock"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::{BoxFuture, pending};

    use super::*;
    use crate::coordination::leadership::{Leadership, LockNews};
    use crate::coordination::rows::{FleetRow, FleetRows, LockVersion};
    use crate::coordination::write::LockWrite;
    use crate::lease::memory::{Fault, MemoryLeaseTable, Operation};
    use crate::lease::model::WorkerId;

    /// A table that does not answer.
    #[derive(Debug)]
    struct Silent;

    impl FleetTable for Silent {
        fn fleet_row<'a>(&'a self, _: Place, _: &'a str) -> BoxFuture<'a, Result<Option<FleetRow>, TableError>> {
            Box::pin(pending())
        }

        fn coordinator_rows(&self) -> BoxFuture<'_, Result<Option<FleetRows>, TableError>> {
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
    async fn a_call_without_a_reply_ends_after_its_time_limit_as_unknown_and_says_so() {
        let (clock, time_limit) = (Clock::default(), Duration::from_millis(1_500));
        let silent: Arc<dyn FleetTable> = Arc::new(Silent);
        let delete = LockWrite::Delete {
            holder: WorkerId::new("me"),
            seen: LockVersion::random(&mut fastrand::Rng::with_seed(1)),
        };
        for request in [LockRequest::Read, LockRequest::Write(delete)] {
            let begun = clock.now();
            let reply = carry_out(LockCall { request, time_limit }, &*silent, &clock).await;
            let took = clock.now() - begun;
            assert!(
                took >= time_limit && took < time_limit + Duration::from_millis(10),
                "{took:?}"
            );
            let (LockReply::Read(Err(error)) | LockReply::Written(FleetOutcome::Unknown(error))) = reply else {
                panic!("{reply:?}")
            };
            let text = error.to_string();
            assert!(text.contains("1.5s") && !text.contains("failover"), "{text}");
        }
    }
}
