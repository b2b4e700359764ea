//! Pure: the DynamoDB expressions of each change to a lease row.
//!
//! They mean the same as the Java KCL's older request form, on the same attributes.

#[expect(clippy::disallowed_types, reason = "the SDK's type for items; never iterated")]
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::lease::model::Lease;
use crate::lease::table::Change;

/// The expressions of one `UpdateItem`.
#[derive(Debug)]
pub(crate) struct UpdateExpression {
    pub(crate) update: String,
    pub(crate) condition: String,
    #[expect(clippy::disallowed_types, reason = "the SDK's type for items; never iterated")]
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl UpdateExpression {
    /// What makes `change` on top of the row `seen`.
    pub(crate) fn of(seen: &Lease, change: &Change) -> Self {
        let number = |value: u64| AttributeValue::N(value.to_string());
        let mut values = vec![
            (":seen", number(seen.counter)),
            (":next", number(seen.counter.saturating_add(1))),
        ];
        let mut condition = "leaseCounter = :seen".to_owned();
        let mut update = "SET leaseCounter = :next".to_owned();
        match change {
            Change::Take(worker) => {
                update += ", leaseOwner = :owner REMOVE checkpointOwner";
                values.push((":owner", AttributeValue::S(worker.to_string())));
                let from_another = seen.owner.as_ref().is_some_and(|owner| owner != worker);
                if from_another || seen.checkpoint_owner.as_ref() == Some(worker) {
                    update += " ADD ownerSwitchesSinceCheckpoint :one";
                    values.push((":one", number(1)));
                }
            }
            // An owner that a hand-off has replaced must not go on as if nothing had happened.
            Change::Renew => condition += " AND attribute_not_exists(checkpointOwner)",
            Change::Checkpoint(position) => {
                update += ", checkpoint = :checkpoint, checkpointSubSequenceNumber = :sub, \
                           ownerSwitchesSinceCheckpoint = :zero \
                           REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState";
                values.push((":checkpoint", AttributeValue::S(position.checkpoint_text().to_owned())));
                values.push((":sub", number(position.sub_sequence_number())));
                values.push((":zero", number(0)));
            }
            Change::Release => update += " REMOVE leaseOwner, checkpointOwner",
        }
        #[cfg(feature = "planted-bugs")]
        if crate::planted_bugs::PlantedBug::CheckpointWithoutCounter.is_planted()
            && matches!(change, Change::Checkpoint(_))
        {
            values.retain(|(name, _)| *name != ":seen");
            condition = "attribute_exists(leaseKey)".to_owned();
        }
        let values = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self {
            update,
            condition,
            values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::position::Position;
    use crate::lease::model::{LeaseKey, WorkerId};

    fn lease(owner: Option<&str>) -> Lease {
        let mut lease = Lease::new(LeaseKey::new("shardId-000000000000"), Position::TrimHorizon);
        (lease.owner, lease.counter) = (owner.map(WorkerId::new), 41);
        lease
    }

    #[test]
    fn every_change_raises_the_counter_and_names_the_one_that_was_seen() {
        let changes = [
            Change::Take(WorkerId::new("w")),
            Change::Renew,
            Change::Checkpoint(Position::ShardEnd),
            Change::Release,
        ];
        for change in changes {
            let expression = UpdateExpression::of(&lease(None), &change);
            assert!(expression.condition.starts_with("leaseCounter = :seen"));
            assert!(expression.update.starts_with("SET leaseCounter = :next"));
            assert_eq!(expression.values[":seen"], AttributeValue::N("41".into()));
            assert_eq!(expression.values[":next"], AttributeValue::N("42".into()));
        }
    }

    #[test]
    fn taking_from_another_owner_counts_as_a_switch() {
        let take = Change::Take(WorkerId::new("me"));
        assert!(
            UpdateExpression::of(&lease(Some("other")), &take)
                .update
                .contains("ADD ownerSwitches")
        );
        assert!(!UpdateExpression::of(&lease(Some("me")), &take).update.contains("ADD"));
        assert!(!UpdateExpression::of(&lease(None), &take).update.contains("ADD"));
    }
}
