//! Pure: how DynamoDB says that there is too much to do.

use crate::kinesis::ServiceError;

/// How DynamoDB says that there is too much to do. Source of the codes:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Throttling {
    /// `ProvisionedThroughputExceededException`: a table in provisioned mode has used its units up.
    #[default]
    Provisioned,
    /// `ThrottlingException`: an on-demand table has not grown enough yet.
    OnDemand,
    /// `RequestLimitExceeded`: the account may not do more.
    Account,
}

impl Throttling {
    const fn code(self) -> &'static str {
        match self {
            Self::Provisioned => "ProvisionedThroughputExceededException",
            Self::OnDemand => "ThrottlingException",
            Self::Account => "RequestLimitExceeded",
        }
    }

    /// The code of the reason in a cancelled transaction. Source:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
    pub(super) const fn cancellation_code(self) -> &'static str {
        match self {
            Self::Provisioned => "ProvisionedThroughputExceeded",
            Self::OnDemand | Self::Account => "ThrottlingError",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Provisioned => {
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                 provisioning level with the UpdateTable API."
            }
            Self::OnDemand => {
                "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling \
                 your table or index so please try again shortly. If exceptions persist, check if you have a hot key: \
                 https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
            }
            Self::Account => {
                "Throughput exceeds the current throughput limit for your account. Please contact AWS Support at \
                 https://aws.amazon.com/support to request a limit increase"
            }
        }
    }
}

impl From<Throttling> for ServiceError {
    fn from(throttling: Throttling) -> Self {
        Self {
            code: throttling.code().to_owned(),
            message: throttling.message().to_owned(),
            status: 400,
        }
    }
}
