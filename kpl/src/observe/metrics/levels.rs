//! The gauges of a producer: what is outstanding and waits right now. Producers of one process add up.

use ::metrics::{Gauge, Key, KeyName, Label, Recorder, Unit};

use super::meter::METADATA;

/// User records without an outcome.
pub(super) const OUTSTANDING: &str = "UserRecordsOutstanding";
/// Calls of `put` and `put_all` that wait for room.
pub(super) const WAITING: &str = "PutsWaiting";

/// One figure at several levels of labels, and what this producer has added to it.
#[derive(Debug)]
struct Figure {
    gauges: Vec<Gauge>,
    told: f64,
}

/// The gauges of one producer, at the levels of its granularity.
#[derive(Debug)]
pub(super) struct Levels {
    outstanding: Figure,
    waiting: Figure,
}

impl Levels {
    /// Registers the gauges with each of these sets of labels.
    pub(super) fn new(recorder: &dyn Recorder, labels: &[Vec<Label>]) -> Self {
        let figure = |name: &'static str| Figure {
            gauges: labels
                .iter()
                .map(|labels| recorder.register_gauge(&Key::from_parts(name, labels.clone()), &METADATA))
                .collect(),
            told: 0.0,
        };
        Self {
            outstanding: figure(OUTSTANDING),
            waiting: figure(WAITING),
        }
    }

    /// Tells the recorder what they are.
    pub(super) fn describe(recorder: &dyn Recorder) {
        for (name, description) in [
            (OUTSTANDING, "user records without an outcome"),
            (WAITING, "calls of put that wait for room in the budget"),
        ] {
            recorder.describe_gauge(KeyName::from_const_str(name), Some(Unit::Count), description.into());
        }
    }

    /// Sets both gauges.
    pub(super) fn show(&mut self, outstanding: u64, waiting: usize) {
        self.outstanding.show(outstanding as f64);
        self.waiting.show(waiting as f64);
    }
}

impl Figure {
    /// Adds what is new, so that what other producers have added stays.
    fn show(&mut self, value: f64) {
        let more = value - std::mem::replace(&mut self.told, value);
        if more > 0.0 {
            self.gauges.iter().for_each(|gauge| gauge.increment(more));
        } else if more < 0.0 {
            self.gauges.iter().for_each(|gauge| gauge.decrement(-more));
        }
    }
}
