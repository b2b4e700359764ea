//! Pure: who decides which shard a record goes to, as far as it is known.
//!
//! The stream's own description tells. It is asked for when the first record comes, and again when it is old and records
//! flow, or when a record is found where keys do not lead. While there is none, for want of the permission, say, a
//! configured default counts; without one, what placements show.
//!
//! Records without keys wait for the first answer, however late it is: only it can tell that the stream takes them. Those
//! that are refused later make the producer ask again, at longer and longer intervals.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::config::ordering::{Ordering, RecordDistribution};
use crate::limits::{
    DESCRIPTION_PATIENCE, LONGEST_REDESCRIPTION_PAUSE, REDESCRIPTION_PAUSE, RESHARDING_DESCRIPTION_INTERVAL,
};
use crate::pipeline::knowledge::evidence::{Atlas, Contradiction, Evidence, Placement};
use crate::pipeline::knowledge::refresher::Refresher;
use crate::routing::Keyless;

/// What is known of a stream's distribution, and when to ask for its description.
#[derive(Debug)]
pub(crate) struct Distribution {
    default: RecordDistribution,
    description: Description,
    evidence: Evidence,
    describer: Refresher,
    /// How long records wait for the first description; `None` if as long as it takes.
    patience: Option<Duration>,
    patience_ends: Option<Instant>,
    refusals: Refusals,
}

/// How often records that were refused for their missing keys have made the producer ask, in vain so far, and when they
/// may do so again.
#[derive(Debug, Default)]
struct Refusals {
    questions: u32,
    ask_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Description {
    /// There was no answer yet; records wait for it.
    Awaited,
    /// There was none yet, and they wait no longer.
    Overdue,
    /// The service does not tell: the permission is missing, or it knows no such thing.
    Withheld,
    /// The newest answer.
    Is(RecordDistribution),
}

/// Whether records wait for the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    None,
    Some,
}

/// Which placements are worth looking at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    None,
    /// Those on another shard than was expected.
    Surprises,
    All,
}

/// From where it is known who distributes a stream's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The stream's description.
    Description,
    /// The configured default.
    Default,
    /// Where the service puts records.
    Placements,
    /// Nowhere.
    Nothing,
}

impl Distribution {
    pub(crate) fn new(config: &Config, rng: &mut fastrand::Rng) -> Self {
        let patience = match config.ordering {
            Ordering::None => Some(DESCRIPTION_PATIENCE),
            // Without the answer its records could only be given back.
            Ordering::PerKey => None,
        };
        Self {
            default: config.record_distribution_default,
            description: Description::Awaited,
            evidence: Evidence::of(RecordDistribution::Unknown),
            describer: Refresher::new(config.describe_stream_summary_interval, rng),
            patience,
            patience_ends: None,
            refusals: Refusals::default(),
        }
    }

    /// What counts, and why; `None` while the first description is worth waiting for.
    pub(crate) fn in_force(&self) -> Option<(RecordDistribution, Source)> {
        let assumed = (self.default, Source::Default);
        match (self.description, self.default, self.evidence.finding()) {
            (Description::Is(described), ..) => Some((described, Source::Description)),
            (_, RecordDistribution::Auto | RecordDistribution::UserPartitionKey, _) => Some(assumed),
            (Description::Awaited, ..) => None,
            (_, _, RecordDistribution::Unknown) => Some((RecordDistribution::Unknown, Source::Nothing)),
            (_, _, found) => Some((found, Source::Placements)),
        }
    }

    /// What becomes of records without keys where keys are followed.
    pub(crate) fn keyless(&self) -> Keyless {
        match self.description {
            Description::Awaited | Description::Overdue => Keyless::Waits,
            Description::Withheld | Description::Is(_) => Keyless::Refused,
        }
    }

    /// A record was refused for its missing key, which the stream may take by now.
    pub(crate) fn keyless_refused(&mut self, now: Instant) {
        let Refusals { questions, ask_at } = &mut self.refusals;
        if self.describer.is_idle() && ask_at.is_none_or(|at| at <= now) {
            *questions = questions.saturating_add(1);
            let pause = REDESCRIPTION_PAUSE.saturating_mul(1 << (*questions).min(8));
            *ask_at = Some(now + pause.min(LONGEST_REDESCRIPTION_PAUSE));
            self.describer.on_contradiction(now, now);
        }
    }

    /// A record passes.
    pub(crate) fn on_traffic(&mut self, now: Instant) {
        self.describer.on_traffic(now);
    }

    /// Whether to ask for the description now; the caller then must, and report the answer.
    #[must_use]
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        if self.patience_ends.is_some_and(|at| at <= now) {
            self.wait_no_longer();
        }
        let starts = self.describer.start(now);
        if starts && self.in_force().is_none() && self.patience_ends.is_none() {
            self.patience_ends = self.patience.map(|patience| now + patience);
        }
        starts
    }

    /// When there is something to do.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        [self.describer.next_at(), self.patience_ends]
            .into_iter()
            .flatten()
            .min()
    }

    /// The stream was described. `Unknown` if it was not said how it distributes records.
    pub(crate) fn described(&mut self, described: RecordDistribution, now: Instant) {
        self.describer.succeeded(now);
        self.describer.pause_until(now + REDESCRIPTION_PAUSE);
        self.patience_ends = None;
        match described {
            RecordDistribution::Unknown => self.description = Description::Withheld,
            RecordDistribution::Auto | RecordDistribution::UserPartitionKey => {
                if self.description != Description::Is(described) {
                    self.refusals = Refusals::default();
                }
                self.evidence = Evidence::of(described);
                self.description = Description::Is(described);
            }
        }
    }

    /// The stream is being changed: asks again soon whether it still is.
    pub(crate) fn ask_sooner(&mut self, now: Instant) {
        self.describer.hasten(
            RESHARDING_DESCRIPTION_INTERVAL,
            now + 2 * RESHARDING_DESCRIPTION_INTERVAL,
        );
    }

    /// The service will not describe the stream to this caller; the next time to ask is the regular one.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.described(RecordDistribution::Unknown, now);
    }

    /// It could not this time; counts the failure. The caller says when to [`ask_again`](Self::ask_again).
    pub(crate) fn failed(&mut self) -> u32 {
        if self.patience.is_some() {
            self.wait_no_longer();
        }
        // It has told nothing: the pause after a failure is the shorter one.
        self.refusals.ask_at = None;
        self.describer.failed()
    }

    /// Asks again no earlier than `at`: for the next record, or by then if records wait for the answer.
    pub(crate) fn ask_again(&mut self, at: Instant, waiting: Waiting) {
        match waiting {
            Waiting::None => self.describer.pause_until(at),
            Waiting::Some => self.describer.retry_at(at),
        }
    }

    /// How often it could not be described since it last was.
    pub(crate) fn failures(&self) -> u32 {
        self.describer.failures()
    }

    /// Asks at `at`, if it is to ask later.
    pub(crate) fn hurry(&mut self, at: Instant) {
        self.describer.hurry(at);
    }

    /// Which placements it wants to be told.
    pub(crate) fn interest(&self) -> Interest {
        match (self.description, self.default) {
            (Description::Is(RecordDistribution::UserPartitionKey), _) => Interest::Surprises,
            (Description::Is(_), _) => Interest::None,
            (_, RecordDistribution::Unknown) => Interest::All,
            (_, RecordDistribution::Auto | RecordDistribution::UserPartitionKey) => Interest::None,
        }
    }

    /// The service put a record into a shard.
    pub(crate) fn placed(&mut self, placement: Placement, atlas: Atlas<'_>, now: Instant) {
        let contradiction = self.evidence.placed(placement, atlas);
        self.doubt(contradiction, now);
    }

    /// There is a fresh shard map.
    pub(crate) fn map_refreshed(&mut self, atlas: Atlas<'_>, now: Instant) {
        let contradiction = self.evidence.refreshed(atlas);
        self.doubt(contradiction, now);
    }

    /// The service refused a record for its missing key: the stream follows keys.
    pub(crate) fn key_missed(&mut self, sent: Instant, now: Instant) {
        self.evidence = Evidence::of(RecordDistribution::Unknown);
        self.describer.on_contradiction(sent, now);
    }

    fn doubt(&mut self, contradiction: Option<Contradiction>, now: Instant) {
        if let (Some(Contradiction { sent }), Description::Is(RecordDistribution::UserPartitionKey)) =
            (contradiction, self.description)
        {
            self.describer.on_contradiction(sent, now);
        }
    }

    fn wait_no_longer(&mut self) {
        self.patience_ends = None;
        if self.description == Description::Awaited {
            self.description = Description::Overdue;
        }
    }
}
