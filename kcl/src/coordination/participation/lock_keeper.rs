//! Contends for the leader's lock, and says in which term this worker leads.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::coordination::leadership::{Leadership, LockNews, LockReply, Term};
use crate::coordination::lock_call::carry_out;
use crate::coordination::write::FleetOutcome;
use crate::event::FleetEvent;

/// Carries out what the leadership of one worker asks for.
#[derive(Debug)]
pub(crate) struct LockKeeper {
    context: Context,
    leadership: Leadership,
    rng: fastrand::Rng,
    /// The latest term. It has ended when its time is over.
    term: watch::Sender<Option<Term>>,
    /// Asks it to let another worker lead.
    resign: Arc<Notify>,
}

impl LockKeeper {
    /// The keeper, and the way to its latest term.
    pub(crate) fn new(
        context: Context,
        resign: Arc<Notify>,
        rng: fastrand::Rng,
    ) -> (Self, watch::Receiver<Option<Term>>) {
        let (term, terms) = watch::channel(None);
        let leadership = Leadership::new(context.worker.clone(), context.clock.now());
        let keeper = Self {
            context,
            leadership,
            rng,
            term,
            resign,
        };
        (keeper, terms)
    }

    /// Contends until `stop` is set; then deletes the lock, if it is this worker's.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let clock = self.context.clock.clone();
        while !self.leadership.is_ended() {
            if stop.is_cancelled() {
                self.leadership.shut_down(clock.now());
                self.publish();
            }
            match self.leadership.next(clock.now(), &mut self.rng) {
                Some(call) => {
                    let reply = carry_out(call, &*self.context.table, &clock).await;
                    self.replied(reply);
                }
                None => tokio::select! {
                    biased;
                    () = stop.cancelled(), if !stop.is_cancelled() => {}
                    () = self.resign.notified() => {
                        self.leadership.resign(clock.now());
                        self.publish();
                    }
                    () = clock.sleep_until(self.leadership.next_at()), if !self.leadership.is_ended() => {}
                    else => {}
                },
            }
        }
    }

    fn replied(&mut self, reply: LockReply) {
        let observers = &self.context.observers;
        if let LockReply::Written(FleetOutcome::NotApplied(error) | FleetOutcome::Unknown(error)) = &reply {
            observers.tell(FleetEvent::RowNotWritten {
                row: "the leader's lock",
                error: service::chain(error),
                repeated: 0,
            });
        }
        let news = self.leadership.replied(self.context.clock.now(), reply);
        self.publish();
        match news {
            Some(LockNews::Elected) => observers.tell(FleetEvent::Elected),
            Some(LockNews::Deposed { by }) => observers.tell(FleetEvent::Deposed { by }),
            Some(LockNews::IdInUse) => observers.tell(FleetEvent::IdInUse),
            Some(LockNews::Damaged(error)) => observers.tell(FleetEvent::LockUnreadable {
                problem: error.to_string(),
            }),
            None => {}
        }
    }

    fn publish(&self) {
        self.term.send_replace(self.leadership.term(self.context.clock.now()));
    }
}
