//! DynamoDB: dynoxide, embedded, behind the wire format.
//!
//! dynoxide stamps tables with the machine's wall clock and a random id, and forgets a transaction's client token after
//! ten real minutes; everything else follows the time of the calls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::{Database, DynoxideError, storage_backend};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dispatch::Refusal;

/// A DynamoDB without tables.
pub(crate) struct DynamoDb {
    database: Database,
    clock: Arc<CallClock>,
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl DynamoDb {
    #[expect(
        clippy::expect_used,
        reason = "opening SQLite in memory touches no file; it fails only when memory is exhausted"
    )]
    pub(crate) fn new() -> Self {
        let clock = Arc::new(CallClock::default());
        let shared: Arc<dyn storage_backend::Clock> = Arc::<CallClock>::clone(&clock);
        Self {
            database: Database::memory_with_clock(shared).expect("SQLite opens in memory"),
            clock,
        }
    }

    /// Answers one call at the time `now`.
    pub(crate) fn call(&self, operation: &str, body: &[u8], now: SystemTime) -> Result<Vec<u8>, Refusal> {
        self.clock.set(now);
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
}

fn answer<Call: DeserializeOwned, Answer: Serialize>(
    body: &[u8],
    run: impl FnOnce(Call) -> dynoxide::Result<Answer>,
) -> Result<Vec<u8>, Refusal> {
    let call = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let answer = run(call)?;
    serde_json::to_vec(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()).into())
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
        Self {
            status: StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: kind.rsplit_once('#').map_or(kind, |(_namespace, code)| code).to_owned(),
            message: error.to_string(),
            // With the reasons of a cancelled transaction, for instance.
            detailed: Some(error.to_json().into()),
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
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const OPERATIONS: &str = "BatchGetItem BatchWriteItem CreateTable DeleteItem DeleteTable DescribeTable \
        DescribeTimeToLive GetItem ListTables ListTagsOfResource PutItem Query Scan TagResource TransactGetItems \
        TransactWriteItems UntagResource UpdateItem UpdateTable UpdateTimeToLive";

    /// What requests are made of, so that nonsense gets past the first check.
    const WORDS: &str = "TableName Item Key Keys id S N SS NULL Expected AttributeUpdates Action Value Exists \
        RequestItems PutRequest TransactItems Put ConditionExpression UpdateExpression ExpressionAttributeValues :v \
        id=:v Limit ExclusiveStartKey KeyConditionExpression 1";

    fn operation() -> impl Strategy<Value = &'static str> {
        prop::sample::select(OPERATIONS.split_whitespace().collect::<Vec<_>>())
    }

    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(WORDS.split_whitespace().collect::<Vec<_>>())
    }

    fn nonsense() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((word(), inner), 0..4)
                    .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    fn request() -> impl Strategy<Value = Value> {
        prop::collection::vec((word(), nonsense()), 0..8).prop_map(|fields| {
            let mut request =
                json!({ "TableName": "leases", "Key": { "id": { "S": "a" } }, "Item": { "id": { "S": "a" } } });
            for (key, value) in fields {
                request[key] = value;
            }
            request
        })
    }

    fn with_table() -> DynamoDb {
        let dynamodb = DynamoDb::new();
        let table = json!({
            "TableName": "leases",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "BillingMode": "PAY_PER_REQUEST",
        });
        let created = dynamodb.call("CreateTable", table.to_string().as_bytes(), UNIX_EPOCH);
        created.expect("a table");
        dynamodb
    }

    proptest! {
        #[test]
        fn nonsense_is_answered_or_refused_and_never_panics(
            operation in operation(),
            request in request(),
        ) {
            if let Err(refusal) = with_table().call(operation, request.to_string().as_bytes(), UNIX_EPOCH) {
                let body: Value = serde_json::from_slice(&refusal.detailed.unwrap()).unwrap();
                prop_assert!(body["__type"].as_str().unwrap().ends_with(&refusal.code));
                prop_assert_ne!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", body);
            }
        }
    }

    #[test]
    fn every_operation_in_the_list_is_known() {
        for operation in OPERATIONS.split_whitespace() {
            let answer = DynamoDb::new().call(operation, b"{}", UNIX_EPOCH);
            assert_ne!(
                answer.err().map(|refusal| refusal.code).as_deref(),
                Some("UnknownOperationException")
            );
        }
    }

    #[test]
    fn dynoxides_marks_do_not_reach_the_caller() {
        let refusal = DynamoDb::new().call("CreateTable", b"{}", UNIX_EPOCH).unwrap_err();
        let body = String::from_utf8_lossy(&refusal.detailed.unwrap()).into_owned();
        assert_eq!(refusal.code, "ValidationException");
        assert!(INVALID.iter().all(|mark| !body.contains(mark)), "{body}");
    }
}
