//! The pretended AWS account that both fronts belong to.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

/// An SDK configuration with the account's region and credentials, and nothing from the environment.
pub(crate) fn sdk_config() -> SdkConfig {
    let credentials = Credentials::from_keys("testkit", "testkit", None);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
