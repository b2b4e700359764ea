#![doc = include_str!("../README.md")]

mod account;
mod clock;
pub mod cloudwatch;
mod dispatch;
pub mod dynamodb;
pub mod kinesis;
pub mod oracle;
pub mod sandbox;
pub mod sim;

pub use dispatch::Service;
