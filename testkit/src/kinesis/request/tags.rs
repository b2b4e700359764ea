//! Pure: the inputs of tagging streams.

use std::collections::BTreeMap;

use serde::Deserialize;

stream_input! {
    /// Adds tags to a stream, or replaces them.
    AddTagsToStream {
        /// Values by key.
        tags: BTreeMap<String, String>,
    }
}

stream_input! {
    /// Lists the tags of a stream by key.
    ListTagsForStream {
        /// The key after which to start.
        exclusive_start_tag_key: Option<String>,
        /// The number of tags to return, at most 50. Default: all.
        limit: Option<i32>,
    }
}

stream_input! {
    /// Removes tags from a stream.
    RemoveTagsFromStream {
        /// The keys.
        tag_keys: Vec<String>,
    }
}

input! {
    /// Adds tags to a stream, or replaces them.
    TagResource {
        /// The stream.
        #[serde(rename = "ResourceARN")]
        resource_arn: String,
        /// Values by key.
        tags: BTreeMap<String, String>,
    }
}

input! {
    /// Removes tags from a stream.
    UntagResource {
        /// The stream.
        #[serde(rename = "ResourceARN")]
        resource_arn: String,
        /// The keys.
        tag_keys: Vec<String>,
    }
}

input! {
    /// Lists all tags of a stream by key.
    ListTagsForResource {
        /// The stream.
        #[serde(rename = "ResourceARN")]
        resource_arn: String,
    }
}
