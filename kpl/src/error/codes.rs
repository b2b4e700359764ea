//! Pure: error codes of the service and of this producer. What each of the service's means, `kinesis-service` says.

use service::CallClass;

/// The error code under which the KPL counts an aggregate that landed on a shard where it does not belong.
pub(crate) const WRONG_SHARD: &str = "Wrong Shard";

/// The KPL's error code for an answer with another number of results than records were sent.
pub(crate) const RECORD_COUNT_MISMATCH: &str = "Record Count Mismatch";

/// The service's error code for a shard over its limit.
pub(crate) const SHARD_LIMIT: &str = "ProvisionedThroughputExceededException";

/// Why the service refused one entry of a request.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) class: CallClass,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: String, message: String) -> Self {
        Self {
            class: CallClass::of_code(&code),
            code,
            message,
        }
    }
}
