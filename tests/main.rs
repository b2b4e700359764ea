//! Everything that crosses the borders of the crates, as one test binary.

#![cfg(test)]

mod consumer;
mod fleet;
mod producer;
