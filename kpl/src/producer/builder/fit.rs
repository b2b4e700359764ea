//! Whether the client, the stream and the properties file of a producer fit together.

use aws_sdk_kinesis::Client;
use service::{StreamFault, StreamRef};

use crate::config::properties::KplProperties;
use crate::error::BuildErrorKind;

/// Everything that is wrong with them.
pub(super) fn misfits(
    client: Option<&Client>,
    stream: &StreamRef,
    properties: Option<&KplProperties>,
) -> Vec<BuildErrorKind> {
    let mut misfits = Vec::from_iter(stream.fault().map(BuildErrorKind::from));
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
    misfits
}

impl From<StreamFault> for BuildErrorKind {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Empty => Self::EmptyStream,
            StreamFault::InvalidName { name } => Self::InvalidStreamName { name },
            StreamFault::InvalidArn { arn } => Self::InvalidStreamArn { arn },
        }
    }
}

/// The regions of the stream's ARN and of the client, if they differ. That is no fault: the endpoint may be another one
/// than the region's.
pub(super) fn differing_regions<'a>(client: &'a Client, stream: &'a StreamRef) -> Option<(&'a str, &'a str)> {
    let (of_arn, of_client) = (stream.region()?, client.config().region()?.as_ref());
    (of_arn != of_client).then_some((of_arn, of_client))
}
