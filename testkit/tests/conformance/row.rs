//! One behaviour of the service in one sentence, with its evidence and where it can be seen.

use futures::future::BoxFuture;
use testkit::kinesis::Settings;

use super::evidence::Evidence;
use super::subject::Subject;
use super::target::Target;
use super::verdict::Verdict;

/// Looks for the behaviour.
pub(crate) type Check = for<'a> fn(&'a Subject) -> BoxFuture<'a, Verdict>;

/// One behaviour of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The behaviour, in one sentence.
    pub(crate) claim: &'static str,
    /// Besides what a run on kinesis-mock shows; none means that nothing but such a run supports the row.
    pub(crate) evidence: &'static [Evidence],
    pub(crate) check: Check,
    /// How our own service is set up for it.
    pub(crate) settings: fn(Settings) -> Settings,
    sandbox: Reach,
    kinesis_mock: Reach,
    aws: Reach,
}

/// Whether a row can be seen on a target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// It can, and it holds.
    Holds,
    /// It can, and is known not to hold: what happens instead.
    Gap(&'static str),
    /// It cannot: why.
    Unseen(&'static str),
}

impl Row {
    /// A behaviour that can be seen everywhere.
    pub(crate) const fn new(claim: &'static str, evidence: &'static [Evidence], check: Check) -> Self {
        Self {
            claim,
            evidence,
            check,
            settings: |settings| settings,
            sandbox: Reach::Holds,
            kinesis_mock: Reach::Holds,
            aws: Reach::Holds,
        }
    }

    /// Cannot be seen where time is real or limits are out of reach.
    pub(crate) const fn only_simulated(mut self, why: &'static str) -> Self {
        self.sandbox = Reach::Unseen(why);
        self.only_ours(why)
    }

    /// Can be seen on our own service only.
    pub(crate) const fn only_ours(self, why: &'static str) -> Self {
        self.not_on_kinesis_mock(why).not_on_aws(why)
    }

    pub(crate) const fn not_on_kinesis_mock(mut self, why: &'static str) -> Self {
        self.kinesis_mock = Reach::Unseen(why);
        self
    }

    pub(crate) const fn not_on_aws(mut self, why: &'static str) -> Self {
        self.aws = Reach::Unseen(why);
        self
    }

    /// kinesis-mock is known to behave otherwise.
    pub(crate) const fn gap(mut self, instead: &'static str) -> Self {
        self.kinesis_mock = Reach::Gap(instead);
        self
    }

    /// Our own service is to be set up for it.
    pub(crate) const fn with(mut self, settings: fn(Settings) -> Settings) -> Self {
        self.settings = settings;
        self
    }

    pub(crate) const fn reach(&self, target: Target) -> Reach {
        match target {
            Target::Sim => Reach::Holds,
            Target::Sandbox => self.sandbox,
            Target::KinesisMock => self.kinesis_mock,
            Target::Aws => self.aws,
        }
    }

    /// Nothing supports it, not even a second emulator.
    pub(crate) const fn is_unverified(&self) -> bool {
        self.evidence.is_empty() && !matches!(self.kinesis_mock, Reach::Holds)
    }
}
