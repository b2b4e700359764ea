//! Everything that crosses the borders of the crates, as one test binary.

#![cfg(test)]

mod architecture;
mod consumer;
mod coordination;
mod distribution;
mod fleet;
mod permissions;
mod producer;
mod replies;
mod shard_ranges;
mod simulation;
mod threads;

/// The pure parts of the simulator, for their tests: a program has none of its own.
mod simulate {
    #[expect(dead_code, reason = "the program uses it all")]
    pub(crate) mod scenario;
    pub(crate) mod shrink;
    #[expect(dead_code, reason = "the program uses it all")]
    pub(crate) mod sometimes;
}

use simulate::{scenario, shrink};
