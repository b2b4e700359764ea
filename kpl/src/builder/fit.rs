//! Whether the client, the stream and the properties file of a producer fit together.

use aws_sdk_kinesis::Client;

use super::endpoint;
use crate::error::BuildErrorKind;
use crate::properties::KplProperties;
use crate::stream::StreamRef;

/// Everything that is wrong with them.
pub(super) fn misfits(
    client: Option<&Client>,
    stream: &StreamRef,
    properties: Option<&KplProperties>,
) -> Vec<BuildErrorKind> {
    let mut misfits = Vec::from_iter(stream.fault());
    let Some(client) = client else {
        misfits.push(BuildErrorKind::NoClient);
        return misfits;
    };
    let Some(region) = client.config().region().map(AsRef::as_ref) else {
        misfits.push(BuildErrorKind::NoRegion);
        return misfits;
    };
    if let Some(named) = properties
        .and_then(KplProperties::region)
        .filter(|named| *named != region)
    {
        misfits.push(BuildErrorKind::PropertiesOfOtherRegion {
            properties: named.to_owned(),
            client: region.to_owned(),
        });
    }
    // What is no ARN of a stream has no region either.
    let arn = stream.region().filter(|_| stream.fault().is_none());
    if let Some(arn) = arn.filter(|arn| *arn != region && !endpoint::is_given(client)) {
        misfits.push(BuildErrorKind::ArnOfOtherRegion {
            arn: arn.to_owned(),
            client: region.to_owned(),
        });
    }
    misfits
}
