//! Pure: the ways to make a run smaller: fewer processes, troubles, acts, records and shards, then simpler handlers.

use std::time::Duration;

use testkit::sim::PollOrder;

use super::application::{Application, How};
use super::coordination::Coordination;
use super::{Distribution, KeyOrder, Puts, Scenario, Start, Tables, What, WorkerIds};
use crate::shrink::{Kept, Search, Shrink};

/// The shortest load.
const LOAD: Duration = Duration::from_secs(2);

/// The longest pause between two records.
const PAUSE: Duration = Duration::from_secs(10);

impl Shrink for Scenario {
    fn smaller(search: &mut Search<'_, Self>) {
        let set_workers = |scenario: &mut Self, count| scenario.with_processes(|to| to.workers = number(count));
        let set_producers = |scenario: &mut Self, count| scenario.with_processes(|to| to.producers = number(count));
        search.lower(0, |scenario| scenario.workers as u64, set_workers);
        search.lower(0, |scenario| scenario.producers as u64, set_producers);
        search.leave_out(|scenario| &mut scenario.plan.troubles);
        search.leave_out(|scenario| &mut scenario.acts);
        search.leave_out(|scenario| &mut scenario.application.poison);
        search.shorten(LOAD, |scenario| scenario.load, Self::end_load_at);
        search.shorten(LOAD, |scenario| scenario.load, |scenario, load| scenario.load = load);
        for times in [8, 2] {
            search.try_with(|scenario| scenario.pause = (scenario.pause * times).min(PAUSE).max(scenario.pause));
        }
        search.lower(
            1,
            |scenario| scenario.shards as u64,
            |scenario, count| scenario.shards = number(count),
        );
        if search.try_with(|scenario| scenario.simplify(&SIMPLER)) == Kept::No {
            for simpler in SIMPLER {
                search.try_with(simpler);
            }
        }
    }
}

/// Each makes one thing as simple as it can be.
const SIMPLER: [fn(&mut Scenario); 23] = [
    |scenario| scenario.handlers.failures = 0,
    |scenario| scenario.handlers.checkpoints_inside = 0,
    |scenario| scenario.handlers.deferred = 0,
    |scenario| scenario.handlers.stalls = 0,
    |scenario| scenario.handlers.panics = 0,
    |scenario| scenario.handlers.outage = None,
    |scenario| scenario.application = Application::default(),
    // Without a time limit, a handler that hangs does so for ever, which is another failure.
    |scenario| {
        let Application { poison, timeout, .. } = &mut scenario.application;
        *timeout = timeout.filter(|_| poison.iter().any(|poison| poison.how == How::Hangs));
    },
    |scenario| scenario.application.max_batch = None,
    |scenario| scenario.application.sink_refuses = 0,
    |scenario| scenario.handlers.checkpoint_every = 1,
    |scenario| scenario.handlers.work = Duration::ZERO,
    |scenario| scenario.puts = Puts::default(),
    |scenario| scenario.puts.retires_after = None,
    |scenario| scenario.tables = Tables::default(),
    |scenario| scenario.worker_ids = WorkerIds::New,
    |scenario| scenario.coordination = Coordination::default(),
    |scenario| scenario.retention = None,
    |scenario| scenario.poll_order = PollOrder::default(),
    |scenario| scenario.start = Start::TrimHorizon,
    |scenario| scenario.record_ttl = None,
    |scenario| scenario.ordering = KeyOrder::Any,
    |scenario| {
        scenario.distribution = Distribution::default();
        scenario.puts.keyless = 0;
        scenario.acts.retain(|act| !matches!(act.what, What::Distribute(_)));
    },
];

impl Scenario {
    /// Changes who takes part. Nothing befalls those who do not.
    fn with_processes(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        let names = self.process_names();
        let is_here = |process: &Option<String>| process.as_ref().is_none_or(|name| names.contains(name));
        self.plan.troubles.retain(|trouble| is_here(&trouble.process));
    }

    /// Shortens the load; what would begin later never does.
    fn end_load_at(&mut self, load: Duration) {
        self.load = load;
        self.acts.retain(|act| act.at < load);
        self.plan.troubles.retain(|trouble| trouble.from < load);
    }

    fn simplify(&mut self, ways: &[fn(&mut Self)]) {
        ways.iter().for_each(|simpler| simpler(self));
    }
}

fn number(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use testkit::sim::{Severity, TroubleKind};

    use super::*;
    use crate::scenario::Kind;
    use crate::shrink::shrink;

    /// A drawn run with a crash of a worker that is not the first.
    fn drawn() -> Scenario {
        let mut drawn = (0..).map(|seed| Scenario::drawn(seed, Some(Kind::Fleet), Severity::Harsh));
        drawn
            .find(|scenario| scenario.workers > 2 && crashes(scenario) && scenario.acts.len() > 3)
            .unwrap()
    }

    fn crashes(scenario: &Scenario) -> bool {
        let mut troubles = scenario.plan.troubles.iter();
        troubles.any(|trouble| trouble.kind == TroubleKind::Crash && trouble.process.as_deref() == Some("worker-1"))
    }

    #[test]
    fn a_run_shrinks_to_what_its_failure_needs() {
        let shrunk = shrink(drawn(), 60, &mut |scenario| {
            crashes(scenario) && scenario.acts.iter().any(|act| matches!(act.what, What::Split(_)))
        });
        let Scenario {
            acts,
            workers,
            producers,
            shards,
            handlers,
            ..
        } = &shrunk.case;
        assert_eq!((acts.len(), *workers, *producers, *shards), (1, 2, 0, 1));
        assert_eq!(shrunk.case.plan.troubles.len(), 1);
        assert_eq!((handlers.failures, handlers.work), (0, Duration::ZERO));
        assert!(shrunk.runs <= 60);
    }

    #[test]
    fn a_handler_that_hangs_keeps_its_time_limit() {
        let mut drawn = (0..).map(|seed| Scenario::drawn(seed, Some(Kind::Fleet), Severity::Harsh));
        let hangs = |scenario: &Scenario| {
            scenario
                .application
                .poison
                .iter()
                .any(|poison| poison.how == How::Hangs)
        };
        let shrunk = shrink(drawn.find(hangs).unwrap(), 60, &mut |scenario| hangs(scenario));
        assert!(shrunk.case.application.timeout.is_some());
    }

    #[test]
    fn no_trouble_befalls_a_process_that_is_left_out() {
        let shrunk = shrink(drawn(), 60, &mut |scenario| {
            let names = scenario.process_names();
            for trouble in &scenario.plan.troubles {
                assert!(
                    trouble.process.as_ref().is_none_or(|process| names.contains(process)),
                    "{trouble}"
                );
            }
            true
        });
        assert_eq!(shrunk.case.process_names(), Vec::<String>::new());
    }
}
