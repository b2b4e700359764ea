//! Pure: what the pipeline sees of each aggregate and request, to be counted.
//!
//! [`Event`](crate::event::Event) tells of what is worth a line in a log; this tells of everything.

use std::time::Instant;

use service::ShardId;

use crate::error::PutErrorKind;
use crate::error::codes::Refusal;
use crate::lanes::aggregate::SealedAggregate;
use crate::routing::shard_map::ShardMap;

/// Something that happened to an aggregate or to a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Observation<'a> {
    /// An aggregate came from its lane.
    Received(&'a SealedAggregate),
    /// A call for the shards or for the description leaves; `failures` in a row came before it.
    LookUpSent { failures: u32 },
    /// It failed.
    LookUpFailed { code: &'a str },
    /// A request ended.
    RequestEnded {
        sent: Instant,
        ended: Instant,
        /// What it carried, before this attempt is noted.
        aggregates: &'a [SealedAggregate],
        /// The error code, if there is no answer for each aggregate.
        failure: Option<&'a str>,
    },
    /// The service answered for one aggregate of a request.
    EntryAnswered {
        aggregate: &'a SealedAggregate,
        /// Where it was stored, or should have been; `None` if that is not known.
        shard: Option<&'a ShardId>,
        /// Why it was refused, unless it was stored.
        refusal: Option<&'a Refusal>,
    },
    /// An aggregate was stored where it does not belong.
    Misplaced(&'a SealedAggregate),
    /// An aggregate ended at a shard.
    Delivered {
        aggregate: &'a SealedAggregate,
        shard: &'a ShardId,
    },
    /// An aggregate is given back.
    Failed {
        aggregate: &'a SealedAggregate,
        kind: &'a PutErrorKind,
    },
    /// Another shard map is in force.
    ShardsChanged(&'a ShardMap),
}
