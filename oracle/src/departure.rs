//! Pure: whether a worker has a lease, and how it lost it.

use std::fmt;
use std::time::Duration;

use super::name::Process;
use super::seconds::Seconds;

/// Whether a worker may deliver, by the table.
#[derive(Debug)]
pub(crate) enum Tenure<'a> {
    /// It may: it was renewed less than the failover time ago.
    Held,
    /// Others may have taken the lease by now; its last renewal.
    Overdue(Duration),
    /// The row is another's, or nobody's.
    Lost {
        now_owned_by: Option<&'a Process>,
        departure: Option<Departure>,
    },
}

/// How a worker lost a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure {
    pub(crate) how: Way,
    pub(crate) at: Duration,
    /// Its last renewal before that.
    pub(crate) renewed_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Not renewed for the failover time, and taken by another.
    Expired,
    /// Taken by another before that.
    Stolen,
    /// Passed on, as agreed in the row.
    HandedOver,
    /// Left without an owner, or deleted.
    Released,
}

impl Departure {
    /// Whether another worker took the lease at this time or later, before it could have expired.
    pub(crate) fn is_theft_since(self, time: Duration) -> bool {
        self.how == Way::Stolen && self.at >= time
    }

    /// Whether a worker from which the lease was stolen cannot know it yet at `now`.
    pub(crate) fn is_fresh_theft(self, now: Duration, failover: Duration) -> bool {
        self.how == Way::Stolen && now <= self.renewed_at + failover
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            Way::Expired => "it expired",
            Way::Stolen => "it was stolen",
            Way::HandedOver => "it was handed over",
            Way::Released => "it was released",
        };
        write!(
            f,
            "{how} at {}, last renewed at {}",
            Seconds(self.at),
            Seconds(self.renewed_at)
        )
    }
}
