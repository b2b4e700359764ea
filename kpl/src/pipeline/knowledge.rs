//! Pure: what is known of the stream.
//!
//! `refresher` says when to fetch the shard map, and `map_changes` applies a new one; `distribution` is learnt from the
//! description or by `evidence`, and `routing_changes` puts into force what follows from both. `hot_shards` and
//! `heavy_keys` note what is throttled.

pub(super) mod distribution;
pub(super) mod evidence;
pub(super) mod heavy_keys;
pub(super) mod hot_shards;
pub(super) mod map_changes;
pub(super) mod refresher;
pub(super) mod routing_changes;
