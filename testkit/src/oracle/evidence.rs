//! Pure: what is known of the world that producers and consumers are judged in.

use super::faults::Faults;
use super::fleet::Fleet;
use super::leases::Leases;
use super::rules::Rules;
use super::stream::Stream;

/// The service, the lease table, the processes and what hit them.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) stream: Stream,
    pub(super) leases: Leases,
    pub(super) fleet: Fleet,
    pub(super) faults: Faults,
}

impl Evidence {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            stream: Stream::new(rules.start),
            leases: Leases::default(),
            fleet: Fleet::default(),
            faults: Faults::default(),
        }
    }
}
