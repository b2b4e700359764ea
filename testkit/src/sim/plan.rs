//! Pure: what goes wrong in a simulation and when, written down or drawn from a seed.
//!
//! `drawn` makes plans from seeds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::faults::{CallInfo, Fault};
use crate::dispatch::Service;
use crate::kinesis::KmsFailure;

mod drawn;

/// Everything that goes wrong in a run. [`Sim::follow`](super::Sim::follow) carries it out. It can be kept in a file, by
/// serde.
///
/// ```
/// use std::time::Duration;
/// use testkit::sim::{Plan, Severity};
///
/// let processes = ["worker-1".to_owned(), "worker-2".to_owned()];
/// let plan = Plan::drawn(7, Severity::Harsh, &processes, Duration::from_secs(10)..Duration::from_secs(120));
/// assert_eq!(plan, Plan::drawn(7, Severity::Harsh, &processes, Duration::from_secs(10)..Duration::from_secs(120)));
/// println!("{plan}"); // one line for each trouble
/// assert!(plan.end() <= Duration::from_secs(120));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// In any order; they may overlap.
    pub troubles: Vec<Trouble>,
}

/// One thing that goes wrong for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// When it begins, since the simulation's start.
    pub from: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// The process that it befalls; `None`: all of them. A [kind](TroubleKind::befalls_everybody) of the service itself
    /// names none.
    pub process: Option<String>,
    /// What goes wrong.
    pub kind: TroubleKind,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TroubleKind {
    /// Some calls meet a fault.
    Calls {
        /// The service that they go to.
        service: Service,
        /// The operation; `None`: every one.
        operation: Option<String>,
        /// How many of a hundred such calls.
        percent: u8,
        /// What happens to them.
        fault: Fault,
    },
    /// The process cannot reach the service: [`Process::cut_off`](super::Process::cut_off).
    CutOff(Service),
    /// The process stands still: [`Process::freeze`](super::Process::freeze).
    Freeze,
    /// The same as soon as the process has sent its next call to the service: it thaws with the reply and its timers due
    /// at once. [`Process::freeze_at_call`](super::Process::freeze_at_call).
    FreezeAtCall(Service),
    /// The machine of the process is suspended, and its monotonic clock with it:
    /// [`Process::suspend`](super::Process::suspend).
    Suspend,
    /// The process is killed, and started again afterwards: [`Process::restart`](super::Process::restart).
    Crash,
    /// The process's wall clock is ahead.
    ClockAhead(Duration),
    /// The process's wall clock is behind.
    ClockBehind(Duration),
    /// All shard iterators expire when the trouble begins.
    IteratorsExpire,
    /// The key of the stream cannot be used.
    Kms {
        /// The name of the stream.
        stream: String,
        /// Why not.
        failure: KmsFailure,
    },
}

/// How much goes wrong in a drawn plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Nothing.
    None,
    /// What every service meets every day: slow and failed calls, throttling, lost replies, expired iterators, wrong
    /// clocks, machines that are suspended. All processes live on.
    Mild,
    /// Three times as much of it, and processes that freeze, also in the middle of a call, crash, and are cut off.
    Harsh,
}

impl Severity {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mild => "mild",
            Self::Harsh => "harsh",
        }
    }
}

impl Plan {
    /// When its last trouble is over, since the simulation's start.
    pub fn end(&self) -> Duration {
        self.troubles.iter().map(Trouble::end).max().unwrap_or_default()
    }

    /// All beginnings and ends in the order of their times; what ends at a moment, ends before others begin.
    pub(super) fn timeline(&self) -> Vec<Turn> {
        let turns = |number: usize, trouble: &Trouble| {
            let (begin, end) = (trouble.from, trouble.end());
            [(begin, number, Phase::Begins), (end, number, Phase::Ends)].map(|(at, number, phase)| Turn {
                at,
                number,
                phase,
                trouble: trouble.clone(),
            })
        };
        let mut timeline: Vec<Turn> = (0..)
            .zip(&self.troubles)
            .flat_map(|(n, trouble)| turns(n, trouble))
            .collect();
        timeline.sort_by_key(|turn| (turn.at, turn.phase, turn.number));
        timeline
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.troubles.iter().try_for_each(|trouble| writeln!(f, "{trouble}"))
    }
}

impl Trouble {
    /// When it is over, since the simulation's start.
    pub fn end(&self) -> Duration {
        self.from.saturating_add(self.lasts)
    }

    fn befalls(&self, call: &CallInfo<'_>) -> bool {
        self.process.as_deref().is_none_or(|process| process == call.client)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = self.process.as_deref().unwrap_or("everybody");
        let (from, end) = (self.from.as_secs_f64(), self.end().as_secs_f64());
        write!(f, "{from:.1}-{end:.1}s {process}: {}", self.kind)
    }
}

impl TroubleKind {
    /// Whether it befalls the service itself and so everybody, whatever process is named.
    pub fn befalls_everybody(&self) -> bool {
        matches!(self, Self::IteratorsExpire | Self::Kms { .. })
    }

    /// What to count it as.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Calls { fault, .. } => fault.name().unwrap_or("none"),
            Self::CutOff(_) => "cut off",
            Self::Freeze | Self::FreezeAtCall(_) => "freeze",
            Self::Suspend => "suspend",
            Self::Crash => "crash",
            Self::ClockAhead(_) | Self::ClockBehind(_) => "wrong clock",
            Self::IteratorsExpire => "expired iterators",
            Self::Kms { .. } => "KMS",
        }
    }
}

impl TroubleKind {
    /// Whether one of the two must not end the other.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::CutOff(one), Self::CutOff(another)) => one == another,
            (Self::Kms { stream: one, .. }, Self::Kms { stream: another, .. }) => one == another,
            (Self::ClockAhead(_) | Self::ClockBehind(_), Self::ClockAhead(_) | Self::ClockBehind(_)) => true,
            (Self::Freeze | Self::FreezeAtCall(_), Self::Freeze | Self::FreezeAtCall(_)) => true,
            (Self::Suspend, Self::Suspend) | (Self::Crash, Self::Crash) => true,
            _ => false,
        }
    }
}

impl fmt::Display for TroubleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls {
                service,
                operation,
                percent,
                fault,
            } => {
                let operation = operation.as_deref().unwrap_or("*");
                write!(f, "{percent} % of {service}.{operation}: {fault}")
            }
            Self::CutOff(service) => write!(f, "cut off from {service}"),
            Self::FreezeAtCall(service) => write!(f, "freeze at a call to {service}"),
            Self::ClockAhead(by) => write!(f, "clock {by:?} ahead"),
            Self::ClockBehind(by) => write!(f, "clock {by:?} behind"),
            Self::Kms { stream, failure } => write!(f, "KMS of {stream} {failure:?}"),
            Self::Freeze | Self::Suspend | Self::Crash | Self::IteratorsExpire => f.write_str(self.name()),
        }
    }
}

/// The beginning or the end of a trouble.
#[derive(Debug, Clone)]
pub struct Turn {
    /// When, since the start.
    pub at: Duration,
    /// Which trouble of the plan.
    pub number: usize,
    /// Whether it begins or ends.
    pub phase: Phase,
    /// The trouble.
    pub trouble: Trouble,
}

/// Whether a trouble begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It ends.
    Ends,
    /// It begins.
    Begins,
}

/// The troubles that are under way, by the number under which they began.
#[derive(Debug, Default)]
pub(super) struct ActiveTroubles(BTreeMap<usize, Trouble>);

impl ActiveTroubles {
    pub(super) fn begin(&mut self, number: usize, trouble: Trouble) {
        self.0.insert(number, trouble);
    }

    pub(super) fn end(&mut self, number: usize) {
        self.0.remove(&number);
    }

    /// The latest other trouble of the same kind that still befalls a process.
    pub(super) fn another(&self, kind: &TroubleKind, process: &str) -> Option<&Trouble> {
        let same = |trouble: &&Trouble| {
            let befalls = trouble.process.as_deref().is_none_or(|name| name == process);
            befalls && trouble.kind.is_same_as(kind)
        };
        self.0.values().rfind(same)
    }

    /// The fault that a call meets: the first trouble that hits it decides.
    pub(super) fn meet(&self, call: &CallInfo<'_>, now: Duration, rng: &mut Rng) -> Fault {
        let under_way = self.0.values().filter(|trouble| now < trouble.end());
        let hit = under_way.into_iter().find_map(|trouble| match &trouble.kind {
            TroubleKind::Calls {
                service,
                operation,
                percent,
                fault,
            } => {
                let meant = trouble.befalls(call)
                    && *service == call.service
                    && operation.as_deref().is_none_or(|operation| operation == call.operation);
                (meant && rng.u8(..100) < *percent).then(|| fault.clone())
            }
            TroubleKind::CutOff(_)
            | TroubleKind::Freeze
            | TroubleKind::FreezeAtCall(_)
            | TroubleKind::Suspend
            | TroubleKind::Crash
            | TroubleKind::ClockAhead(_)
            | TroubleKind::ClockBehind(_)
            | TroubleKind::IteratorsExpire
            | TroubleKind::Kms { .. } => None,
        });
        hit.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;

    fn lost_replies(process: Option<&str>) -> Trouble {
        Trouble {
            from: Duration::from_secs(1),
            lasts: Duration::from_secs(2),
            process: process.map(str::to_owned),
            kind: TroubleKind::Calls {
                service: Service::DynamoDb,
                operation: Some("UpdateItem".to_owned()),
                percent: 100,
                fault: Fault::ReplyLost,
            },
        }
    }

    fn met(trouble: Trouble, client: &str, operation: &str, at: u64) -> Fault {
        let mut active = ActiveTroubles::default();
        active.begin(0, trouble);
        let call = CallInfo {
            client,
            service: Service::DynamoDb,
            operation,
            body: &Bytes::new(),
            ordinal: 0,
            now: SystemTime::UNIX_EPOCH,
        };
        active.meet(&call, Duration::from_secs(at), &mut Rng::with_seed(1))
    }

    #[test]
    fn a_trouble_befalls_the_calls_that_it_is_about() {
        let one = || lost_replies(Some("w1"));
        assert_eq!(met(one(), "w1", "UpdateItem", 2), Fault::ReplyLost);
        assert_eq!(met(one(), "w2", "UpdateItem", 2), Fault::None);
        assert_eq!(met(one(), "w1", "GetItem", 2), Fault::None);
        assert_eq!(met(lost_replies(None), "w2", "UpdateItem", 2), Fault::ReplyLost);
    }

    #[test]
    fn a_trouble_is_over_at_its_end() {
        assert_eq!(met(lost_replies(None), "w1", "UpdateItem", 3), Fault::None);
    }

    #[test]
    fn what_ends_at_a_moment_ends_before_others_begin() {
        let first = lost_replies(None);
        let second = Trouble {
            from: first.end(),
            ..first.clone()
        };
        let plan = Plan {
            troubles: vec![second, first],
        };
        let turns: Vec<_> = plan
            .timeline()
            .iter()
            .map(|turn| (turn.at.as_secs(), turn.number, turn.phase))
            .collect();
        assert_eq!(
            turns,
            [
                (1, 1, Phase::Begins),
                (3, 1, Phase::Ends),
                (3, 0, Phase::Begins),
                (5, 0, Phase::Ends)
            ]
        );
        assert_eq!(plan.end(), Duration::from_secs(5));
    }

    #[test]
    fn a_plan_that_was_written_down_reads_as_the_same_plan() {
        let processes = ["w1", "p1"].map(str::to_owned);
        for seed in 0..100 {
            let within = Duration::from_secs(5)..Duration::from_secs(125);
            let plan = Plan::drawn(seed, Severity::Harsh, &processes, within);
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        }
    }

    #[test]
    fn a_trouble_reads_as_one_line() {
        let line = "1.0-3.0s w1: 100 % of DynamoDB.UpdateItem: reply lost";
        assert_eq!(lost_replies(Some("w1")).to_string(), line);
    }
}
