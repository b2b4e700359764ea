//! Pure: whether everything recovers in time once nothing goes wrong any more.

use std::time::Duration;

use super::consumer::Consumers;
use super::coverage;
use super::evidence::Evidence;
use super::judge::{Judge, Seconds};
use super::producer::Producers;
use super::rules::Rule;
use super::shard::Life;

/// The end of the faults, and what is expected after it.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    calm: Option<Calm>,
}

/// Nothing goes wrong any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calm {
    Since(Duration),
    /// Whether everything recovered in time was judged.
    Judged,
}

impl Recovery {
    /// From now on nothing goes wrong, and nothing is put.
    pub(crate) fn calm(&mut self, now: Duration) {
        self.calm = self.calm.or(Some(Calm::Since(now)));
    }

    /// Judges, when the time for it is over, whether everything has recovered.
    pub(crate) fn check(
        &mut self,
        evidence: &Evidence,
        (producers, consumers): (&Producers, &Consumers),
        judge: &mut Judge,
    ) {
        let (Some(Calm::Since(since)), Some(bound)) = (self.calm, judge.rules.recovery_within) else {
            return;
        };
        if judge.now <= since + bound {
            return;
        }
        self.calm = Some(Calm::Judged);
        if let Some(what) = unrecovered(evidence, producers, consumers) {
            judge.broken(
                Rule::Recovery,
                format_args!("{what}, {} after anything went wrong or was put", Seconds(bound)),
            );
        }
    }
}

/// What has not recovered, for people.
fn unrecovered(evidence: &Evidence, producers: &Producers, consumers: &Consumers) -> Option<String> {
    if let Some(record) = producers.open() {
        return Some(format!("{record} has no outcome"));
    }
    let Evidence {
        stream, leases, fleet, ..
    } = evidence;
    if stream.is_told() || !fleet.anyone_lives() {
        return None;
    }
    let mut shards = stream.shards();
    let unrecovered = shards.find_map(|(id, shard)| {
        let is_halted = consumers.is_halted(id, evidence);
        match shard.first_undone().filter(|_| !is_halted) {
            Some(undone) => Some(format!("{} of {id} was not processed", undone.place)),
            None if shard.life == Life::Open && !coverage::is_owned(id, leases, fleet) => {
                Some(format!("{id} is open, and no living worker owns its lease"))
            }
            None => None,
        }
    });
    unrecovered.or_else(|| {
        let is_complete = consumers.are_complete(evidence);
        (!is_complete).then(|| "the owner of an open shard does not read it".to_owned())
    })
}
