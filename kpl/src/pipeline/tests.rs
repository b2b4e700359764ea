//! Scenarios of the pipeline, with the lanes in front of it and a service behind it, and time as an argument.

mod conservation;
mod contradictions;
mod deadlines;
mod distribution;
mod expiry;
mod failures;
mod flow;
mod history;
mod order;
mod outage;
mod placement;
mod resharding;
mod stream;
mod throttling;
mod world;
