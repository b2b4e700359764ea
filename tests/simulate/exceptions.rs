//! What the libraries cannot promise yet, by name and with the reason. The list shrinks with each capability.

use std::time::Duration;

use testkit::oracle::{Budget, Exception, Rule, Rules};

use crate::scenario::KeyOrder;

/// The failover time of the workers: their default.
const FAILOVER: Duration = Duration::from_secs(10);

/// What each producer of a run may hold.
pub(crate) const BUDGET: Budget = Budget {
    records: 10_000,
    bytes: 1 << 20,
};

/// What the runs are judged by.
pub(crate) fn rules(ordering: KeyOrder) -> Rules {
    let rules = Rules::new(FAILOVER)
        .budget(BUDGET)
        .except(
            Exception::StolenLeases,
            "leases move between living workers by the rule of KCL 2.x, without a hand-over",
        )
        .except(
            Exception::Rule(Rule::Memory),
            "a producer does not tell yet what it holds, so nothing is sampled",
        );
    match ordering {
        KeyOrder::PerKey => rules,
        // Nothing that is missing: it was not asked for.
        KeyOrder::Any => rules.except(
            Exception::Rule(Rule::KeyOrder),
            "the producers of this run keep no order",
        ),
    }
}
