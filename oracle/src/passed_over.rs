//! Pure: records that a worker passes over are those on which a handler failed, and somebody wants it so (C5).

use std::ops::Range;

use super::consumer::Consumers;
use super::evidence::Evidence;
use super::fact::{Asks, Remedy, WorkerFact};
use super::judge::Judge;
use super::name::Process;
use super::position::Position;
use super::rare::Rare;
use super::rules::{Exhausted, PassedOver, Rule};
use super::shard::Shard;
use super::tenant::Tenant;

impl Consumers {
    /// A worker, or its dead-letter sink, told of records.
    pub(crate) fn told(&mut self, worker: &Process, fact: WorkerFact, evidence: &mut Evidence, judge: &mut Judge) {
        let (id, how) = match &fact {
            WorkerFact::Reads { shard } => return self.says_that_it_reads(*shard, worker),
            WorkerFact::Left { shard } => return self.says_that_it_left(*shard, worker),
            WorkerFact::Skipped { shard, .. } => (*shard, PassedOver::Skipped),
            WorkerFact::DeadLettered { shard, .. } => (*shard, PassedOver::DeadLettered),
        };
        let tenant = self.latest(id, worker);
        let shard = tenant
            .as_ref()
            .and_then(|tenant| evidence.stream.of_mut(tenant.deletions, id));
        let (Some(tenant), Some(shard)) = (tenant, shard) else {
            judge.broken(
                Rule::History,
                format_args!("{worker} passed over records of {id}, which it does not have"),
            );
            return;
        };
        let records = match fact {
            WorkerFact::Skipped { through, count, .. } => {
                let end = shard.count_up_to(Position::At(through));
                match count {
                    0 => tenant.unfinished().min(end)..end,
                    count => end.saturating_sub(count)..end,
                }
            }
            WorkerFact::Reads { .. } | WorkerFact::Left { .. } => return,
            WorkerFact::DeadLettered { records, .. } => match tenant.locate(&records, shard, judge) {
                Some(records) => records,
                None => return,
            },
        };
        pass_over((tenant, shard), records, how, judge);
    }
}

fn pass_over((tenant, shard): (&mut Tenant, &mut Shard), records: Range<usize>, how: PassedOver, judge: &mut Judge) {
    let (name, rare) = match (tenant.reason(&records, how, judge.rules.exhausted), how) {
        (Some(Reason::Operator), _) => ("by an operator", Rare::SkippedByOperator),
        (Some(Reason::Handler), PassedOver::Skipped) => ("by a handler", Rare::SkippedByHandler),
        (Some(Reason::Policy), PassedOver::Skipped) => ("by the policy", Rare::SkippedByPolicy),
        (Some(Reason::Handler | Reason::Policy), PassedOver::DeadLettered) => ("to the sink", Rare::DeadLettered),
        (None, _) => {
            let (ownership, policy) = (&tenant.ownership, judge.rules.exhausted);
            let (first, end, count) = (
                shard.place_of(records.start),
                shard.place_of(records.end),
                records.len(),
            );
            judge.broken(
                Rule::NothingSkipped,
                format_args!(
                    "{ownership} passed over {count} records ({how:?}) from {first} to before {end}: not all of them failed \
                     in the last call, or neither the policy ({policy:?}) nor handler or operator wants it"
                ),
            );
            return;
        }
    };
    judge.reached(rare);
    let count = shard.pass_over(records.clone());
    *judge.figures.passed_over.entry(name.to_owned()).or_default() += count as u64;
    tenant.passed_over(records);
}

/// Who wants records to be passed over.
enum Reason {
    Policy,
    Handler,
    Operator,
}

impl Tenant {
    /// The first record on which the handler failed and that was not processed since.
    fn unfinished(&self) -> usize {
        let last = self.last_failed.as_ref().map(|(batch, _)| batch.start);
        let first = self.failed.as_ref().map(|failed| failed.start);
        first.or(last).unwrap_or(usize::MAX)
    }

    /// Why the records may be passed over; `None` if they may not.
    fn reason(&self, records: &Range<usize>, how: PassedOver, exhausted: Exhausted) -> Option<Reason> {
        let skip_is_wanted = self.remedy == Some(Remedy::Skip);
        let asks = match (&self.last_failed, self.keyed.failure(records.start)) {
            (_, Some(asks)) if records.len() == 1 => asks,
            _ if records.len() == 1 && self.named.contains_key(&records.start) => {
                self.named.get(&records.start).copied().flatten()
            }
            (Some((batch, _)), _) if skip_is_wanted && records.end == batch.end => return Some(Reason::Operator),
            (Some((batch, asks)), _) if batch.start <= records.start && records.end <= batch.end => *asks,
            (Some(_) | None, _) => return None,
        };
        match (asks, how) {
            _ if skip_is_wanted => return Some(Reason::Operator),
            (Some(Asks::Skip), PassedOver::Skipped) | (Some(Asks::DeadLetter), PassedOver::DeadLettered)
                if records.len() == 1 || matches!(exhausted, Exhausted::WholeBatches(_)) =>
            {
                return Some(Reason::Handler);
            }
            _ => {}
        }
        let by_policy = match exhausted {
            Exhausted::Halt => false,
            Exhausted::EachRecord(passed_over) => passed_over == how && records.len() == 1,
            Exhausted::WholeBatches(passed_over) => passed_over == how,
        };
        by_policy.then_some(Reason::Policy)
    }
}
