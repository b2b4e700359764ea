//! The circle of imports that is still there, file by file. The list is to go: it may only get shorter.
//!
//! A file leaves the list with the import that is cut. `imports` says so when that is forgotten.

/// The producer: one circle, for the most part because errors, outcomes and records name each other.
pub(super) const PRODUCER: [&str; 31] = [
    "kpl/src/aggregate.rs",
    "kpl/src/builder.rs",
    "kpl/src/calls.rs",
    "kpl/src/cohort.rs",
    "kpl/src/driver.rs",
    "kpl/src/driver/errands.rs",
    "kpl/src/encoder.rs",
    "kpl/src/error.rs",
    "kpl/src/event.rs",
    "kpl/src/intake.rs",
    "kpl/src/lane.rs",
    "kpl/src/lanes.rs",
    "kpl/src/metrics/meter.rs",
    "kpl/src/metrics/tally.rs",
    "kpl/src/observation.rs",
    "kpl/src/outcome.rs",
    "kpl/src/pipeline.rs",
    "kpl/src/pipeline/answers.rs",
    "kpl/src/pipeline/collector.rs",
    "kpl/src/pipeline/expiry.rs",
    "kpl/src/pipeline/hot_shards.rs",
    "kpl/src/pipeline/judgement.rs",
    "kpl/src/pipeline/limiter.rs",
    "kpl/src/pipeline/retrier.rs",
    "kpl/src/producer.rs",
    "kpl/src/receipt.rs",
    "kpl/src/record.rs",
    "kpl/src/routing.rs",
    "kpl/src/shared.rs",
    "kpl/src/stats/board.rs",
    "kpl/src/stats/ledger.rs",
];
