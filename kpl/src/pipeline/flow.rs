//! Pure: when an aggregate leaves, and with which others.
//!
//! In the order of an aggregate's way: what has another shard by now is `rerouted`; `limiter` queues for each shard, by a `token_bucket` at an `adaptive_rate`; `queues`
//! hold the shards of ordered records; `collector` gathers, up to the `ceiling` of what passes a proxy, by which `cuts` parts what is larger; and `requests` sends
//! what is gathered, and `suspects` by themselves, within the room of `copies`, one at a time if the `pace` says so.

pub(super) mod adaptive_rate;
pub(super) mod ceiling;
pub(super) mod collector;
pub(super) mod copies;
pub(super) mod cuts;
pub(super) mod limiter;
pub(super) mod pace;
pub(super) mod queues;
pub(super) mod requests;
pub(super) mod rerouted;
pub(super) mod suspects;
pub(super) mod token_bucket;
