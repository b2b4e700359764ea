//! Pure: how an aggregate ends: delivered, given back, or given up with everything outstanding.

use std::time::Instant;

use crate::error::{PutError, PutErrorKind};
use crate::lanes::aggregate::SealedAggregate;
use crate::observe::observation::Observation;
use crate::pipeline::{Pipeline, Stored};

impl Pipeline {
    /// Remembers from now on what fails, for [`give_up`](Self::give_up) to return.
    pub(crate) fn report_failures(&mut self) {
        self.failed.get_or_insert_default();
    }

    /// Fails whatever is outstanding; returns its records, after those that failed while failures were to be reported.
    pub(crate) fn give_up(&mut self, kind: &PutErrorKind, now: Instant) -> Vec<PutError> {
        self.abandon_fetch(now);
        let mut all: Vec<SealedAggregate> = std::mem::take(&mut self.unrouted);
        all.extend(std::mem::take(&mut self.retries).into_values());
        all.extend(self.limiter.take_all(|_| false));
        all.extend(self.collector.take());
        all.extend(std::mem::take(&mut self.suspects).into_iter().flatten());
        all.extend(
            std::mem::take(&mut self.in_flight)
                .into_values()
                .flat_map(|request| request.abandoned(now)),
        );
        // A consumer may drop what could not be judged yet: nobody must take it for delivered (P2).
        all.extend(std::mem::take(&mut self.unjudged).into_iter().map(Stored::misplaced));
        self.report_failures();
        for aggregate in all {
            self.fail(aggregate, kind.clone());
        }
        let failed = self.failed.take().unwrap_or_default();
        failed.iter().flat_map(|outcome| outcome.returned()).collect()
    }

    /// What was lost, unheard of, and is not told yet.
    pub(crate) fn take_losses(&mut self) -> Vec<(PutErrorKind, u64)> {
        self.losses.take_all()
    }

    pub(in crate::pipeline) fn deliver(&mut self, stored: Stored) {
        let Stored {
            mut aggregate,
            shard,
            sequence_number,
        } = stored;
        self.released.append(&mut aggregate.lanes_held);
        self.outstanding.leave(aggregate.generation);
        self.delivered += aggregate.record.user_records as u64;
        self.observers.observe(Observation::Delivered {
            aggregate: &aggregate,
            shard: &shard,
        });
        aggregate.deliver(shard.shared(), sequence_number);
    }

    pub(in crate::pipeline) fn fail(&mut self, mut aggregate: SealedAggregate, kind: PutErrorKind) {
        self.released.append(&mut aggregate.lanes_held);
        self.outstanding.leave(aggregate.generation);
        self.observers.observe(Observation::Failed {
            aggregate: &aggregate,
            kind: &kind,
        });
        self.losses.note(aggregate.unheard(), &kind);
        let outcome = aggregate.fail(kind);
        if let Some(failed) = &mut self.failed {
            failed.push(outcome);
        }
    }
}
