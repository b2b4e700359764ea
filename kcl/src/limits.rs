//! Pure: the numbers that the services set, and the KCL's own that fleets rely on.

use std::time::Duration;

/// The most records that one `GetRecords` returns.
///
/// Source: Amazon Kinesis Data Streams API reference, `GetRecords`.
pub const MAX_RECORDS_PER_READ: u32 = 10_000;

/// Shards that one page of `ListShards` holds.
///
/// Source: Amazon Kinesis Data Streams API reference, `ListShards`.
pub const LIST_SHARDS_PAGE: i32 = 1_000;

/// The name of the lease table's index from owners to lease keys. The KCL's.
pub const OWNER_INDEX: &str = "LeaseOwnerToLeaseKeyIndex";

/// How often a table in creation is looked at. Our choice; creation takes seconds.
pub const TABLE_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long a table may take to become usable before an attempt to start counts as failed. The KCL's value;
/// `initialization_timeout` ends the wait earlier if it is shorter.
pub const TABLE_WAIT: Duration = Duration::from_secs(600);

/// How long a call to the lease table may take. Writes of held leases are bounded more tightly, by the failover time.
/// Our choice; the KCL waits 60 s.
pub const TABLE_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the application's runtime may stand still before the worker gives its leases up. Our choice: far longer than
/// any pause of a healthy process, and short enough that a deadlocked process does not keep its shards for ever.
pub const APPLICATION_STALL: Duration = Duration::from_secs(5 * 60);
