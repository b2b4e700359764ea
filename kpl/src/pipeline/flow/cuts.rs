//! Pure: requests and aggregates in parts that pass whatever is between the producer and the service.

use crate::budget::Cargo;
use crate::lanes::aggregate::SealedAggregate;
use crate::pipeline::accounts::Accounts;
use crate::pipeline::flow::ceiling::{Ceiling, body_size};

/// The aggregates in parts, each of a size that passes or of one aggregate, in their order.
pub(crate) fn parts_that_pass(aggregates: Vec<SealedAggregate>, ceiling: &Ceiling) -> Vec<Vec<SealedAggregate>> {
    let mut parts = Vec::new();
    let (mut part, mut cargo) = (Vec::new(), Cargo::default());
    for aggregate in aggregates {
        let with = cargo.plus(aggregate.cargo());
        if !part.is_empty() && !ceiling.knows_to_pass(body_size(with)) {
            parts.push(std::mem::take(&mut part));
            cargo = Cargo::default();
        }
        cargo = cargo.plus(aggregate.cargo());
        part.push(aggregate);
    }
    parts.extend((!part.is_empty()).then_some(part));
    parts
}

/// Whether an aggregate of several records is larger than a request that passes.
pub(crate) fn must_be_halved(aggregate: &SealedAggregate, ceiling: &Ceiling) -> bool {
    aggregate.record.user_records > 1 && !ceiling.knows_to_pass(body_size(aggregate.cargo()))
}

/// The aggregate in parts that are no larger than a request that passes, as far as a part has several records.
pub(crate) fn passing(aggregate: SealedAggregate, ceiling: &Ceiling, accounts: &mut Accounts) -> Vec<SealedAggregate> {
    if !must_be_halved(&aggregate, ceiling) {
        return vec![aggregate];
    }
    let halves = halves(aggregate, accounts).into_iter();
    halves.flat_map(|half| passing(half, ceiling, accounts)).collect()
}

/// Two aggregates with half of the records each. They hold no shard.
pub(crate) fn halves(mut aggregate: SealedAggregate, accounts: &mut Accounts) -> Vec<SealedAggregate> {
    let generation = aggregate.generation;
    accounts.release(&mut aggregate);
    let halves = aggregate.halved();
    accounts.split(generation, halves.len());
    halves
}
