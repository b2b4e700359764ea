//! Pure: those who count what the pipeline does.

use crate::observe::metrics::{Selection, Tally};
use crate::observe::observation::Observation;
use crate::observe::stats::Ledger;

/// Those who count.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
}

impl Observers {
    pub(crate) fn new(selection: Selection) -> Self {
        Self {
            ledger: Ledger::default(),
            tally: Tally::new(selection),
        }
    }

    pub(crate) fn observe(&mut self, observation: Observation<'_>) {
        self.ledger.observe(observation);
        self.tally.observe(observation);
    }
}
