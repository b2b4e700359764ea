//! What happened in a simulation, in canonical form, for tests to read and compare.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::call::Call;
use crate::dispatch::Service;

/// One thing that happened.
///
/// There is nothing random in the form: two runs that behave alike have equal events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A call was applied, or will never be.
    Call(Call),
    /// Something happened to a process.
    Process {
        /// The virtual time since the simulation's start.
        at: Duration,
        /// Its name.
        process: String,
        /// What happened to it.
        change: ProcessChange,
    },
    /// A trouble of a [`Plan`](super::Plan) began or ended.
    Plan {
        /// The virtual time since the simulation's start.
        at: Duration,
        /// Which one, and whether it began or ended.
        text: String,
    },
    /// The test itself noted something, by [`Sim::note`](super::Sim::note).
    Note {
        /// The virtual time since the simulation's start.
        at: Duration,
        /// Its words.
        text: String,
    },
}

/// What happens to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each other is the method of Process with that name")]
pub enum ProcessChange {
    Frozen,
    Thawed,
    Suspended,
    Resumed,
    Killed,
    /// Its program panicked.
    Panicked,
    Restarted,
    CutOff(Service),
    Reconnected(Service),
    ClockAhead(Duration),
    ClockBehind(Duration),
}

impl Event {
    /// The virtual time since the simulation's start.
    pub fn at(&self) -> Duration {
        match self {
            Self::Call(call) => call.at,
            Self::Process { at, .. } | Self::Plan { at, .. } | Self::Note { at, .. } => *at,
        }
    }

    /// What went wrong in it, in a word or two to count by.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Call(call) => call.fault,
            Self::Process { change, .. } => change.fault(),
            Self::Plan { .. } | Self::Note { .. } => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:.3}s ", self.at().as_secs_f64())?;
        match self {
            Self::Call(call) => write!(f, "{call}"),
            Self::Process { process, change, .. } => write!(f, "{process} {change}"),
            Self::Plan { text, .. } => write!(f, "plan: {text}"),
            Self::Note { text, .. } => f.write_str(text),
        }
    }
}

impl ProcessChange {
    fn fault(self) -> Option<&'static str> {
        match self {
            Self::Frozen => Some("freeze"),
            Self::Suspended => Some("suspend"),
            Self::Killed => Some("kill"),
            Self::CutOff(_) => Some("cut off"),
            Self::ClockAhead(_) | Self::ClockBehind(_) => Some("clock change"),
            Self::Thawed | Self::Resumed | Self::Panicked | Self::Restarted | Self::Reconnected(_) => None,
        }
    }
}

impl fmt::Display for ProcessChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen => f.write_str("is frozen"),
            Self::Thawed => f.write_str("is thawed"),
            Self::Suspended => f.write_str("is suspended"),
            Self::Resumed => f.write_str("is resumed"),
            Self::Killed => f.write_str("is killed"),
            Self::Panicked => f.write_str("panics"),
            Self::Restarted => f.write_str("is started again"),
            Self::CutOff(service) => write!(f, "is cut off from {service}"),
            Self::Reconnected(service) => write!(f, "is connected to {service} again"),
            Self::ClockAhead(by) => write!(f, "has its clock {by:?} ahead"),
            Self::ClockBehind(by) => write!(f, "has its clock {by:?} behind"),
        }
    }
}

/// The latest events; older ones make room for newer ones.
#[derive(Debug)]
pub(super) struct EventLog {
    events: VecDeque<Event>,
    capacity: usize,
}

impl EventLog {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity,
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push_back(event);
        while self.events.len() > self.capacity {
            self.events.pop_front();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(second: u64) -> Event {
        Event::Note {
            at: Duration::from_secs(second),
            text: "the tide turns".to_owned(),
        }
    }

    #[test]
    fn an_event_reads_as_one_line() {
        assert_eq!(note(3).to_string(), "+3.000s the tide turns");
        let cut = Event::Process {
            at: Duration::from_millis(1_500),
            process: "worker-1".to_owned(),
            change: ProcessChange::CutOff(Service::DynamoDb),
        };
        assert_eq!(cut.to_string(), "+1.500s worker-1 is cut off from DynamoDB");
    }

    #[test]
    fn a_full_log_forgets_the_oldest_event() {
        let mut log = EventLog::new(2);
        (0..3).for_each(|second| log.push(note(second)));
        let kept: Vec<u64> = log.iter().map(|event| event.at().as_secs()).collect();
        assert_eq!(kept, [1, 2]);
    }
}
