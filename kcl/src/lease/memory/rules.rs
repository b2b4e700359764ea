//! Pure: the conditions and the effects of the writes, on a lease in memory.

use crate::lease::model::{Lease, OwnAttributes, WorkerId};
use crate::lease::write::{CounterCondition, LeaseWrite, OwnerWrite, Then, is_switch, raised_token_base};
use crate::stream::Incarnation;

/// Whether the condition of `write` holds for `row`.
pub(super) fn holds(row: &Lease, write: &LeaseWrite) -> bool {
    match write {
        LeaseWrite::Owner(OwnerWrite { seen, .. }) => {
            row.counter == seen.counter && (seen.checkpoint_owner.is_some() || row.checkpoint_owner.is_none())
        }
        LeaseWrite::Take { seen, .. } => row.counter == seen.counter,
        LeaseWrite::Adopt { seen, .. } => row.counter == seen.counter && row.checkpoint_owner.is_none(),
        LeaseWrite::Assign { seen, counter, .. } => {
            let counter_holds = match counter {
                CounterCondition::AsSeen => row.counter == seen.counter,
                CounterCondition::Any => true,
            };
            counter_holds && row.owner == seen.owner && row.checkpoint_owner == seen.checkpoint_owner
        }
        LeaseWrite::OfferHandOff { from, .. } => row.owner.as_ref() == Some(from) && row.checkpoint_owner.is_none(),
        LeaseWrite::MakeAgain { .. } => false,
        LeaseWrite::SetChildren { .. } | LeaseWrite::SetRange { .. } => true,
        LeaseWrite::Delete { seen } => row.counter == seen.counter && row.is_finished(),
        LeaseWrite::Replace { seen, .. } | LeaseWrite::Discard { seen } => {
            row.counter == seen.counter && row.own.stream == seen.own.stream
        }
    }
}

/// What `write` makes of `row`. `None`: it deletes the row.
pub(super) fn apply(mut row: Lease, write: &LeaseWrite) -> Option<Lease> {
    match write {
        LeaseWrite::Owner(write) => of_owner(&mut row, write),
        LeaseWrite::Take { seen, by, own } => {
            give(&mut row, seen, by);
            raise_token_base(&mut row, seen, own);
        }
        LeaseWrite::Adopt { seen, own } => {
            row.counter += 1;
            raise_token_base(&mut row, seen, own);
        }
        LeaseWrite::Assign { seen, to, .. } => give(&mut row, seen, to),
        LeaseWrite::OfferHandOff { from, to, .. } => {
            row.owner = Some(to.clone());
            row.checkpoint_owner = Some(from.clone());
        }
        LeaseWrite::MakeAgain { lease } => row = lease.clone(),
        LeaseWrite::SetChildren { children, .. } => row.children.clone_from(children),
        LeaseWrite::SetRange { range, .. } => row.range = Some(*range),
        LeaseWrite::Delete { .. } | LeaseWrite::Discard { .. } => return None,
        LeaseWrite::Replace { with, .. } => {
            let (counter, token_base) = (row.counter + 1, row.own.token_base);
            let others = row.others;
            row = Lease {
                counter,
                others,
                ..with.clone()
            };
            row.own.token_base = token_base;
        }
    }
    Some(row)
}

fn of_owner(row: &mut Lease, write: &OwnerWrite) {
    row.counter += 1;
    if let Some(position) = &write.checkpoint {
        row.checkpoint = Some(position.clone());
        row.owner_switches = 0;
        row.pending = None;
    }
    if let Some(pending) = &write.pending {
        row.pending = Some(pending.clone());
    }
    if let Some(children) = &write.children {
        row.children.clone_from(children);
    }
    set_where_absent(&mut row.own, &write.own);
    if let Some(idle) = &write.idle {
        row.idle = Some(idle.clone());
    }
    match write.then {
        Then::Keep => {}
        Then::Release => (row.owner, row.checkpoint_owner) = (None, None),
        Then::HandOver => row.checkpoint_owner = None,
    }
}

fn give(row: &mut Lease, seen: &Lease, next: &WorkerId) {
    row.counter += 1;
    row.owner_switches += u64::from(is_switch(seen, next));
    row.owner = Some(next.clone());
    row.checkpoint_owner = None;
}

fn raise_token_base(row: &mut Lease, seen: &Lease, own: &OwnAttributes) {
    row.own.token_base = raised_token_base(seen).or(row.own.token_base);
    set_where_absent(&mut row.own, own);
}

fn set_where_absent(own: &mut OwnAttributes, wanted: &OwnAttributes) {
    let OwnAttributes { stream, token_base } = wanted.clone();
    let Incarnation { arn, created } = stream;
    own.stream.arn = own.stream.arn.take().or(arn);
    own.stream.created = own.stream.created.or(created);
    own.token_base = own.token_base.or(token_base);
}
