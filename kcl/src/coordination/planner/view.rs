//! Pure: what a plan is made from: the live workers, the leases and the settings.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::lease::model::{LeaseKey, WorkerId};

/// A fleet as one worker sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FleetView<'a> {
    /// The worker that plans. It is alive, whatever its leases look like.
    pub(crate) me: &'a WorkerId,
    /// The live workers. Of two entries for one worker the one that was seen last counts.
    pub(crate) workers: &'a [WorkerView],
    /// All leases of the table.
    pub(crate) leases: &'a [LeaseView],
    /// When a worker was last seen to come or go.
    pub(crate) membership_changed: Option<Instant>,
    pub(crate) now: Instant,
}

/// A live worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkerView {
    pub(crate) id: WorkerId,
    pub(crate) implementation: Implementation,
    pub(crate) metrics: Fitness,
    /// The most leases that it may have, if its row says so.
    pub(crate) max_leases: Option<usize>,
    /// The most leases that it can be given now. It is limited for a worker of which nothing was heard for a while: it may be dead,
    /// and then no more than this is lost.
    pub(crate) most_new: usize,
    /// The last proof that it lives: a change of its metrics row, or a renewal of one of its leases.
    pub(crate) seen: Instant,
    /// When one of its leases was last seen to expire, also if another worker has the lease by now.
    ///
    /// A dead worker's metrics row looks fresh for a minute. Without this it would be given leases again as soon as it has lost
    /// its own.
    pub(crate) lease_expired: Option<Instant>,
}

/// Which library a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// This one.
    Rust,
    /// The Java KCL, or an unknown one.
    Java,
}

/// What a worker's metrics row says of how many leases it can be given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fitness {
    /// It reports no metrics, and is balanced by the throughput of its leases.
    Default,
    /// Its metrics by name, none of them failing.
    Measured(BTreeMap<String, Utilization>),
    /// The latest value of a metric says that it could not be measured.
    Failing,
    /// The row cannot be used.
    Invalid,
}

/// One metric of a worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Utilization {
    /// The moving average of the recent values, in the unit of the metric.
    pub(crate) value: f64,
    /// The top of the operating range, in the same unit.
    pub(crate) limit: f64,
}

/// A lease as the observation of the table shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LeaseView {
    pub(crate) key: LeaseKey,
    pub(crate) reader: Reader,
    /// KB/s, if it was measured.
    pub(crate) throughput: Option<f64>,
    /// Whether its shard was read to the end.
    pub(crate) ended: bool,
    /// The leases of the shard's parents. Those that are in the view and have not ended are waited for.
    pub(crate) parents: Vec<LeaseKey>,
    pub(crate) first_seen: Instant,
}

/// Who reads the shard of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The lease has no owner.
    Nobody,
    /// Its owner has not renewed it for the failover time.
    Expired {
        /// The worker that read it last.
        owner: WorkerId,
        /// The next owner, if a hand-off was pending.
        next: Option<WorkerId>,
        /// When the failover time was over.
        at: Instant,
    },
    /// Its owner renews it.
    Owner {
        owner: WorkerId,
        /// When it was seen to get this owner. `None`: longer ago than the observer can tell.
        since: Option<Instant>,
    },
    /// Its owner renews it, and is to hand it over.
    HandingOver {
        owner: WorkerId,
        next: WorkerId,
        hand_off: HandOff,
    },
}

/// How far a hand-off is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandOff {
    /// The owner has time left. The lease must not be assigned to another worker.
    Pending,
    /// The deadline is over. The lease may be assigned to any worker.
    Overdue,
}

/// The settings of a planner. They are whole numbers, as the KCL's are, so that none of them can be NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannerPolicy {
    pub(crate) strategy: Strategy,
    /// By how many percent of the mean a relative load differs from it before leases are moved by load. KCL's default: 10.
    pub(crate) rebalance_threshold_percent: u32,
    /// How much of a worker's load above the mean is moved in a round, in percent. KCL's default: 60.
    pub(crate) dampening_percent: u32,
    pub(crate) overshoot: Overshoot,
    /// The most that a worker is to read, in KB/s. Used by [`Strategy::Utilization`] only.
    pub(crate) max_throughput_per_host: Option<u32>,
    /// The most leases of a worker whose row does not say how many it may have.
    pub(crate) max_leases: Option<usize>,
}

/// By which measure leases are levelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Relative load. KCL's `WORKER_UTILIZATION_AWARE`.
    Utilization,
    /// Number of leases. KCL's `LEASE_COUNT_BASED`.
    LeaseCount,
}

/// Whether a round may move more than the dampened share of a worker's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overshoot {
    /// One lease, if all leases of the worker are larger than its share.
    Allowed,
    Forbidden,
}

impl Default for PlannerPolicy {
    /// The KCL's defaults.
    fn default() -> Self {
        Self {
            strategy: Strategy::Utilization,
            rebalance_threshold_percent: 10,
            dampening_percent: 60,
            overshoot: Overshoot::Allowed,
            max_throughput_per_host: None,
            max_leases: None,
        }
    }
}

impl Reader {
    /// When the lease expired, with its owner.
    pub(super) fn expired(&self) -> Option<(&WorkerId, Instant)> {
        match self {
            Self::Expired { owner, at, .. } => Some((owner, *at)),
            Self::Nobody | Self::Owner { .. } | Self::HandingOver { .. } => None,
        }
    }
}

impl Fitness {
    /// Whether leases can be given by what they say.
    pub(super) fn is_usable(&self) -> bool {
        match self {
            Self::Default => true,
            Self::Measured(metrics) => metrics.values().all(Utilization::is_usable),
            Self::Failing | Self::Invalid => false,
        }
    }

    /// The metrics, if it reports some and they are usable.
    pub(super) fn measured(&self) -> Option<&BTreeMap<String, Utilization>> {
        match self {
            Self::Measured(metrics) if self.is_usable() => Some(metrics),
            Self::Default | Self::Measured(_) | Self::Failing | Self::Invalid => None,
        }
    }
}

impl Utilization {
    fn is_usable(&self) -> bool {
        self.value.is_finite() && self.value >= 0.0 && self.limit.is_finite() && self.limit > 0.0
    }
}
