//! The circle of imports that is still there, file by file. The list is to go: it may only get shorter.
//!
//! A file leaves the list with the import that is cut. `imports` says so when that is forgotten.

/// The producer: one circle, for the most part because errors, outcomes and records name each other.
pub(super) const PRODUCER: [&str; 31] = [
    "kpl/src/lanes/aggregate.rs",
    "kpl/src/producer/builder.rs",
    "kpl/src/driver/calls.rs",
    "kpl/src/receipt/cohort.rs",
    "kpl/src/driver.rs",
    "kpl/src/driver/errands.rs",
    "kpl/src/producer/encoding.rs",
    "kpl/src/error.rs",
    "kpl/src/observe/event.rs",
    "kpl/src/lanes/intake.rs",
    "kpl/src/lanes/lane.rs",
    "kpl/src/lanes.rs",
    "kpl/src/observe/metrics/meter.rs",
    "kpl/src/observe/metrics/tally.rs",
    "kpl/src/observe/observation.rs",
    "kpl/src/receipt/outcome.rs",
    "kpl/src/pipeline.rs",
    "kpl/src/pipeline/answers.rs",
    "kpl/src/pipeline/flow/collector.rs",
    "kpl/src/pipeline/answers/expiry.rs",
    "kpl/src/pipeline/knowledge/hot_shards.rs",
    "kpl/src/pipeline/answers/judgement.rs",
    "kpl/src/pipeline/flow/limiter.rs",
    "kpl/src/pipeline/answers/retrier.rs",
    "kpl/src/producer.rs",
    "kpl/src/receipt.rs",
    "kpl/src/record.rs",
    "kpl/src/routing.rs",
    "kpl/src/producer/shared.rs",
    "kpl/src/observe/stats/board.rs",
    "kpl/src/observe/stats/ledger.rs",
];
