//! DynamoDB: dynoxide, with the times, lags, limits and refusals that it lacks.
//!
//! | part | rules |
//! |---|---|
//! | tables | CREATING, UPDATING, DELETING for the times in [`Settings`]; items are there once the table is ACTIVE |
//! | indexes | one at a time is added or deleted by UpdateTable; it is read once it is ACTIVE |
//! | reads | consistent, or behind by a lag drawn from the seed; indexes by a lag of their own |
//! | capacity | units a second with a burst for each table in [`Settings::capacity`], unprocessed entries of batches |
//! | throttling | of any calls, in each of the service's three ways, when [`DynamoDb::throttle`] says so |
//! | permissions | `AccessDeniedException` for any calls, by action, table and index |
//! | backups | point-in-time recovery is remembered |
//!
//! What is in an item, conditions, expressions, queries and transactions are dynoxide's. It stamps tables with the
//! machine's wall clock and a random id; here replies show the time of the calls and a count instead, but a key that
//! encrypts a table keeps its random name. It also forgets a transaction's client token after ten real minutes;
//! everything else follows the time of the calls.
//!
//! Not modelled: the capacity that a table is created with, capacities of indexes and of single partitions, streams,
//! global tables, PartiQL. An operation that is not there answers `UnknownOperationException`.
//!
//! Inside, in the order of a call: `request` says which items a call is about (`arn`, `calls`); `admission`,
//! `capacity`, `throttling` and `refusal` decide whether it passes; `control_plane` changes `tables` (`table`,
//! `description`, `backups`), `data_plane` items, through the `engine`; `change` tells who watches, `lag` and
//! `replica` are what reads that need not be consistent see; `settings` and `control` are for tests.

mod admission;
mod arn;
mod backups;
mod calls;
mod capacity;
mod change;
mod control;
mod control_plane;
mod data_plane;
mod description;
mod engine;
mod lag;
mod refusal;
mod replica;
mod request;
mod settings;
mod table;
mod tables;
mod throttling;

use std::time::{Duration, SystemTime};

use fastrand::Rng;
use http::StatusCode;
use serde_json::{Value, json};

use self::admission::{Admission, Metering};
pub use self::calls::Calls;
pub use self::capacity::Capacity;
pub use self::change::Change;
use self::change::Watchers;
use self::engine::Engine;
use self::replica::Replica;
use self::request::{Fields, Plane, Request};
pub use self::settings::Settings;
use self::tables::Tables;
pub use self::throttling::Throttling;
use crate::dispatch::Refusal;
use crate::kinesis::ServiceError;

/// An item as DynamoDB writes it in JSON, for instance `item["leaseOwner"]["S"]`.
pub type Item = serde_json::Map<String, Value>;

/// The DynamoDB service, told the time with every call.
#[derive(Debug)]
pub struct DynamoDb {
    settings: Settings,
    engine: Engine,
    tables: Tables,
    admission: Admission,
    watchers: Watchers,
    /// What reads of tables see that need not be consistent, if it is anything else than the tables.
    table_replica: Option<Replica>,
    /// What reads of indexes see, likewise.
    index_replica: Option<Replica>,
}

impl DynamoDb {
    /// A DynamoDB without tables, whose lags follow from the seed.
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut replica = |lag: Duration| {
            let rng = rng.fork();
            (!lag.is_zero()).then(|| Replica::new(lag, rng))
        };
        Self {
            table_replica: replica(settings.read_lag),
            index_replica: replica(settings.index_lag),
            admission: Admission::new(&settings.capacity),
            settings,
            engine: Engine::new(),
            tables: Tables::default(),
            watchers: Watchers::default(),
        }
    }

    /// Answers one call at the time `now`.
    pub(crate) fn call(&mut self, operation: &str, body: &[u8], now: SystemTime) -> Result<Vec<u8>, Refusal> {
        let mut request = Request::new(operation, engine::decode(body)?);
        self.move_to(now);
        self.check_permission(&request)?;
        self.tables.check(&request, now)?;
        let unprocessed = self.admit(&mut request, now)?;

        let metering = self.admission.meter(&mut request);
        let reply = self.answer(&request, now);
        if reply.as_ref().is_err_and(is_failed_condition) {
            self.admission.charge_failed_condition(&request);
        }
        let reply = reply?;
        if metering == Metering::Off && !request.is_batch() {
            return Ok(reply);
        }
        let mut reply = engine::decode(&reply)?;
        self.admission.charge(metering, request.plane(), &mut reply);
        add_unprocessed(&mut reply, operation, unprocessed);
        Ok(engine::encode(reply))
    }

    /// Lets everything happen that is due.
    fn move_to(&mut self, now: SystemTime) {
        self.engine.move_to(now);
        self.tables.move_to(now);
        for replica in self.replicas_mut() {
            replica.move_to(now);
        }
    }

    fn check_permission(&self, request: &Request<'_>) -> Result<(), Refusal> {
        for access in request.accesses() {
            let key = self.tables.partition_key(&access);
            if self.settings.denied.iter().any(|calls| calls.include(&access, key)) {
                return Err(refusal::denied(&access).into());
            }
        }
        Ok(())
    }

    /// Takes the throttled entries out of a batch, if any are left then. Other throttled calls are refused.
    fn admit(&mut self, request: &mut Request<'_>, now: SystemTime) -> Result<Fields, Refusal> {
        let verdicts = self.admission.judge(request, &self.tables, now);
        let Some(throttling) = verdicts.iter().flatten().next() else {
            return Ok(Fields::new());
        };
        if request.is_transaction() {
            return Err(cancelled(&verdicts));
        }
        if !request.is_batch() || verdicts.iter().all(Option::is_some) {
            return Err(ServiceError::from(*throttling).into());
        }
        let mut verdicts = verdicts.iter();
        Ok(request.take_out(|| verdicts.next().is_none_or(Option::is_none)))
    }

    fn answer(&mut self, request: &Request<'_>, now: SystemTime) -> Result<Vec<u8>, Refusal> {
        match request.plane() {
            Plane::Read => self.read(request),
            Plane::Write => self.write(request, now),
            Plane::Control => self.control_plane(request, now).map(engine::encode),
        }
    }
}

fn is_failed_condition(refusal: &Refusal) -> bool {
    matches!(
        refusal.code.as_str(),
        "ConditionalCheckFailedException" | "TransactionCanceledException"
    )
}

/// Adds the entries of a batch that were throttled to its reply.
fn add_unprocessed(reply: &mut Fields, operation: &str, unprocessed: Fields) {
    let field = match operation {
        "BatchGetItem" => "UnprocessedKeys",
        "BatchWriteItem" => "UnprocessedItems",
        _ => return,
    };
    let entries = Fields::from_iter([(field.to_owned(), Value::Object(unprocessed))]);
    data_plane::merge(reply, entries);
}

/// The refusal of a transaction of which some items are throttled.
fn cancelled(verdicts: &[Option<Throttling>]) -> Refusal {
    const CODE: &str = "TransactionCanceledException";
    let code = |verdict: &Option<Throttling>| verdict.map_or("None", Throttling::cancellation_code);
    let codes: Vec<&str> = verdicts.iter().map(code).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    let reason = |verdict: &Option<Throttling>| match verdict {
        None => json!({ "Code": "None" }),
        Some(throttling) => json!({ "Code": throttling.cancellation_code(), "Message": throttling.message() }),
    };
    let reasons: Vec<Value> = verdicts.iter().map(reason).collect();
    let body = json!({ "__type": CODE, "Message": message, "CancellationReasons": reasons });
    Refusal {
        status: StatusCode::BAD_REQUEST,
        code: CODE.to_owned(),
        message,
        detailed: Some(body.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    const OPERATIONS: &str = "BatchGetItem BatchWriteItem CreateTable DeleteItem DeleteTable \
        DescribeContinuousBackups DescribeTable DescribeTimeToLive GetItem ListTables ListTagsOfResource PutItem \
        Query Scan TagResource TransactGetItems TransactWriteItems UntagResource UpdateContinuousBackups UpdateItem \
        UpdateTable UpdateTimeToLive";

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
        let mut dynamodb = DynamoDb::new(Settings::default(), 0);
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
                let body: Value = serde_json::from_slice(&refusal.detailed.unwrap_or_default()).unwrap_or(json!({ "__type": refusal.code }));
                prop_assert!(body["__type"].as_str().unwrap().ends_with(&refusal.code));
                prop_assert_ne!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", body);
            }
        }
    }

    #[test]
    fn every_operation_in_the_list_is_known() {
        for operation in OPERATIONS.split_whitespace() {
            let answer = DynamoDb::new(Settings::default(), 0).call(operation, b"{}", UNIX_EPOCH);
            assert_ne!(
                answer.err().map(|refusal| refusal.code).as_deref(),
                Some("UnknownOperationException")
            );
        }
    }
}
