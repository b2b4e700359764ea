//! The pretended AWS account that both fronts belong to.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

/// The region of the account.
pub(crate) const REGION: &str = "us-east-1";

/// The id of its access key, and the secret too: signatures are not checked.
pub(crate) const ACCESS_KEY: &str = "testkit";

/// An SDK configuration with the account's region and credentials, and nothing from the environment.
pub(crate) fn sdk_config() -> SdkConfig {
    let credentials = Credentials::from_keys(ACCESS_KEY, ACCESS_KEY, None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
