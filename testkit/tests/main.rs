//! The two fronts as their users meet them: through the SDK's clients, and through raw sockets.

#![cfg(test)]

mod conformance;
mod determinism;
mod dynamodb;
mod faults;
mod fronts;
mod kinesis;
mod kinesis_shapes;
mod sandbox;
mod wire;
