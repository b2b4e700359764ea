//! The two fronts as their users meet them: through the SDK's clients, and through raw sockets.

#![cfg(test)]

mod clients;
mod cloudwatch;
mod conformance;
mod dates;
mod determinism;
mod dynamodb;
mod dynamodb_controls;
mod dynamodb_lag;
mod dynamodb_tables;
mod dynamodb_throttling;
mod faults;
mod fronts;
mod kinesis;
mod kinesis_cbor;
mod kinesis_shapes;
mod lease_table;
mod processes;
mod program;
mod sandbox;
mod sandbox_controls;
mod sandbox_faults;
mod wire;
