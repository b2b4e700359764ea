//! What the libraries cannot promise yet, by name and with the reason. The list shrinks with each capability.

use std::time::Duration;

use testkit::Service;
use testkit::oracle::{self, Budget, Exception, Rule, Rules};
use testkit::sim::{Fault, Trouble, TroubleKind};

use crate::scenario::{KeyOrder, Scenario, Start, is_producer};

/// The failover time of the workers: their default.
const FAILOVER: Duration = Duration::from_secs(10);

/// How long a shard may be without an owner: it takes a lease its failover time to expire, another worker at most that
/// time until it looks at the table, that time again until it has seen that the lease stands still, and all of it twice
/// if the share of leases that it takes at once does not include this one.
const COVERAGE: Duration = Duration::from_secs(60);

/// What each producer of a run may hold.
pub(crate) const BUDGET: Budget = Budget {
    records: 200,
    bytes: 1 << 20,
};

/// What no run does, because no library promises anything about it yet.
pub(crate) const NOT_SIMULATED: [(&str, &str); 3] = [
    (
        "a stream that is deleted and created again while workers read it",
        "a worker takes the shards of a stream that is gone for ended, and the leases of the new one bear the same names",
    ),
    (
        "records that are trimmed before they are read",
        "a worker does not report them yet",
    ),
    (
        "the SDK's copies of requests under way",
        "a simulation does not count memory: kpl/tests/memory.rs does",
    ),
];

/// What the runs are judged by.
pub(crate) fn rules(scenario: &Scenario) -> Rules {
    let rules = Rules::new(FAILOVER)
        .budget(BUDGET)
        .coverage_within(COVERAGE)
        .start(match scenario.start {
            Start::TrimHorizon => oracle::Start::TrimHorizon,
            Start::Latest => oracle::Start::Latest,
            Start::AtTimestamp(after) => oracle::Start::AtTimestamp(after),
        })
        .except(
            Exception::StolenLeases,
            "leases move between living workers by the rule of KCL 2.x, without a hand-over",
        )
        .except(
            Exception::ShortLivedShards,
            "producers list open shards only: one that opens and closes between two lists has no known range",
        );
    let rules = match scenario.start {
        Start::Latest => rules.except(
            Exception::UnpinnedLatest,
            "a start at LATEST is not pinned: it begins anew with each owner until the first checkpoint",
        ),
        Start::TrimHorizon | Start::AtTimestamp(_) => rules,
    };
    let rules = if scenario.plan.troubles.iter().any(hinders_listing) {
        rules.except(
            Exception::UnlistedShards,
            "what landed in a shard that no list has named cannot be judged while there is no other list, and is sent again",
        )
    } else {
        rules
    };
    let rules = if scenario.recreates() {
        rules
            .except(
                Exception::UnlistedShards,
                "what landed in a stream that was created again is sent again if the shards cannot be listed",
            )
            .except(
                Exception::UnnoticedDeletion,
                "a producer that calls nothing while its stream is missing knows its shards by their ids alone",
            )
    } else {
        rules
    };
    match scenario.ordering {
        KeyOrder::PerKey => rules,
        // Nothing that is missing: it was not asked for.
        KeyOrder::Any => rules.except(
            Exception::Rule(Rule::KeyOrder),
            "the producers of this run keep no order",
        ),
    }
}

/// Whether a producer may be unable to list the shards for a while.
fn hinders_listing(trouble: &Trouble) -> bool {
    let befalls_producers = trouble.process.as_deref().is_none_or(is_producer);
    let hinders = matches!(
        &trouble.kind,
        TroubleKind::Calls { service: Service::Kinesis, operation, fault, .. }
            if operation.as_deref().is_none_or(|operation| operation == "ListShards")
                && !matches!(fault, Fault::None | Fault::Delay(_) | Fault::Duplicated(_) | Fault::FailEntries { .. })
    );
    befalls_producers && (hinders || trouble.kind == TroubleKind::CutOff(Service::Kinesis))
}
