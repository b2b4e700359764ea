//! Pure: whether an ownership may begin a delivery now (C2, C3).

use std::cmp::Ordering;

use super::departure::Tenure;
use super::evidence::Evidence;
use super::fact::{ConsumerFact, LeaseClaim};
use super::judge::{Judge, Seconds};
use super::leases::Leases;
use super::name::Ownership;
use super::position::Position;
use super::rare::Rare;
use super::rules::{Exception, Rule};

/// Whether the ownership may begin a delivery, while tokens have come to `largest`.
pub(crate) fn check(
    (ownership, deletions): (&Ownership, usize),
    claim: LeaseClaim,
    largest: u64,
    evidence: &Evidence,
    judge: &mut Judge,
) {
    check_lease((ownership, deletions), claim, &evidence.leases, judge);
    if largest > ownership.token && !is_made_anew((ownership, deletions), &evidence.leases, judge) {
        outranked(ownership, largest, &evidence.leases, judge);
    }
    check_parents((ownership, deletions), evidence, judge);
}

/// The token of an ownership that begins is larger than all before it (C3), also over a row that is deleted and made again.
pub(crate) fn check_new_token(ownership: &Ownership, largest: u64, leases: &Leases, judge: &mut Judge) {
    if largest >= ownership.token {
        outranked(ownership, largest, leases, judge);
    }
}

/// An ownership of a lease whose stream never had the shard is offered nothing (C1).
pub(crate) fn check_stranger(ownership: &Ownership, fact: &ConsumerFact, judge: &mut Judge) {
    if matches!(fact, ConsumerFact::Offered { .. }) {
        judge.broken(
            Rule::AtLeastOnce,
            format_args!("{ownership} was offered records, but the stream of its lease never had the shard"),
        );
    }
}

/// A new ownership begins at the row's checkpoint: further on it would skip records, before it repeat them for nothing.
pub(crate) fn check_beginning(ownership: &Ownership, checkpoint: Position, leases: &Leases, judge: &mut Judge) {
    let Some(row) = leases.row(ownership.shard) else {
        return;
    };
    let rule = match checkpoint.cmp(&row.checkpoint) {
        Ordering::Equal => return,
        Ordering::Greater => Rule::AtLeastOnce,
        Ordering::Less if row.reader() == Some(&ownership.worker) => Rule::Duplicate,
        // The row of a lease that was stolen meanwhile is the thief's.
        Ordering::Less => return,
    };
    judge.broken(
        rule,
        format_args!(
            "{ownership} begins behind {checkpoint}, but the checkpoint of its lease is {}",
            row.checkpoint
        ),
    );
}

/// A new owner finds what its predecessor has prepared and neither committed nor passed (C1).
pub(crate) fn check_pending(ownership: &Ownership, found: Option<Position>, leases: &Leases, judge: &mut Judge) {
    let row = leases.row(ownership.shard);
    // The row of a lease that was stolen meanwhile is the thief's.
    let Some(row) = row.filter(|row| row.reader() == Some(&ownership.worker)) else {
        return;
    };
    if row.pending != found {
        let text = |position: Option<Position>| position.map_or("none".to_owned(), |position| position.to_string());
        let (found, pending) = (text(found), text(row.pending));
        judge.broken(
            Rule::AtLeastOnce,
            format_args!("{ownership} was told of the prepared checkpoint {found}; its row has {pending}"),
        );
    }
    if found.is_some() {
        judge.reached(Rare::PendingFound);
    }
}

/// A checkpoint that is acknowledged is in the row, or was (C1).
pub(crate) fn check_acknowledgement(ownership: &Ownership, position: Position, leases: &Leases, judge: &mut Judge) {
    let reached = leases.reached(ownership.shard);
    if reached.is_none_or(|reached| reached < position) {
        let reached = reached.map_or("nowhere".to_owned(), |reached| reached.to_string());
        judge.broken(
            Rule::AtLeastOnce,
            format_args!("{ownership} was told that its checkpoint is {position}; its row came to {reached}"),
        );
    }
}

/// A handler at work, whose lease another worker could have, can tell by its guard (C3).
pub(crate) fn check_work(tenant: (&Ownership, usize), claim: LeaseClaim, leases: &Leases, judge: &mut Judge) {
    match claim {
        LeaseClaim::Lost => {}
        LeaseClaim::Held => check_tenure(
            tenant,
            "is at work, and its guard says that the lease is held",
            leases,
            judge,
        ),
    }
}

/// No other worker could have the lease: its guard says so, and the table does (C3).
fn check_lease(tenant: (&Ownership, usize), claim: LeaseClaim, leases: &Leases, judge: &mut Judge) {
    let (ownership, _) = tenant;
    match claim {
        LeaseClaim::Held => check_tenure(tenant, "was offered records", leases, judge),
        LeaseClaim::Lost => judge.broken(
            Rule::OneOwner,
            format_args!("{ownership} was offered records, though its own guard says that the lease is lost"),
        ),
    }
}

/// Whether another worker has made the lease one of a later stream, or deleted its row because of that stream, and the ownership
/// cannot know it yet. Nobody else delivers records of the stream that was deleted.
fn is_made_anew((ownership, deletions): (&Ownership, usize), leases: &Leases, judge: &Judge) -> bool {
    let departure = leases.departure(ownership.shard, &ownership.worker);
    let is_unnoticed = departure.is_some_and(|departure| judge.now <= departure.renewed_at + judge.rules.failover);
    let present = leases.deletions(ownership.shard).unwrap_or(leases.deletions);
    present > deletions && is_unnoticed
}

/// The table says that the ownership, which does `what`, has the lease.
fn check_tenure(tenant: (&Ownership, usize), what: &str, leases: &Leases, judge: &mut Judge) {
    let (ownership, _) = tenant;
    let failover = judge.rules.failover;
    match leases.tenure(ownership, judge) {
        Tenure::Held => {}
        Tenure::Overdue(renewed_at) => judge.broken(
            Rule::OneOwner,
            format_args!(
                "{ownership} {what}, but renewed its lease at {} last: others may take it {} later",
                Seconds(renewed_at),
                Seconds(failover)
            ),
        ),
        Tenure::Lost { .. } if is_made_anew(tenant, leases, judge) => {}
        Tenure::Lost {
            departure: Some(departure),
            ..
        } if departure.is_fresh_theft(judge.now, failover) && judge.excuses(Exception::StolenLeases) => {}
        Tenure::Lost {
            now_owned_by,
            departure,
        } => {
            let owner = now_owned_by.map_or("nobody".to_owned(), ToString::to_string);
            let how = departure.map_or("it never was its own".to_owned(), |departure| departure.to_string());
            judge.broken(
                Rule::OneOwner,
                format_args!("{ownership} {what}, but the lease is owned by {owner}: {how}"),
            );
        }
    }
}

/// The shard's parents were read to their ends (C2).
fn check_parents((ownership, deletions): (&Ownership, usize), evidence: &Evidence, judge: &mut Judge) {
    let Some(shard) = evidence.stream.of(deletions, ownership.shard) else {
        return;
    };
    for parent in &shard.parents {
        let row = evidence.leases.row_of(deletions, *parent);
        if let Some(row) = row.filter(|row| row.checkpoint != Position::ShardEnd) {
            judge.broken(
                Rule::ParentFirst,
                format_args!(
                    "{ownership} was offered records, but the checkpoint of its parent {parent} is {}",
                    row.checkpoint
                ),
            );
        } else if let Some(undone) = evidence
            .stream
            .of(deletions, *parent)
            .and_then(|parent| parent.first_undone())
        {
            judge.broken(
                Rule::ParentFirst,
                format_args!(
                    "{ownership} was offered records, but {} of its parent {parent} was not processed",
                    undone.place
                ),
            );
        }
    }
}

fn outranked(ownership: &Ownership, largest: u64, leases: &Leases, judge: &mut Judge) {
    let departure = leases.departure(ownership.shard, &ownership.worker);
    let stolen = departure.is_some_and(|departure| departure.is_fresh_theft(judge.now, judge.rules.failover));
    if stolen && judge.excuses(Exception::StolenLeases) {
        return;
    }
    judge.broken(
        Rule::OneOwner,
        format_args!("{ownership} begins or goes on, but an ownership with token {largest} had begun before"),
    );
}
