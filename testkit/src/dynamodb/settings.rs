//! Pure: how the DynamoDB service behaves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::calls::Calls;
use super::capacity::Capacity;

/// How the DynamoDB service behaves. By default everything happens at once, and nothing is throttled or denied.
///
/// ```
/// use std::time::Duration;
/// use testkit::dynamodb::{Calls, Settings};
///
/// // A table and an index as slow as real ones, and a policy that forgot the index.
/// let settings = Settings {
///     table_creation_time: Duration::from_secs(10),
///     index_creation_time: Duration::from_secs(15 * 60),
///     index_lag: Duration::from_millis(500),
///     denied: vec![Calls::of("Query").on_index("leases", "LeaseOwnerToLeaseKeyIndex")],
///     ..Settings::default()
/// };
/// # drop(settings);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// How long a new table is CREATING, and its indexes with it; its items are not found meanwhile. Default: zero; the
    /// real service takes about 10 s.
    pub table_creation_time: Duration,
    /// How long a deleted table is DELETING; its items are gone from the start. Default: zero; the real service takes
    /// some seconds.
    pub table_deletion_time: Duration,
    /// How long an index that UpdateTable adds is CREATING; the table is UPDATING meanwhile, and the index cannot be
    /// read. Default: zero; the real service takes 5 to 20 minutes, however small the table is.
    pub index_creation_time: Duration,
    /// How long an index that UpdateTable deletes is DELETING; it cannot be read any more, and the table is UPDATING.
    /// Default: zero; the real service takes some minutes.
    pub index_deletion_time: Duration,
    /// The most by which reads of a table without `ConsistentRead` are behind. Each write gets a lag of its own, uniform
    /// from zero to this, but never overtakes an earlier write. Default: zero; in the real service usually less than a
    /// second.
    pub read_lag: Duration,
    /// The most by which reads of an index are behind, as [`read_lag`](Self::read_lag). Default: zero; in the real
    /// service usually less than a second.
    pub index_lag: Duration,
    /// What the tables of these names take before they throttle. Default: none, every table takes any number of calls,
    /// whatever capacity it was created with.
    pub capacity: BTreeMap<String, Capacity>,
    /// The calls that the caller may not make. Default: none.
    pub denied: Vec<Calls>,
}
