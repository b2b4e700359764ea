//! Pure: the rare states that a campaign must reach, and how often it did.

use std::collections::BTreeMap;
use std::fmt;

use oracle::{Rare, Report};
use testkit::Service;
use testkit::sim::{Call, Event, Outcome, ProcessChange};

/// How many seeds of all scenarios must have reached each state. Our choice: each is reached by one seed in a hundred.
pub(crate) const ENOUGH_SEEDS: u64 = 1_000;

const BUDGET_EXHAUSTED: &str = "a producer's budget is exhausted";
const ITERATOR_EXPIRED: &str = "an iterator expires";
const SCAN_THROTTLED: &str = "a scan page is throttled";
const SUSPENDED: &str = "a machine is suspended";

/// The states that the events of a run show. The oracle tells [the others](Rare::ALL).
const OF_EVENTS: [&str; 7] = [
    BUDGET_EXHAUSTED,
    ITERATOR_EXPIRED,
    SCAN_THROTTLED,
    SUSPENDED,
    DRAINED,
    STREAM_ENDED,
    HANG_IS_DROPPED,
];

/// The states that the application notes.
const NOTED: [&str; 3] = [DRAINED, STREAM_ENDED, HANG_IS_DROPPED];

pub(crate) const DRAINED: &str = "PerKey drains what it started";
pub(crate) const STREAM_ENDED: &str = "a stream form ends a shard";
pub(crate) const HANG_IS_DROPPED: &str = "a handler that hangs is dropped";

/// How often each state was reached.
#[derive(Debug, Default)]
pub(crate) struct Sometimes {
    reached: BTreeMap<String, Reached>,
}

#[derive(Debug, Default)]
struct Reached {
    times: u64,
    runs: u64,
}

impl Sometimes {
    /// Adds a run.
    pub(crate) fn add(&mut self, report: Option<&Report>, events: &[Event]) {
        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        for (state, count) in report.iter().flat_map(|report| &report.figures.rare) {
            *times.entry(state.to_string()).or_default() += count;
        }
        for state in events.iter().filter_map(shown_by) {
            *times.entry(state.to_owned()).or_default() += 1;
        }
        for (state, times) in times {
            let reached = self.reached.entry(state).or_default();
            reached.times += times;
            reached.runs += 1;
        }
    }

    /// The states that no run reached.
    pub(crate) fn never(&self) -> Vec<String> {
        let mut states = all();
        states.retain(|state| !self.reached.contains_key(state));
        states
    }
}

fn all() -> Vec<String> {
    let of_oracle = Rare::ALL.iter().map(ToString::to_string);
    of_oracle.chain(OF_EVENTS.map(str::to_owned)).collect()
}

/// The rare state that an event shows.
fn shown_by(event: &Event) -> Option<&'static str> {
    match event {
        Event::Call(call) => shown_by_call(call),
        Event::Process { change, .. } => (*change == ProcessChange::Suspended).then_some(SUSPENDED),
        Event::Note { text, .. } if text.ends_with(NO_ROOM) => Some(BUDGET_EXHAUSTED),
        Event::Note { text, .. } => NOTED.into_iter().find(|state| text == state),
        Event::Plan { .. } | _ => None,
    }
}

/// How the note of a record that found no room ends.
pub(crate) const NO_ROOM: &str = "the producer's budget is spent";

fn shown_by_call(call: &Call) -> Option<&'static str> {
    let Outcome::Refused(code) = &call.outcome else {
        return None;
    };
    match (call.service, call.operation.as_str(), code.as_str()) {
        (Service::Kinesis, "GetRecords", "ExpiredIteratorException") => Some(ITERATOR_EXPIRED),
        (Service::DynamoDb, "Scan", "ProvisionedThroughputExceededException") => Some(SCAN_THROTTLED),
        _ => None,
    }
}

impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<56} {:>6} {:>8}", "sometimes", "runs", "times")?;
        for state in all() {
            let (runs, times) = self
                .reached
                .get(&state)
                .map_or((0, 0), |reached| (reached.runs, reached.times));
            write!(f, "\n{state:<56} {runs:>6} {times:>8}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn note(text: &str) -> Event {
        let (at, text) = (Duration::ZERO, text.to_owned());
        Event::Note { at, text }
    }

    #[test]
    fn a_state_counts_once_for_each_run_and_each_time() {
        let mut sometimes = Sometimes::default();
        assert_eq!(sometimes.never().len(), all().len());
        let spent = note("p could not put: the producer's budget is spent");
        sometimes.add(
            None,
            &[spent.clone(), spent.clone(), note("p could not put: it is too large")],
        );
        sometimes.add(None, &[spent]);
        sometimes.add(None, &[]);
        assert_eq!(sometimes.never().len(), all().len() - 1);
        let line = format!("{BUDGET_EXHAUSTED:<56} {:>6} {:>8}", 2, 3);
        assert!(sometimes.to_string().contains(&line), "{sometimes}");
    }

    #[test]
    fn what_the_oracle_tells_is_counted_by_its_name() {
        let mut sometimes = Sometimes::default();
        let mut report =
            oracle::Oracle::new(oracle::Rules::new(Duration::ZERO)).finish(Duration::ZERO, oracle::Ending::CutShort);
        report.figures.rare.insert(Rare::LeaseStolen, 4);
        sometimes.add(Some(&report), &[]);
        assert!(!sometimes.never().contains(&Rare::LeaseStolen.to_string()));
    }
}
