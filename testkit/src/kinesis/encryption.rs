//! Pure: StartStreamEncryption, StopStreamEncryption, and KMS when it fails.

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::change::{Change, Pending};
use super::error::ServiceError;
use super::request::EncryptionType;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

/// How KMS fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KmsFailure {
    /// The key is disabled: `KMSDisabledException`.
    Disabled,
    /// The caller may not use the key: `KMSAccessDeniedException`.
    AccessDenied,
    /// The key is about to be deleted, for instance: `KMSInvalidStateException`.
    InvalidState,
    /// The key does not exist: `KMSNotFoundException`.
    NotFound,
    /// The account has not subscribed to KMS: `KMSOptInRequired`.
    OptInRequired,
    /// There are too many requests to KMS: `KMSThrottlingException`.
    Throttling,
}

impl KmsFailure {
    /// The error of a call that needed KMS. Source of codes and wording: API reference, PutRecord, Errors.
    fn error(self) -> ServiceError {
        let (code, message) = match self {
            Self::Disabled => (
                "KMSDisabledException",
                "The request was rejected because the specified customer master key (CMK) isn't enabled.",
            ),
            Self::AccessDenied => (
                "KMSAccessDeniedException",
                "The ciphertext references a key that doesn't exist or that you don't have access to.",
            ),
            Self::InvalidState => (
                "KMSInvalidStateException",
                "The request was rejected because the state of the specified resource isn't valid for this request.",
            ),
            Self::NotFound => (
                "KMSNotFoundException",
                "The request was rejected because the specified entity or resource can't be found.",
            ),
            Self::OptInRequired => (
                "KMSOptInRequired",
                "The AWS access key ID needs a subscription for the service.",
            ),
            Self::Throttling => (
                "KMSThrottlingException",
                "The request was denied due to request throttling.",
            ),
        };
        ServiceError {
            code: code.to_owned(),
            message: message.to_owned(),
            status: 400,
        }
    }
}

impl Kinesis {
    pub(super) fn start_encryption(
        &mut self,
        request: request::StartStreamEncryption,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        Constraints::default()
            .length("keyId", &request.key_id, limits::KEY_ID_CHARACTERS)
            .check()?;
        let (enforced, due) = (self.settings.limits, call.now + self.settings.update_time);
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        check_type(request.encryption_type)?;
        stream.check_kms()?;
        let starts = &mut stream.daily.encryption_starts;
        if !enforced.admit(|| starts.has_room(limits::ENCRYPTION_CHANGES_PER_DAY, call.now)) {
            return Err(stream.encrypted_too_often("StartStreamEncryption"));
        }
        starts.record(call.now);
        stream.pending = Some(Pending {
            due,
            change: Change::EncryptionKey(Some(request.key_id)),
        });
        Ok(())
    }

    pub(super) fn stop_encryption(
        &mut self,
        request: &request::StopStreamEncryption,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        Constraints::default()
            .length("keyId", &request.key_id, limits::KEY_ID_CHARACTERS)
            .check()?;
        let (enforced, due) = (self.settings.limits, call.now + self.settings.update_time);
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        stream.check_active()?;
        check_type(request.encryption_type)?;
        if stream.config.encryption_key.is_none() {
            let message = format!("Encryption is not enabled for {}.", stream.label());
            return Err(ServiceError::invalid_argument(message));
        }
        let stops = &mut stream.daily.encryption_stops;
        if !enforced.admit(|| stops.has_room(limits::ENCRYPTION_CHANGES_PER_DAY, call.now)) {
            return Err(stream.encrypted_too_often("StopStreamEncryption"));
        }
        stops.record(call.now);
        stream.pending = Some(Pending {
            due,
            change: Change::EncryptionKey(None),
        });
        Ok(())
    }
}

impl Stream {
    /// Fails if KMS does.
    pub(super) fn check_kms(&self) -> Result<(), ServiceError> {
        self.kms_failure.map_or(Ok(()), |failure| Err(failure.error()))
    }

    fn encrypted_too_often(&self, operation: &str) -> ServiceError {
        ServiceError::limit_exceeded(format!(
            "{operation} was called {} times in the last 24 hours for {}.",
            limits::ENCRYPTION_CHANGES_PER_DAY,
            self.label()
        ))
    }
}

fn check_type(encryption_type: EncryptionType) -> Result<(), ServiceError> {
    match encryption_type {
        EncryptionType::Kms => Ok(()),
        EncryptionType::None => Err(ServiceError::invalid_argument("EncryptionType must be KMS.")),
    }
}
