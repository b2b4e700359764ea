//! The requests that the sink takes. Of a PutRecords it looks at the keys and the sizes only.

use std::borrow::Cow;

use aggregation::HashKey;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateStream {
    pub(crate) shard_count: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutRecords<'a> {
    #[serde(borrow)]
    pub(crate) records: Vec<Entry<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry<'a> {
    /// In base64, and left so.
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    partition_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Cow<'a, str>>,
}

impl Entry<'_> {
    /// The bytes of the data and the key.
    pub(crate) fn payload_bytes(&self) -> u64 {
        let padding = self.data.bytes().rev().take_while(|&byte| byte == b'=').count();
        let key = self.partition_key.as_ref().map_or(0, |key| key.len());
        ((self.data.len() / 4 * 3).saturating_sub(padding) + key) as u64
    }

    /// The hash key that decides its shard.
    pub(crate) fn hash_key(&self) -> HashKey {
        let explicit = self.explicit_hash_key.as_deref().and_then(|key| key.parse().ok());
        explicit.unwrap_or_else(|| HashKey::of_partition_key(self.partition_key.as_deref().unwrap_or_default()))
    }
}
