#![doc = include_str!("../README.md")]
//!
//! # Inside
//!
//! In the order of a call: `sim` and `sandbox` are the two fronts, with a `clock` each; `dispatch` hands a request to
//! `kinesis`, `dynamodb` or `cloudwatch`, all of one `account`.

mod account;
mod clock;
pub mod cloudwatch;
mod dispatch;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod kinesis;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod sim;

pub use dispatch::Service;
