//! Pure: what a producer has done since it was built.

use super::Failures;
use crate::error::PutErrorKind;
use crate::lanes::contents::Volume;

/// Totals since the producer was built.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) received: Volume,
    pub(super) delivered: Volume,
    pub(super) failed: Volume,
    pub(super) failures: Failures,
    /// Calls for the shards and for the description.
    pub(crate) look_ups: u64,
    /// Requests and calls.
    pub(crate) requests_failed: u64,
    pub(crate) retries: u64,
}

impl Totals {
    /// What has its outcome.
    pub(super) fn ended(&self) -> Volume {
        self.delivered.plus(self.failed)
    }

    pub(crate) fn deliver(&mut self, volume: Volume) {
        self.delivered = self.delivered.plus(volume);
    }

    pub(crate) fn fail(&mut self, volume: Volume, kind: &PutErrorKind) {
        self.failed = self.failed.plus(volume);
        *self.failures.of(kind) += volume.records;
    }
}

impl Failures {
    fn of(&mut self, kind: &PutErrorKind) -> &mut u64 {
        match kind {
            PutErrorKind::Expired => &mut self.expired,
            PutErrorKind::Throttled { .. } => &mut self.throttled,
            PutErrorKind::StreamNotFound => &mut self.stream_not_found,
            PutErrorKind::AccessDenied { .. } => &mut self.access_denied,
            PutErrorKind::CredentialsRefused { .. } => &mut self.credentials_refused,
            PutErrorKind::Intercepted { .. } => &mut self.intercepted,
            PutErrorKind::RequestTooLarge { .. } => &mut self.request_too_large,
            PutErrorKind::Rejected { .. } => &mut self.rejected,
            PutErrorKind::RecordCountMismatch { .. } => &mut self.record_count_mismatch,
            PutErrorKind::ShutDown => &mut self.shut_down,
            PutErrorKind::TaskEnded => &mut self.task_ended,
            // What the stream turned out to be.
            PutErrorKind::OrderingImpossible { .. } | PutErrorKind::NoPartitionKey => &mut self.other,
            // No record is accepted and then given back for one of these.
            PutErrorKind::InvalidPartitionKey { .. }
            | PutErrorKind::RecordTooLarge { .. }
            | PutErrorKind::EncodingFailed
            | PutErrorKind::Full => &mut self.other,
        }
    }
}
