//! Pure: the reasons why a record is not accepted or not delivered.

use crate::config::ordering::RecordDistribution;

/// The reasons of a [`PutError`](crate::PutError).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutErrorKind {
    /// The partition key has no character or more than the service allows.
    #[error("its partition key has {chars} characters; the service takes 1 to 256")]
    InvalidPartitionKey {
        /// Unicode characters of the key.
        chars: usize,
    },
    /// The record has no partition key, and its stream follows keys, or may not be described by the caller and is not
    /// known to distribute records by itself (`AUTO`).
    #[error("it has no partition key, which only a stream that distributes records by itself (AUTO) would take")]
    NoPartitionKey,
    /// Data and partition key are larger than the stream takes (`MaxRecordSizeInKiB`), or than `max_user_record_size`.
    #[error("its data and partition key have {bytes} bytes; the stream, or max_user_record_size, takes {limit}")]
    RecordTooLarge {
        /// Bytes of data and key.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// `Ordering::PerKey` was asked for, and the stream does not follow hash keys, or nobody says that it does.
    #[error("ordering is PerKey, {}", why_impossible(*.distribution))]
    OrderingImpossible {
        /// Who distributes the stream's records.
        distribution: RecordDistribution,
    },
    /// The payload encoder failed; the error's source says why.
    #[error("its payload encoder failed")]
    EncodingFailed,
    /// There is no room in the budget, and [`try_put`](crate::Producer::try_put) does not wait for it.
    #[error("the producer's budget is spent")]
    Full,
    /// The producer was shut down, or its time to deliver ran out.
    #[error("the producer was shut down")]
    ShutDown,
    /// It was not delivered within `record_ttl`.
    #[error("it was not delivered within record_ttl")]
    Expired,
    /// The service throttled it, and `fail_if_throttled` is set.
    #[error("the service throttled it ({code}), and fail_if_throttled is set")]
    Throttled {
        /// The service's error code.
        code: String,
    },
    /// The stream does not exist, or no longer, in the region of the client; one that is given by its name, in the account
    /// of its credentials.
    #[error("no such stream exists in the client's region and account (ResourceNotFoundException)")]
    StreamNotFound,
    /// The credentials do not allow the call. Records that a KMS key denies are retried, not returned.
    #[error("access was denied ({code}); the producer needs kinesis:PutRecords and kinesis:ListShards")]
    AccessDenied {
        /// The service's error code.
        code: String,
    },
    /// The service did not know the access key for [`REFUSAL_GRACE`](crate::limits::REFUSAL_GRACE), a minute.
    #[error(
        "the credentials were refused ({code}) for a minute; check the access key, its session token and the region"
    )]
    CredentialsRefused {
        /// The service's error code.
        code: String,
    },
    /// Requests were refused for [`REFUSAL_GRACE`](crate::limits::REFUSAL_GRACE), a minute, by something on the way to the
    /// service, such as a proxy or a gateway; or their signatures did not arrive.
    #[error(
        "requests were refused on the way ({code}) for a minute; check the proxy or gateway in between, and the credentials"
    )]
    Intercepted {
        /// `HTTP 403` after the status of an answer that has no error code, or the service's error code.
        code: String,
    },
    /// A request with this record alone is larger than a proxy, or the service, takes.
    #[error(
        "a request with it alone, of {bytes} bytes of data and partition key, was refused as too large (HTTP status 413); \
         raise the limit of the proxy or gateway in between"
    )]
    RequestTooLarge {
        /// Bytes of data and partition key. The body of the request has about four thirds of that.
        bytes: usize,
    },
    /// The service refuses the record or the request for good.
    #[error("the service refused it ({code}): {message}")]
    Rejected {
        /// The service's error code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The service answered with another number of results than records were sent.
    #[error("the service answered {answered} results for {sent} records")]
    RecordCountMismatch {
        /// Records in the request.
        sent: usize,
        /// Results in the answer.
        answered: usize,
    },
    /// The producer's task ended before the outcome was known: it panicked, or its runtime was shut down.
    #[error("the producer's task ended before the outcome was known")]
    TaskEnded,
}

fn why_impossible(distribution: RecordDistribution) -> String {
    if distribution == RecordDistribution::Unknown {
        "and nobody says how the stream distributes records: allow kinesis:DescribeStreamSummary or, if it follows hash \
         keys, set record_distribution_strategy_default(UserPartitionKey)"
            .to_owned()
    } else {
        format!("which the stream's record distribution, {distribution:?}, makes impossible")
    }
}
