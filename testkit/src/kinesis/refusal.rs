//! Pure: what the service says when a stream or a shard is not there, not ready or too busy.
//!
//! Source of the wording: kinesalite, which was compared with the service.

use std::fmt::Display;

use super::call::Call;
use super::error::ServiceError;
use super::identity::Identity;
use super::response::StreamStatus;
use super::shard_id::ShardId;

/// Says that a stream is not there.
pub(super) fn no_stream(name: &str, account_id: &str) -> ServiceError {
    ServiceError::resource_not_found(format!("Stream {name} under account {account_id} not found."))
}

/// Says that a shard is not there.
pub(super) fn no_shard(shard: &str, Identity { name, account_id, .. }: &Identity) -> ServiceError {
    let message = format!("Shard {shard} in stream {name} under account {account_id} does not exist");
    ServiceError::resource_not_found(message)
}

/// Says that the account of a stream does not let others do this with it.
pub(super) fn not_shared(Call { account, operation, .. }: Call<'_>, arn: &str) -> ServiceError {
    ServiceError::access_denied(format!(
        "User: arn:aws:iam::{account}:root is not authorized to perform: kinesis:{operation} on resource: {arn} because no \
         resource-based policy allows the kinesis:{operation} action"
    ))
}

/// Says that a rehearsed call would have been allowed. Source of the wording: API reference, `DryRunOperationException`.
pub(super) fn dry_run() -> ServiceError {
    ServiceError::dry_run("The request was rejected because the DryRun parameter was specified.")
}

/// Says that a stream is not there: one of this name is, but not the one that is meant.
pub(super) fn not_found(Identity { name, account_id, .. }: &Identity) -> ServiceError {
    no_stream(name, account_id)
}

/// Says that a stream is in a state in which the call is not allowed.
pub(super) fn in_use(Identity { name, account_id, .. }: &Identity, status: StreamStatus) -> ServiceError {
    let status = status.name();
    let message = format!("Stream {name} under account {account_id} not ACTIVE, instead in state {status}");
    ServiceError::resource_in_use(message)
}

/// The message for a record that a shard has no throughput for.
pub(super) fn write_rate_exceeded(shard: ShardId, stream: &Identity) -> String {
    format!("Rate exceeded for shard {shard} in {}.", stream.label())
}

/// The error for a read that a shard has no throughput for. Source: reports of users, since 2023.
pub(super) fn read_rate_exceeded(shard: impl Display, stream: &Identity) -> ServiceError {
    let Identity { name, account_id, .. } = stream;
    let message = format!("Rate exceeded for Shard - {account_id}/{name}/{shard}");
    ServiceError::throughput_exceeded(message)
}

/// The error for a call of the control plane too many.
pub(super) fn call_rate_exceeded(stream: &Identity) -> ServiceError {
    ServiceError::limit_exceeded(format!("Rate exceeded for {}.", stream.label()))
}
