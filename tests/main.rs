//! Everything that crosses the borders of the crates, as one test binary.

#![cfg(test)]

mod acceptance;
mod architecture;
mod consumer;
mod distribution;
mod fleet;
mod permissions;
mod producer;
mod shard_ranges;
mod simulation;
mod threads;
