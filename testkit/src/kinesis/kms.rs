//! Pure: the ways in which KMS fails.

use serde::{Deserialize, Serialize};

use super::error::ServiceError;

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
    pub(super) fn error(self) -> ServiceError {
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
