//! Proof that the simulation finds bugs: each planted one, within so many seeds.

use std::process::ExitCode;

use crate::args::Args;
use crate::run::run;
use crate::scenario::Scenario;

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
pub(crate) fn hunt(name: &str, args: &Args) -> ExitCode {
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
        let found = (args.from..args.from.saturating_add(args.seeds)).find_map(|seed| {
            let run = run(Scenario::drawn(seed, args.scenario, args.plan.into()));
            run.failure.map(|failure| (seed - args.from + 1, failure))
        });
        match found {
            Some((seeds, failure)) => println!("{:<32} {seeds:>5}  {failure}", bug.name()),
            None => {
                println!("{:<32} {:>5}  NOT FOUND", bug.name(), args.seeds);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
