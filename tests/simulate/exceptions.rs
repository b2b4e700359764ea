//! What the libraries cannot promise yet, by name and with the reason. The list shrinks with each capability.

use std::time::Duration;

use oracle::{self, Budget, Exception, Exhausted, Rule, Rules};
use testkit::Service;
use testkit::sim::{Fault, Trouble, TroubleKind};

use crate::fleet::GRACE;
use crate::scenario::application::Policy;
use crate::scenario::{KeyOrder, OnRecreated, Scenario, Start, is_producer};

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

/// What no run does, because no library promises anything about it yet, or the oracle cannot judge it.
pub(crate) const NOT_SIMULATED: [(&str, &str); 3] = [
    (
        "a stream that is created again under workers that may not ask which stream it is",
        "they cannot notice it, and take leases that do not say of which stream they are; a warning at the start says so",
    ),
    (
        "a start at LATEST in a stream that forgets records under the workers",
        "children of trimmed parents that have no lease begin at LATEST, and skip what they hold",
    ),
    (
        "the SDK's copies of requests under way",
        "a simulation does not count memory: kpl/tests/memory.rs does",
    ),
];

/// How long a producer may take to deliver what it holds: a request times out after 6 s, the next one waits up to 10 s
/// and may do the same; a list of the shards does so too before a refused aggregate finds its shard.
const DELIVERY: Duration = Duration::from_secs(60);

/// How long a worker that ended, or was started just before, may take until it looks for leases: it is started again
/// after 5 s, waits up to 15 s for its table, and each of its first calls may time out after 10 s.
const START: Duration = Duration::from_secs(40);

/// The longest that a handler takes by its stalls.
const STALL: Duration = Duration::from_secs(25);

/// How long a batch may wait after failures in a row, each twice as long as the one before: four of them. Fewer than one
/// batch in ten thousand fails oftener.
const RETRIES: Duration = Duration::from_secs(8);

/// How long everything may take to recover, once nothing goes wrong and nothing is put any more: the last records are
/// delivered; workers are up; what has no owner is taken within [`COVERAGE`]. Then one generation of shards after the
/// other is read. Each takes its readers up to twice the failover time to take the leases, and two batches for each of
/// its shards: what was stored until the first read, and the rest. Handlers that give up soon have their shards halted,
/// and the operator restarts the worker: its leases are released, or taken within [`COVERAGE`]. Or an operator sees to each
/// halted shard; the records on which a handler fails may all be in one shard. Where the stream was created
/// again, it may be told last of all, and everything begins anew.
pub(crate) fn recovery(scenario: &Scenario) -> Duration {
    let handlers = &scenario.handlers;
    let stall = if handlers.stalls > 0 { STALL } else { Duration::ZERO };
    let retries = if handlers.failures + handlers.panics > 0 {
        RETRIES
    } else {
        Duration::ZERO
    };
    let halt = match handlers.outage {
        Some(_) => START + COVERAGE,
        None => Duration::ZERO,
    };
    let anew = match (scenario.begins_anew_after, scenario.on_recreated) {
        (Some(reaction), _) => COVERAGE + reaction + GRACE + START,
        (None, OnRecreated::Restart) => COVERAGE + GRACE + START,
        (None, OnRecreated::Halt) => Duration::ZERO,
    };
    let application = &scenario.application;
    // A handler that fails twice by chance may do so as often as its policy allows.
    let chance = application
        .policy
        .map_or(Duration::ZERO, |policy| policy.patience() + application.reaction);
    let generation = FAILOVER * 2 + (handlers.work + stall + retries + chance) * 2 + halt;
    DELIVERY + START + COVERAGE + anew + application.delay() + generation * scenario.generations()
}

/// What the runs are judged by.
pub(crate) fn rules(scenario: &Scenario) -> Rules {
    let rules = Rules::new(FAILOVER)
        .budget(BUDGET)
        .coverage_within(COVERAGE)
        .recovery_within(recovery(scenario))
        .exhausted(scenario.application.policy.map_or(Exhausted::Halt, Policy::exhausted))
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
