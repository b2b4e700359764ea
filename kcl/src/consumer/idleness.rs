//! The idle position: a time at which a shard had no records behind its checkpoint. A reader that begins there later does not
//! look through the time in which there was nothing, and knows that no records of that time were lost.

use std::time::{Duration, Instant};

use crate::checkpoint::position::Position;
use crate::consumer::shard_consumer::ShardConsumer;
use crate::lease::model::IdlePosition;
use crate::retrieval::loss::Idle;

/// How often an idle position is noted; it goes with a renewal that is due anyway. Our choice.
const NOTED_EACH: Duration = Duration::from_secs(60);

impl ShardConsumer {
    /// Notes that a page has brought nothing, if everything before it is checkpointed.
    pub(super) async fn note_idle(&mut self, asked_at: Instant, lag: Option<Duration>) {
        let now = self.parts.clock.now();
        let checkpoint = self.checkpointer.last();
        let is_idle = lag == Some(Duration::ZERO) && checkpoint == self.position();
        let is_due = self.idle_noted.is_none_or(|noted| now >= noted + NOTED_EACH);
        if !is_idle || !is_due || !matches!(checkpoint, Position::At(_)) {
            return;
        }
        // By the time of the service: a time that is ahead of it would pass over records.
        let Some(time) = self.parts.table.service_time() else {
            return;
        };
        let at = time.checked_sub(now.saturating_duration_since(asked_at));
        if let Some(at) = at.and_then(IdlePosition::millis) {
            self.idle_noted = Some(now);
            let idle = IdlePosition { at, checkpoint };
            self.parts.renewer.set_idle(&self.ownership, idle).await;
        }
    }

    /// When there was nothing behind the position at which reading begins, if the row says so.
    pub(super) fn idle_since(&self) -> Option<Idle> {
        let at = self.lease.idle_at().filter(|_| self.position() == self.start)?;
        let age = self
            .parts
            .table
            .service_time()
            .and_then(|now| now.duration_since(at).ok());
        Some(Idle {
            at,
            since: age.and_then(|age| self.parts.clock.now().checked_sub(age)),
        })
    }
}
