//! Pure: whether each shard that is open, or not read to its end, is looked after (C4).

use super::fleet::Fleet;
use super::judge::Judge;
use super::leases::Leases;
use super::position::Position;
use super::rules::Rule;
use super::shard::{Life, Shard};
use super::stream::Stream;
use testkit::kinesis::ShardId;

/// Judges the end of a run: without a living worker there is nobody to blame.
pub(crate) fn check(stream: &Stream, leases: &Leases, fleet: &Fleet, judge: &mut Judge) {
    if !fleet.anyone_lives() || stream.is_told() {
        return;
    }
    for (shard, stored) in stream
        .shards()
        .filter(|(id, stored)| is_unfinished(*id, stored, leases))
    {
        if waits(shard, stream, leases) || is_owned(shard, leases, fleet) {
            continue;
        }
        let Some(row) = leases.present_row(shard) else {
            judge.broken(
                Rule::Coverage,
                format_args!("{shard} is open and has no lease; no parent is left to wait for"),
            );
            continue;
        };
        let owner = row.reader().map_or("nobody".to_owned(), ToString::to_string);
        judge.broken(
            Rule::Coverage,
            format_args!(
                "{shard} is {} at {} and owned by {owner}, which is no living worker; no parent is left to wait for",
                if stored.life == Life::Open { "open" } else { "closed" },
                row.checkpoint
            ),
        );
    }
}

/// Whether somebody has to own the shard's lease: it is open, or was not read to its end.
pub(crate) fn is_unfinished(id: ShardId, shard: &Shard, leases: &Leases) -> bool {
    shard.life == Life::Open || is_to_be_ended(id, shard, leases)
}

/// Whether the shard is closed, and its lease does not say so yet. Its children wait for that.
pub(crate) fn is_to_be_ended(id: ShardId, shard: &Shard, leases: &Leases) -> bool {
    shard.life != Life::Open && is_before_its_end(id, leases)
}

/// Whether a parent that the shard's lease names, or would, was not read to its end, or waits itself.
pub(crate) fn waits(id: ShardId, stream: &Stream, leases: &Leases) -> bool {
    let named = match (leases.present_row(id), stream.get(id)) {
        (Some(row), _) => &row.parents,
        (None, Some(shard)) => &shard.parents,
        (None, None) => return false,
    };
    named.iter().any(|parent| match leases.present_row(*parent) {
        Some(row) => row.checkpoint != Position::ShardEnd,
        None => waits(*parent, stream, leases),
    })
}

/// Whether a living worker owns the lease of each open shard.
pub(crate) fn is_complete(stream: &Stream, leases: &Leases, fleet: &Fleet) -> bool {
    let mut open = stream.shards().filter(|(_, shard)| shard.life == Life::Open);
    stream.is_told() || open.all(|(shard, _)| is_owned(shard, leases, fleet))
}

/// Whether a living worker owns the lease of any shard.
pub(crate) fn is_anything_owned(stream: &Stream, leases: &Leases, fleet: &Fleet) -> bool {
    stream.shards().any(|(shard, _)| is_owned(shard, leases, fleet))
}

/// Whether a living worker owns the shard's lease.
pub(crate) fn is_owned(shard: ShardId, leases: &Leases, fleet: &Fleet) -> bool {
    let row = leases.present_row(shard);
    row.and_then(|row| row.reader()).is_some_and(|owner| fleet.lives(owner))
}

fn is_before_its_end(shard: ShardId, leases: &Leases) -> bool {
    leases
        .present_row(shard)
        .is_some_and(|row| row.checkpoint != Position::ShardEnd)
}
