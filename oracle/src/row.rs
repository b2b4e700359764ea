//! Pure: reads a row of the lease table, as far as the rules are about it.

use serde_json::Value;

use super::fact::LeaseRow;
use super::name::Process;
use super::position::Position;
use testkit::dynamodb::Item;
use testkit::kinesis::{ShardId, Timestamp};

/// The attribute that is missing, or holds what it cannot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// The shard whose lease has this key; `None` if it is no lease.
pub(crate) fn shard(key: &Item) -> Option<ShardId> {
    key.get("leaseKey")?.get("S")?.as_str()?.parse().ok()
}

/// The attributes of a lease.
pub(crate) fn read(item: &Item) -> Result<LeaseRow, Unreadable> {
    let checkpoint = text(item, "checkpoint")?.ok_or(Unreadable("checkpoint"))?;
    let sub_sequence_number = number(item, "checkpointSubSequenceNumber")?.unwrap_or(0);
    Ok(LeaseRow {
        owner: text(item, "leaseOwner")?.map(Process::new),
        checkpoint_owner: text(item, "checkpointOwner")?.map(Process::new),
        counter: number(item, "leaseCounter")?.ok_or(Unreadable("leaseCounter"))?,
        checkpoint: Position::from_row(checkpoint, sub_sequence_number).map_err(|_| Unreadable("checkpoint"))?,
        pending: pending(item)?,
        parents: parents(item).ok_or(Unreadable("parentShardId"))?,
        stream_created: number(item, "streamCreated")?.map(Timestamp::from_millis),
    })
}

fn pending(item: &Item) -> Result<Option<Position>, Unreadable> {
    const NAMES: [&str; 2] = ["pendingCheckpoint", "pendingCheckpointSubSequenceNumber"];
    let Some(pending) = text(item, NAMES[0])? else {
        return Ok(None);
    };
    let sub_sequence_number = number(item, NAMES[1])?.unwrap_or(0);
    let position = Position::from_row(pending, sub_sequence_number);
    position.map(Some).map_err(|_| Unreadable(NAMES[0]))
}

fn parents(item: &Item) -> Option<Vec<ShardId>> {
    let Some(value) = item.get("parentShardId") else {
        return Some(Vec::new());
    };
    let ids = value.get("SS")?.as_array()?;
    ids.iter().map(|id| id.as_str()?.parse().ok()).collect()
}

fn number(item: &Item, name: &'static str) -> Result<Option<u64>, Unreadable> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    let digits = value.get("N").and_then(Value::as_str);
    let number = digits.and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or(Unreadable(name))
}

fn text<'a>(item: &'a Item, name: &'static str) -> Result<Option<&'a str>, Unreadable> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    let text = value.get("S").and_then(Value::as_str);
    text.map(Some).ok_or(Unreadable(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_with(name: &str, value: Option<Value>) -> Result<LeaseRow, Unreadable> {
        let row = json!({
            "checkpoint": {"S": "17"},
            "checkpointSubSequenceNumber": {"N": "3"},
            "leaseCounter": {"N": "5"},
            "leaseOwner": {"S": "a"},
            "parentShardId": {"SS": ["shardId-000000000000"]},
        });
        let mut item: Item = serde_json::from_value(row).unwrap();
        match value {
            Some(value) => drop(item.insert(name.to_owned(), value)),
            None => drop(item.remove(name)),
        }
        read(&item)
    }

    #[test]
    fn a_row_is_read_without_what_it_need_not_have() {
        assert_eq!(read_with("leaseOwner", None).unwrap().owner, None);
        assert_eq!(read_with("parentShardId", None).unwrap().parents, []);
        let whole = read_with("leaseOwner", Some(json!({"S": "b"}))).unwrap();
        assert_eq!(whole.owner, Some(Process::new("b")));
        assert_eq!((whole.counter, whole.checkpoint_owner), (5, None));
        assert_eq!(whole.checkpoint, Position::from_row("17", 3).unwrap());
        assert_eq!(whole.parents, [ShardId::new(0).unwrap()]);
        assert_eq!(whole.stream_created, None);
        let named = read_with("streamCreated", Some(json!({"N": "1767225600123"}))).unwrap();
        assert_eq!(named.stream_created, Some(Timestamp::from_millis(1_767_225_600_123)));
    }

    #[test]
    fn an_attribute_that_is_missing_or_holds_what_it_cannot_is_named() {
        for (name, value) in [
            ("checkpoint", None),
            ("checkpoint", Some(json!({"S": "latest"}))),
            ("checkpointSubSequenceNumber", Some(json!({"N": "-1"}))),
            ("leaseCounter", None),
            ("leaseCounter", Some(json!({"S": "5"}))),
            ("leaseOwner", Some(json!({"NULL": true}))),
            ("checkpointOwner", Some(json!({"N": "1"}))),
            ("streamCreated", Some(json!({"S": "yesterday"}))),
            ("parentShardId", Some(json!({"SS": ["first"]}))),
            ("parentShardId", Some(json!({"S": "shardId-000000000000"}))),
        ] {
            assert_eq!(read_with(name, value.clone()), Err(Unreadable(name)), "{value:?}");
        }
    }
}
