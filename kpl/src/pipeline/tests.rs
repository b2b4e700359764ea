//! Scenarios of the pipeline, with the lanes in front of it and a service behind it, and time as an argument.

mod conservation;
mod contradictions;
mod copies;
mod deadlines;
mod distribution;
mod expiry;
mod failures;
mod flow;
mod history;
mod interception;
mod missing_stream;
mod order;
mod outage;
mod placement;
mod proxies;
mod request_under_way;
mod resharding;
mod shard_map;
mod sparse_throttling;
mod stream;
mod throttling;
mod unchecked_ranges;
mod world;
