//! The calls to dynoxide, and the way its errors look on the wire.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::{Database, DynoxideError, storage_backend};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::request::Fields;
use crate::dispatch::Refusal;

/// One database of dynoxide, in memory.
pub(super) struct Engine {
    database: Database,
    clock: Arc<CallClock>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// A database without tables.
    #[expect(
        clippy::expect_used,
        reason = "opening SQLite in memory touches no file; it fails only when memory is exhausted"
    )]
    pub(super) fn new() -> Self {
        let clock = Arc::new(CallClock::default());
        let shared: Arc<dyn storage_backend::Clock> = Arc::<CallClock>::clone(&clock);
        Self {
            database: Database::memory_with_clock(shared).expect("SQLite opens in memory"),
            clock,
        }
    }

    /// Tells the time of the calls to come.
    pub(super) fn move_to(&self, now: SystemTime) {
        self.clock.set(now);
    }

    /// Makes one call, of which the fields of the reply are wanted.
    pub(super) fn call(&self, operation: &str, request: &Fields) -> Result<Fields, Refusal> {
        decode(&self.exchange(operation, request)?)
    }

    /// Makes one call, whose reply is JSON. Its fields are in no order, as dynoxide's maps have none.
    pub(super) fn exchange(&self, operation: &str, body: &Fields) -> Result<Vec<u8>, Refusal> {
        let db = &self.database;
        match operation {
            "BatchGetItem" => answer(body, |call| db.batch_get_item(call)),
            "BatchWriteItem" => answer(body, |call| db.batch_write_item(call)),
            "CreateTable" => answer(body, |call| db.create_table(call)),
            "DeleteItem" => answer(body, |call| db.delete_item(call)),
            "DeleteTable" => answer(body, |call| db.delete_table(call)),
            "DescribeTable" => answer(body, |call| db.describe_table(call)),
            "DescribeTimeToLive" => answer(body, |call| db.describe_time_to_live(call)),
            "GetItem" => answer(body, |call| db.get_item(call)),
            "ListTables" => answer(body, |call| db.list_tables(call)),
            "ListTagsOfResource" => answer(body, |call| db.list_tags_of_resource(call)),
            "PutItem" => answer(body, |call| db.put_item(call)),
            "Query" => answer(body, |call| db.query(call)),
            "Scan" => answer(body, |call| db.scan(call)),
            "TagResource" => answer(body, |call| db.tag_resource(call)),
            "TransactGetItems" => answer(body, |call| db.transact_get_items(call)),
            "TransactWriteItems" => answer(body, |call| db.transact_write_items(call)),
            "UntagResource" => answer(body, |call| db.untag_resource(call)),
            "UpdateItem" => answer(body, |call| db.update_item(call)),
            "UpdateTable" => answer(body, |call| db.update_table(call)),
            "UpdateTimeToLive" => answer(body, |call| db.update_time_to_live(call)),
            unknown => Err(Refusal::unknown_operation(&format!(
                "DynamoDB here has no operation {unknown}"
            ))),
        }
    }

    /// The item of a key.
    pub(super) fn item(&self, table: &str, key: &Fields) -> Option<Fields> {
        let get = fields(json!({ "TableName": table, "Key": key, "ConsistentRead": true }));
        let mut reply = self.call("GetItem", &get).ok()?;
        reply.remove("Item").map(fields)
    }

    /// All items of a table, sorted by their keys: in DynamoDB a scan is in no order, here it is.
    pub(super) fn items(&self, table: &str) -> Vec<Fields> {
        let mut scan = fields(json!({ "TableName": table, "ConsistentRead": true }));
        let mut items = Vec::new();
        while let Ok(mut page) = self.call("Scan", &scan) {
            if let Some(Value::Array(found)) = page.remove("Items") {
                items.extend(found.into_iter().map(fields));
            }
            match page.remove("LastEvaluatedKey") {
                Some(key) => scan.insert("ExclusiveStartKey".to_owned(), key),
                None => break,
            };
        }
        items
    }
}

/// Reads the body of a call.
pub(super) fn decode(body: &[u8]) -> Result<Fields, Refusal> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error).into())
}

/// Writes the body of a reply.
pub(super) fn encode(fields: Fields) -> Vec<u8> {
    Value::Object(fields).to_string().into_bytes()
}

/// The fields of what is an object.
pub(super) fn fields(value: Value) -> Fields {
    let Value::Object(fields) = value else {
        return Fields::new();
    };
    fields
}

/// Runs a typed call on JSON.
fn answer<Call: DeserializeOwned, Answer: Serialize>(
    body: &Fields,
    run: impl FnOnce(Call) -> dynoxide::Result<Answer>,
) -> Result<Vec<u8>, Refusal> {
    let call = Call::deserialize(body).map_err(|error| unreadable(&error))?;
    let answer = serde_json::to_vec(&run(call)?);
    Ok(answer.map_err(|error| DynoxideError::InternalServerError(error.to_string()))?)
}

/// Marks that dynoxide's request types put in front of a message, to say which error class DynamoDB reports.
const INVALID: [&str; 2] = ["VALIDATION:", "VALIDATION_AS_READ:"];
const INVALID_ENVELOPED: &str = "VALIDATION_REQUEST:";
const MALFORMED: [&str; 2] = ["SERIALIZATION:", "SERIALIZATION_AS_READ:"];

/// Fragments of serde's own messages for what DynamoDB calls invalid; everything else is malformed.
const INVALID_BY_SERDE: [&str; 4] = [
    "missing field",
    "unknown variant",
    "invalid type: null",
    "AttributeValue",
];

/// The error class of a body that does not decode.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let message = text
        .split_once(" at line ")
        .map_or(text.as_str(), |(message, _position)| message);
    let after = |marks: &[&str]| marks.iter().find_map(|mark| message.strip_prefix(mark));
    if let Some(message) = after(&INVALID) {
        DynoxideError::ValidationException(message.to_owned())
    } else if let Some(message) = after(&[INVALID_ENVELOPED]) {
        DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
    } else if let Some(message) = after(&MALFORMED) {
        DynoxideError::SerializationException(message.to_owned())
    } else if INVALID_BY_SERDE.iter().any(|fragment| message.contains(fragment)) {
        DynoxideError::ValidationException(message.to_owned())
    } else {
        DynoxideError::SerializationException(message.to_owned())
    }
}

impl From<DynoxideError> for Refusal {
    fn from(error: DynoxideError) -> Self {
        let kind = error.error_type();
        let body = error.to_json();
        // Sorted, as replies are.
        let body = serde_json::from_str(&body).map_or(body, |sorted: Value| sorted.to_string());
        Self {
            status: StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: kind.rsplit_once('#').map_or(kind, |(_namespace, code)| code).to_owned(),
            message: error.to_string(),
            // With the item that failed a condition, or the reasons of a cancelled transaction.
            detailed: Some(body.into()),
        }
    }
}

/// Shows dynoxide the time of the latest call, in microseconds since the Unix epoch: time is an argument here too.
#[derive(Debug, Default)]
struct CallClock(AtomicU64);

impl CallClock {
    fn set(&self, now: SystemTime) {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl storage_backend::Clock for CallClock {
    fn now_unix_secs(&self) -> u64 {
        self.get().as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.get().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynoxides_marks_do_not_reach_the_caller() {
        let refusal = Engine::new().call("CreateTable", &Fields::new()).unwrap_err();
        let body = String::from_utf8_lossy(&refusal.detailed.unwrap()).into_owned();
        assert_eq!(refusal.code, "ValidationException");
        assert!(INVALID.iter().all(|mark| !body.contains(mark)), "{body}");
    }
}
