//! Pure: the DynamoDB expressions of each write of a lease row.
//!
//! They mean the same as the Java KCL's older request form, on the same attributes; see the table in
//! [`write`](crate::lease::write).

use std::collections::BTreeSet;
#[expect(clippy::disallowed_types, reason = "the SDK's type for items; never iterated")]
use std::collections::HashMap;

use aggregation::HashKeyRange;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::checkpoint::position::Position;
use crate::lease::item::{self, attribute};
use crate::lease::model::{IdlePosition, Lease, OwnAttributes, PendingCheckpoint, WorkerId};
use crate::lease::write::{CounterCondition, LeaseWrite, OwnerWrite, Then, is_switch, raised_token_base};
use crate::stream::ShardId;

/// The expressions of one `UpdateItem`, `DeleteItem` or `PutItem`.
#[derive(Debug)]
pub(crate) struct UpdateExpression {
    /// Empty for a delete or a put.
    pub(crate) update: String,
    pub(crate) condition: String,
    #[expect(clippy::disallowed_types, reason = "the SDK's type for items; never iterated")]
    /// `None` if there are none: the service refuses an empty map.
    pub(crate) values: Option<HashMap<String, AttributeValue>>,
}

/// An expression that grows.
#[derive(Debug, Default)]
struct Clauses {
    condition: Vec<String>,
    set: Vec<String>,
    remove: Vec<&'static str>,
    add: Vec<String>,
    values: Vec<(String, AttributeValue)>,
}

impl UpdateExpression {
    /// The expressions that make `write`.
    pub(crate) fn of(write: &LeaseWrite) -> Self {
        let mut clauses = Clauses::default();
        match write {
            LeaseWrite::Owner(write) => clauses.owner(write),
            LeaseWrite::Take { seen, by, own } => clauses.take(seen, by, own),
            LeaseWrite::Adopt { seen, own } => clauses.adopt(seen, own),
            LeaseWrite::Assign { seen, to, counter } => clauses.assign(seen, to, *counter),
            LeaseWrite::OfferHandOff { from, to, .. } => clauses.offer(from, to),
            LeaseWrite::MakeAgain { .. } => clauses.is_absent(),
            LeaseWrite::SetChildren { children, .. } => {
                clauses.exists();
                clauses.children(children);
            }
            LeaseWrite::SetRange { range, .. } => {
                clauses.exists();
                clauses.range(*range);
            }
            LeaseWrite::Delete { seen } => {
                clauses.counter_as_seen(seen);
                let end = AttributeValue::S(Position::ShardEnd.checkpoint_text().to_owned());
                clauses.equals(attribute::CHECKPOINT[0], ":end", end);
            }
            LeaseWrite::Replace { seen, with } => {
                clauses.of_stream_as_seen(seen);
                clauses.replace(seen, with);
            }
            LeaseWrite::Discard { seen } => clauses.of_stream_as_seen(seen),
        }
        clauses.finish()
    }
}

impl Clauses {
    fn owner(&mut self, write: &OwnerWrite) {
        let seen = &write.seen;
        self.counter_as_seen(seen);
        // An owner that is asked to hand over must not go on as if nothing had happened.
        if seen.checkpoint_owner.is_none() {
            self.absent_as_seen(seen, attribute::CHECKPOINT_OWNER);
        }
        self.raise_counter(seen);
        if let Some(position) = &write.checkpoint {
            self.position(attribute::CHECKPOINT, position);
            self.set(attribute::OWNER_SWITCHES, ":zero", number(0));
        }
        match (&write.pending, &write.checkpoint) {
            (Some(pending), _) => self.pending(pending),
            (None, Some(_)) => {
                self.remove.extend(attribute::PENDING_CHECKPOINT);
                self.remove.push(attribute::PENDING_STATE);
            }
            (None, None) => {}
        }
        if let Some(children) = &write.children {
            self.children(children);
        }
        self.own(&write.own);
        if let Some(IdlePosition { at, checkpoint }) = &write.idle {
            self.position(attribute::IDLE_CHECKPOINT, checkpoint);
            self.set(attribute::IDLE_AT, ":idleAt", number(*at));
        }
        match write.then {
            Then::Keep => {}
            Then::Release => self
                .remove
                .extend([attribute::LEASE_OWNER, attribute::CHECKPOINT_OWNER]),
            Then::HandOver => self.remove.push(attribute::CHECKPOINT_OWNER),
        }
        #[cfg(feature = "_simulation")]
        if crate::planted_bugs::PlantedBug::CheckpointWithoutCounter.is_planted() && write.checkpoint.is_some() {
            self.condition.clear();
            self.values
                .retain(|(name, _)| name != ":seen" && name != ":checkpointOwnerAsSeen");
            self.exists();
        }
    }

    fn take(&mut self, seen: &Lease, by: &WorkerId, own: &OwnAttributes) {
        self.counter_as_seen(seen);
        self.raise_counter(seen);
        self.new_owner(seen, by);
        self.raise_token_base(seen, own);
    }

    fn adopt(&mut self, seen: &Lease, own: &OwnAttributes) {
        self.counter_as_seen(seen);
        #[cfg(feature = "_simulation")]
        let is_bound = !crate::planted_bugs::PlantedBug::BeginBeforeHandOver.is_planted();
        #[cfg(not(feature = "_simulation"))]
        let is_bound = true;
        if is_bound {
            self.absent_as_seen(seen, attribute::CHECKPOINT_OWNER);
        }
        self.raise_counter(seen);
        self.raise_token_base(seen, own);
    }

    fn raise_token_base(&mut self, seen: &Lease, own: &OwnAttributes) {
        match raised_token_base(seen) {
            Some(base) => {
                self.set(attribute::TOKEN_BASE, ":raised", number(base));
                self.own(&OwnAttributes {
                    token_base: None,
                    ..own.clone()
                });
            }
            None => self.own(own),
        }
    }

    fn replace(&mut self, seen: &Lease, with: &Lease) {
        self.raise_counter(seen);
        self.set(attribute::OWNER_SWITCHES, ":zero", number(0));
        if let Some(checkpoint) = &with.checkpoint {
            self.position(attribute::CHECKPOINT, checkpoint);
        }
        let stream = OwnAttributes::of(&with.own.stream);
        for (name, value) in item::own_attributes(&stream) {
            self.set(&name, &format!(":{name}"), value);
        }
        match with.parents.is_empty() {
            true => self.remove.push(attribute::PARENT_SHARDS),
            false => self.set(attribute::PARENT_SHARDS, ":parents", item::shard_ids(&with.parents)),
        }
        match with.range {
            Some(range) => self.range(range),
            None => self
                .remove
                .extend([attribute::STARTING_HASH_KEY, attribute::ENDING_HASH_KEY]),
        }
        self.remove.extend(attribute::PENDING_CHECKPOINT);
        self.remove.extend(attribute::IDLE_CHECKPOINT);
        self.remove.extend([
            attribute::LEASE_OWNER,
            attribute::CHECKPOINT_OWNER,
            attribute::PENDING_STATE,
            attribute::PARENT_SHARDS_OF_OTHERS,
            attribute::CHILD_SHARDS,
            attribute::IDLE_AT,
        ]);
    }

    /// The row is still of the stream that it was of, and unchanged. Its counter alone does not say the former: a row that was
    /// deleted and created again counts anew.
    fn of_stream_as_seen(&mut self, seen: &Lease) {
        self.counter_as_seen(seen);
        for (name, value) in item::own_attributes(&OwnAttributes::of(&seen.own.stream)) {
            self.equals(&name, &format!(":{name}AsSeen"), value);
        }
    }

    fn assign(&mut self, seen: &Lease, to: &WorkerId, counter: CounterCondition) {
        self.exists();
        self.owner_as_seen(seen, attribute::LEASE_OWNER, seen.owner.as_ref());
        self.owner_as_seen(seen, attribute::CHECKPOINT_OWNER, seen.checkpoint_owner.as_ref());
        match counter {
            CounterCondition::AsSeen => self.counter_as_seen(seen),
            CounterCondition::Any => {}
        }
        self.add(attribute::LEASE_COUNTER);
        self.new_owner(seen, to);
    }

    fn offer(&mut self, from: &WorkerId, to: &WorkerId) {
        self.exists();
        self.equals(attribute::LEASE_OWNER, ":from", worker(from));
        self.condition
            .push(format!("attribute_not_exists({})", attribute::CHECKPOINT_OWNER));
        self.set(attribute::LEASE_OWNER, ":to", worker(to));
        self.set.push(format!("{} = :from", attribute::CHECKPOINT_OWNER));
    }

    fn new_owner(&mut self, seen: &Lease, next: &WorkerId) {
        self.set(attribute::LEASE_OWNER, ":next_owner", worker(next));
        self.remove.push(attribute::CHECKPOINT_OWNER);
        if is_switch(seen, next) {
            self.add(attribute::OWNER_SWITCHES);
        }
    }

    fn position(&mut self, [text, sub]: [&'static str; 2], position: &Position) {
        let digits = AttributeValue::S(position.checkpoint_text().to_owned());
        self.set(text, &format!(":{text}"), digits);
        self.set(sub, &format!(":{sub}"), number(position.sub_sequence_number()));
    }

    fn pending(&mut self, pending: &PendingCheckpoint) {
        self.position(attribute::PENDING_CHECKPOINT, &pending.position);
        match &pending.state {
            Some(state) => self.set(attribute::PENDING_STATE, ":state", item::bytes(state)),
            None => self.remove.push(attribute::PENDING_STATE),
        }
    }

    /// DynamoDB knows no empty set.
    fn children(&mut self, children: &BTreeSet<ShardId>) {
        if children.is_empty() {
            self.remove.push(attribute::CHILD_SHARDS);
        } else {
            self.set(attribute::CHILD_SHARDS, ":children", item::shard_ids(children));
        }
    }

    /// The range of a single key is removed, because the Java KCL cannot read it.
    fn range(&mut self, range: HashKeyRange) {
        if item::is_written(range) {
            let key = |key: aggregation::HashKey| AttributeValue::S(key.to_string());
            self.set(attribute::STARTING_HASH_KEY, ":start", key(range.start()));
            self.set(attribute::ENDING_HASH_KEY, ":ending", key(range.end()));
        } else {
            self.remove
                .extend([attribute::STARTING_HASH_KEY, attribute::ENDING_HASH_KEY]);
        }
    }

    fn own(&mut self, own: &OwnAttributes) {
        for (name, value) in item::own_attributes(own) {
            self.set.push(format!("{name} = if_not_exists({name}, :{name})"));
            self.values.push((format!(":{name}"), value));
        }
    }

    fn exists(&mut self) {
        self.condition
            .push(format!("attribute_exists({})", attribute::LEASE_KEY));
    }

    fn is_absent(&mut self) {
        self.condition
            .push(format!("attribute_not_exists({})", attribute::LEASE_KEY));
    }

    fn counter_as_seen(&mut self, seen: &Lease) {
        self.equals(attribute::LEASE_COUNTER, ":seen", number(seen.counter));
    }

    fn owner_as_seen(&mut self, seen: &Lease, name: &'static str, owner: Option<&WorkerId>) {
        match owner {
            Some(owner) => self.equals(name, &format!(":{name}AsSeen"), worker(owner)),
            None => self.absent_as_seen(seen, name),
        }
    }

    /// An attribute that counts as absent may be there nevertheless, as NULL.
    fn absent_as_seen(&mut self, seen: &Lease, name: &'static str) {
        match seen.others.get(name) {
            Some(value) => self.equals(name, &format!(":{name}AsSeen"), value.clone()),
            None => self.condition.push(format!("attribute_not_exists({name})")),
        }
    }

    fn raise_counter(&mut self, seen: &Lease) {
        self.set(
            attribute::LEASE_COUNTER,
            ":next",
            number(seen.counter.saturating_add(1)),
        );
    }

    fn equals(&mut self, name: &str, placeholder: &str, value: AttributeValue) {
        self.condition.push(format!("{name} = {placeholder}"));
        self.values.push((placeholder.to_owned(), value));
    }

    fn set(&mut self, name: &str, placeholder: &str, value: AttributeValue) {
        self.set.push(format!("{name} = {placeholder}"));
        self.values.push((placeholder.to_owned(), value));
    }

    fn add(&mut self, name: &str) {
        self.add.push(format!("{name} :one"));
        self.values.push((":one".to_owned(), number(1)));
    }

    fn finish(self) -> UpdateExpression {
        let clause = |word: &str, parts: String| (!parts.is_empty()).then(|| format!("{word} {parts}"));
        let clauses = [
            clause("SET", self.set.join(", ")),
            clause("REMOVE", self.remove.join(", ")),
            clause("ADD", self.add.join(", ")),
        ];
        UpdateExpression {
            update: clauses.into_iter().flatten().collect::<Vec<_>>().join(" "),
            condition: self.condition.join(" AND "),
            values: (!self.values.is_empty()).then(|| self.values.into_iter().collect()),
        }
    }
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn worker(id: &WorkerId) -> AttributeValue {
    AttributeValue::S(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(owner: Option<&str>) -> Lease {
        let mut lease = Lease::of_orders("shardId-000000000000", Position::TrimHorizon);
        (lease.owner, lease.counter) = (owner.map(WorkerId::new), 41);
        lease
    }

    fn owner_write() -> OwnerWrite {
        OwnerWrite::renewal(lease(Some("me")))
    }

    fn take(owner: Option<&str>) -> UpdateExpression {
        UpdateExpression::of(&LeaseWrite::Take {
            seen: lease(owner),
            by: WorkerId::new("me"),
            own: OwnAttributes::default(),
        })
    }

    fn value<'a>(expression: &'a UpdateExpression, name: &str) -> &'a AttributeValue {
        &expression.values.as_ref().unwrap()[name]
    }

    #[test]
    fn every_write_of_an_owner_raises_the_counter_and_names_the_one_that_was_seen() {
        let renewal = owner_write();
        let checkpoint = OwnerWrite {
            checkpoint: Some(Position::ShardEnd),
            ..owner_write()
        };
        let release = OwnerWrite {
            then: Then::Release,
            ..owner_write()
        };
        for write in [renewal, checkpoint, release] {
            let expression = UpdateExpression::of(&LeaseWrite::Owner(write));
            assert!(expression.condition.starts_with("leaseCounter = :seen"));
            assert!(expression.update.starts_with("SET leaseCounter = :next"));
            assert_eq!(value(&expression, ":seen"), &AttributeValue::N("41".into()));
            assert_eq!(value(&expression, ":next"), &AttributeValue::N("42".into()));
        }
    }

    #[test]
    fn a_release_carries_the_checkpoint_and_the_children() {
        let children = BTreeSet::from([ShardId::new("child")]);
        let expression = UpdateExpression::of(&LeaseWrite::Owner(OwnerWrite {
            checkpoint: Some(Position::ShardEnd),
            children: Some(children),
            then: Then::Release,
            ..owner_write()
        }));
        assert_eq!(
            expression.update,
            "SET leaseCounter = :next, checkpoint = :checkpoint, \
             checkpointSubSequenceNumber = :checkpointSubSequenceNumber, ownerSwitchesSinceCheckpoint = :zero, \
             childShardIds = :children REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, \
             pendingCheckpointState, leaseOwner, checkpointOwner"
        );
    }

    #[test]
    fn an_owner_that_saw_the_offer_of_a_hand_off_is_bound_to_the_counter_alone() {
        let mut write = owner_write();
        write.seen.checkpoint_owner = Some(WorkerId::new("me"));
        write.then = Then::HandOver;
        let expression = UpdateExpression::of(&LeaseWrite::Owner(write));
        assert_eq!(expression.condition, "leaseCounter = :seen");
        assert_eq!(expression.update, "SET leaseCounter = :next REMOVE checkpointOwner");
    }

    #[test]
    fn an_owner_attribute_that_is_null_is_expected_as_it_was_seen() {
        let mut write = owner_write();
        let null = ("checkpointOwner".to_owned(), AttributeValue::Null(true));
        write.seen.others = [null].into_iter().collect();
        let expression = UpdateExpression::of(&LeaseWrite::Owner(write));
        assert_eq!(
            expression.condition,
            "leaseCounter = :seen AND checkpointOwner = :checkpointOwnerAsSeen"
        );
        assert_eq!(
            value(&expression, ":checkpointOwnerAsSeen"),
            &AttributeValue::Null(true)
        );
    }

    #[test]
    fn taking_from_another_owner_counts_as_a_switch() {
        assert!(take(Some("other")).update.contains("ADD ownerSwitches"));
        assert!(!take(Some("me")).update.contains("ADD"));
        assert!(!take(None).update.contains("ADD"));
    }
}
