//! Pure: which records of a failed batch are delivered, and which are given up.
//!
//! ```text
//!  a batch has failed as often as is allowed, or is to be skipped
//!     the handler has named a record ──► those in front of it are delivered; then it is given up without another call
//!     it has not ──────────────────────► each record is delivered alone; those that fail are given up
//! ```

use crate::checkpoint::position::RecordPosition;
use crate::consumer::state::{BatchSize, Failing, Reaction};

/// How the records of a failed batch are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Isolation {
    Off,
    On {
        delivers: Delivers,
        /// The last record of the batch, or the one that is named.
        through: RecordPosition,
        /// How often the whole batch has failed, or a part of it that was delivered at once.
        failures: u32,
        by: WantedBy,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivers {
    /// Each record alone.
    OneByOne,
    /// Those in front of the one that is named.
    InFront(GivesUp),
}

/// Who wants records to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WantedBy {
    /// The error policy, or an error of the handler that names its record.
    Policy,
    /// An error of the handler that names no record: one that fails alone has attempts of its own.
    Handler,
    /// The application, by its control.
    Application,
}

/// What becomes of a record that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivesUp {
    Skips,
    DeadLetters,
}

impl From<GivesUp> for Reaction {
    fn from(gives_up: GivesUp) -> Self {
        match gives_up {
            GivesUp::Skips => Self::Skip,
            GivesUp::DeadLetters => Self::DeadLetter,
        }
    }
}

impl Isolation {
    /// Delivers each record of the failed call alone.
    pub(super) fn one_by_one(failing: &Failing, failures: u32, by: WantedBy) -> Self {
        Self::On {
            delivers: Delivers::OneByOne,
            through: failing.last.clone(),
            failures,
            by,
        }
    }

    /// Delivers the records in front of the one that is named.
    pub(super) fn named(failing: &Failing, failures: u32, gives_up: GivesUp, by: WantedBy) -> Self {
        Self::On {
            delivers: Delivers::InFront(gives_up),
            through: failing.named.as_ref().unwrap_or(&failing.last).clone(),
            failures,
            by,
        }
    }

    pub(super) fn batch_size(&self) -> BatchSize {
        match self.is_one_by_one() {
            true => BatchSize::OneRecord,
            false => BatchSize::Configured,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        match self {
            Self::Off => 0,
            Self::On { failures, .. } => *failures,
        }
    }

    pub(super) fn is_one_by_one(&self) -> bool {
        match self {
            Self::Off => false,
            Self::On { delivers, .. } => *delivers == Delivers::OneByOne,
        }
    }

    /// Whether a record that is delivered now has had its attempts: it has failed before, in its batch.
    pub(super) fn has_had_its_attempts(&self) -> bool {
        match self {
            Self::Off
            | Self::On {
                by: WantedBy::Handler, ..
            } => false,
            Self::On {
                by: WantedBy::Policy | WantedBy::Application,
                ..
            } => self.is_one_by_one(),
        }
    }

    /// Whether the application has asked for it.
    pub(super) fn is_asked_for(&self) -> bool {
        match self {
            Self::Off => false,
            Self::On { by, .. } => *by == WantedBy::Application,
        }
    }

    /// The same, and each record is delivered alone.
    pub(super) fn is_asked_for_one_by_one(&self) -> bool {
        self.is_one_by_one() && self.is_asked_for()
    }

    /// The record that is named, and what becomes of it.
    pub(super) fn named_one(&self) -> Option<(&RecordPosition, GivesUp)> {
        match self {
            Self::Off
            | Self::On {
                delivers: Delivers::OneByOne,
                ..
            } => None,
            Self::On {
                delivers: Delivers::InFront(gives_up),
                through,
                ..
            } => Some((through, *gives_up)),
        }
    }

    /// Whether a call that succeeded as far as `done` ends it.
    pub(super) fn is_over(&self, done: &RecordPosition) -> bool {
        match self {
            Self::Off => true,
            Self::On { through, .. } => done >= through,
        }
    }

    /// Delivers the record that is named once more, alone: its dead-letter sink has failed.
    pub(super) fn deliver_the_named_one(&mut self) {
        if let Self::On { delivers, .. } = self {
            *delivers = Delivers::OneByOne;
        }
    }

    /// Gives up nothing: those in front of the record that is named fail, or nobody knows which ones do.
    pub(super) fn halted(&mut self) {
        if self.named_one().is_some() || self.is_asked_for() {
            *self = Self::Off;
        }
    }

    /// After `more` failures of those in front of the named record: delivers each of them alone, and then that record, if the
    /// application has asked for a skip. Whether that is so.
    pub(super) fn goes_on_one_by_one(&mut self, more: u32) -> bool {
        let goes_on = self.is_asked_for() && self.named_one().is_some();
        if let Self::On { failures, .. } = self
            && goes_on
        {
            *failures = failures.saturating_add(more);
            self.deliver_the_named_one();
        }
        goes_on
    }

    /// Gives up for the application what the policy wants to be given up. Whether there is something.
    pub(super) fn take_over(&mut self) -> bool {
        let Self::On { delivers, by, .. } = self else {
            return false;
        };
        *by = WantedBy::Application;
        if let Delivers::InFront(gives_up) = delivers {
            *gives_up = GivesUp::Skips;
        }
        true
    }

    /// Whether `record` lies behind all that it delivers.
    pub(super) fn ends_in_front_of(&self, record: &RecordPosition) -> bool {
        match self {
            Self::Off => false,
            Self::On { through, .. } => record > through,
        }
    }
}

/// Which record the handler has named in its errors since its last success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Naming {
    last: Option<RecordPosition>,
    /// How often in a row it was that one.
    failures: u32,
    furthest: Option<RecordPosition>,
}

impl Naming {
    /// Notes a failure. Whether the handler came further than ever since its last success.
    pub(super) fn note(&mut self, failing: Option<&Failing>) -> bool {
        let named = failing.and_then(|failing| failing.named.as_ref());
        if named.is_none() || named != self.last.as_ref() {
            (self.last, self.failures) = (named.cloned(), 0);
        }
        if named.is_some() {
            self.failures = self.failures.saturating_add(1);
        }
        let is_further = named > self.furthest.as_ref();
        let was_named_before = self.furthest.is_some();
        if is_further {
            self.furthest = named.cloned();
        }
        is_further && was_named_before
    }

    /// How often in a row the last one was named.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}
