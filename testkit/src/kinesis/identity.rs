//! Pure: what tells a stream from all others, also from earlier ones of its name.

use super::timestamp::Timestamp;

/// Which stream it is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) account_id: String,
    pub(super) arn: String,
    pub(super) created: Timestamp,
    /// Tells apart the streams that have had this name: the second under which its first sequence numbers sort.
    pub(super) incarnation: u64,
}

impl Identity {
    /// "stream orders under account 000000000000".
    pub(super) fn label(&self) -> String {
        let Self { name, account_id, .. } = self;
        format!("stream {name} under account {account_id}")
    }
}
