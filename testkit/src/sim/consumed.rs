//! Pure: what a consumer is done with, by its lease table.

use std::collections::BTreeMap;

use super::stream::UserRecord;
use crate::dynamodb::Item;
use crate::kinesis::SequenceNumber;

/// How far a consumer is in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checkpoint {
    /// Up to this record, which is done too.
    At(SequenceNumber, u64),
    /// The shard has ended.
    ShardEnd,
}

/// The checkpoints of a lease table, in the rows of the KCL.
#[derive(Debug, Default)]
pub(super) struct Checkpoints(BTreeMap<String, Checkpoint>);

impl Checkpoints {
    /// Those of these rows. A row without a place in its shard, as one at `TRIM_HORIZON`, has none.
    pub(super) fn of(rows: &[Item]) -> Self {
        let text = |row: &Item, name: &str, kind: &str| Some(row.get(name)?.get(kind)?.as_str()?.to_owned());
        let read = |row: &Item| {
            let checkpoint = text(row, "checkpoint", "S")?;
            let sub_sequence_number = text(row, "checkpointSubSequenceNumber", "N");
            let sub_sequence_number = sub_sequence_number.and_then(|number| number.parse().ok()).unwrap_or(0);
            let checkpoint = match checkpoint.as_str() {
                "SHARD_END" => Checkpoint::ShardEnd,
                number => Checkpoint::At(number.parse().ok()?, sub_sequence_number),
            };
            Some((text(row, "leaseKey", "S")?, checkpoint))
        };
        Self(rows.iter().filter_map(read).collect())
    }

    /// Whether a record lies at or before the checkpoint of its shard.
    pub(super) fn cover(&self, record: &UserRecord) -> bool {
        let place = || Some((record.sequence_number.parse().ok()?, record.sub_sequence_number));
        match self.0.get(&record.shard.to_string()) {
            None => false,
            Some(Checkpoint::ShardEnd) => true,
            Some(Checkpoint::At(number, sub)) => place().is_some_and(|place| place <= (*number, *sub)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinesis::ShardId;

    fn row(checkpoint: &str, sub: u64) -> Item {
        let row = json!({
            "leaseKey": { "S": "shardId-000000000000" },
            "checkpoint": { "S": checkpoint },
            "checkpointSubSequenceNumber": { "N": sub.to_string() },
        });
        row.as_object().cloned().unwrap()
    }

    fn record(sequence_number: &str, sub_sequence_number: u64) -> UserRecord {
        UserRecord {
            shard: ShardId::FIRST,
            sequence_number: sequence_number.to_owned(),
            sub_sequence_number,
            partition_key: None,
            data: "x".into(),
        }
    }

    #[test]
    fn a_checkpoint_covers_what_lies_up_to_it_by_number_and_place_in_the_aggregate() {
        let checkpoints = Checkpoints::of(&[row("100", 2)]);
        for (record, covered) in [
            (record("99", 7), true),
            (record("100", 2), true),
            (record("100", 3), false),
            (record("101", 0), false),
        ] {
            assert_eq!(checkpoints.cover(&record), covered, "{record:?}");
        }
    }

    #[test]
    fn the_end_covers_all_and_a_start_or_no_row_nothing() {
        let any = record("100", 0);
        assert!(Checkpoints::of(&[row("SHARD_END", 0)]).cover(&any));
        assert!(!Checkpoints::of(&[row("TRIM_HORIZON", 0)]).cover(&any));
        assert!(!Checkpoints::of(&[]).cover(&any));
    }
}
