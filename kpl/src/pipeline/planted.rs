//! Pure: what planted bugs do to the pipeline.

use service::ShardId;

use super::{Pipeline, RequestId, Stored};
use crate::lanes::aggregate::SealedAggregate;

impl Pipeline {
    pub(super) fn forget(&mut self, aggregate: SealedAggregate) {
        self.outstanding.leave(aggregate.generation);
        std::mem::forget(aggregate);
    }

    pub(super) fn release_room_of(&mut self, request: RequestId) {
        let request = self.in_flight.get_mut(&request).into_iter();
        let aggregates = request.flat_map(|request| &mut request.aggregates);
        aggregates.for_each(SealedAggregate::release_room);
    }

    pub(super) fn acknowledge(&mut self, request: RequestId) {
        let Some(request) = self.in_flight.get_mut(&request) else {
            return;
        };
        for aggregate in std::mem::take(&mut request.aggregates) {
            let target = aggregate.target.as_ref();
            let shard = target.map_or_else(|| ShardId::new(""), |target| target.shard.clone());
            let sequence_number = "0".into();
            self.deliver(Stored {
                aggregate,
                shard,
                sequence_number,
            });
        }
    }
}
