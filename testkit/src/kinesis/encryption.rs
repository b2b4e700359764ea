//! Pure: StartStreamEncryption and StopStreamEncryption.

use super::call::Call;
use super::change::{Change, Pending};
use super::error::ServiceError;
use super::request::EncryptionType;
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

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
            let message = format!("Encryption is not enabled for {}.", stream.identity.label());
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
            self.identity.label()
        ))
    }
}

fn check_type(encryption_type: EncryptionType) -> Result<(), ServiceError> {
    match encryption_type {
        EncryptionType::Kms => Ok(()),
        EncryptionType::None => Err(ServiceError::invalid_argument("EncryptionType must be KMS.")),
    }
}
