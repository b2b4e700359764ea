//! What a producer and a consumer of Amazon Kinesis Data Streams share.
//!
#![doc = include_str!("../README.md")]

mod clock;
mod tasks;

pub use clock::{Clock, ClockSource};
pub use tasks::{Lost, Tasks};
