//! Proof that the simulation finds bugs: each planted one, within so many seeds.

use std::process::ExitCode;

use oracle::Rule;

use crate::run::run;
use crate::source::Source;

/// A bug of either library.
#[derive(Clone, Copy)]
enum Bug {
    Producer(kpl::planted_bugs::PlantedBug),
    Consumer(kcl::planted_bugs::PlantedBug),
}

impl Bug {
    fn all() -> impl Iterator<Item = Self> {
        let producer = kpl::planted_bugs::PlantedBug::ALL.into_iter().map(Self::Producer);
        producer.chain(kcl::planted_bugs::PlantedBug::ALL.into_iter().map(Self::Consumer))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Producer(bug) => bug.name(),
            Self::Consumer(bug) => bug.name(),
        }
    }

    /// The promises that it breaks. To be stopped by anything else is not to be found.
    fn breaks(self) -> &'static [Rule] {
        use kcl::planted_bugs::PlantedBug::{
            AcknowledgeUnwritten, BeginBeforeHandOver, BeginWithoutRenewal, CheckpointPastFailure,
            CheckpointWithoutCounter, DeliverAfterExpiry, ForgetWhatWasTaken, HighestOfAllKeys, IgnoreTheSink,
            LeaveRecordsRunning, LeaveUnowned, NeverExpire, RenewTakenLease, RenewWithoutReader, SkipBatchOfRecord,
            SkipParent,
        };
        use kpl::planted_bugs::PlantedBug::{AcceptMisplaced, AcknowledgeEarly, DropRetried, FreeShard, ReleaseEarly};
        match self {
            Self::Producer(DropRetried | AcknowledgeEarly) => &[Rule::Outcome],
            Self::Producer(AcceptMisplaced) => &[Rule::Readable],
            Self::Producer(FreeShard) => &[Rule::KeyOrder],
            Self::Producer(ReleaseEarly) => &[Rule::Memory],
            Self::Consumer(DeliverAfterExpiry) => &[Rule::OneOwner],
            Self::Consumer(CheckpointWithoutCounter) => &[Rule::OneOwner, Rule::AtLeastOnce],
            Self::Consumer(SkipParent) => &[Rule::ParentFirst],
            Self::Consumer(AcknowledgeUnwritten) => &[Rule::AtLeastOnce],
            Self::Consumer(RenewWithoutReader) => &[Rule::Coverage],
            Self::Consumer(RenewTakenLease | BeginBeforeHandOver | BeginWithoutRenewal) => &[Rule::OneOwner],
            Self::Consumer(LeaveUnowned | NeverExpire) => &[Rule::Coverage],
            Self::Consumer(CheckpointPastFailure | HighestOfAllKeys) => &[Rule::AtLeastOnce],
            Self::Consumer(IgnoreTheSink) => &[Rule::NothingSkipped, Rule::AtLeastOnce],
            Self::Consumer(LeaveRecordsRunning) => &[Rule::Shutdown],
            Self::Consumer(SkipBatchOfRecord | ForgetWhatWasTaken) => &[Rule::NothingSkipped],
        }
    }

    fn plant(self) {
        match self {
            Self::Producer(bug) => {
                kcl::planted_bugs::PlantedBug::uproot();
                bug.plant();
            }
            Self::Consumer(bug) => {
                kpl::planted_bugs::PlantedBug::uproot();
                bug.plant();
            }
        }
    }
}

/// Looks for the bug of that name, or for each with `all`, and says after how many seeds it was found and by what.
pub(crate) fn hunt(name: &str, runs: &Source) -> ExitCode {
    let bugs: Vec<Bug> = Bug::all().filter(|bug| name == "all" || bug.name() == name).collect();
    if bugs.is_empty() {
        let names: Vec<_> = Bug::all().map(Bug::name).collect();
        println!("there are: all, {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    println!("{:<32} {:>5}  found by", "planted bug", "seeds");
    let mut code = ExitCode::SUCCESS;
    for bug in bugs {
        bug.plant();
        let found = (1..).zip(runs.all()).find_map(|(number, scenario)| {
            let run = run(scenario);
            let first = run.report?.violations.into_iter().next()?;
            bug.breaks().contains(&first.rule).then(|| (number, first.to_string()))
        });
        match found {
            Some((seeds, failure)) => println!("{:<32} {seeds:>5}  {failure}", bug.name()),
            None => {
                println!("{:<32} {:>5}  NOT FOUND", bug.name(), "");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
