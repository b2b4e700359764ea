//! Pure: which accesses find capacity, and which are throttled.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::calls::Calls;
use super::capacity::{Bucket, Capacity, Meter};
use super::request::{Access, Fields, Plane, Request};
use super::tables::Tables;
use super::throttling::Throttling;

/// What throttles: rules of the test, and the capacities of tables.
#[derive(Debug, Default)]
pub(super) struct Admission {
    rules: Vec<(Calls, Throttling)>,
    meters: BTreeMap<String, Meter>,
}

impl Admission {
    pub(super) fn new(capacities: &BTreeMap<String, Capacity>) -> Self {
        let meter = |(table, capacity): (&String, &Capacity)| (table.clone(), Meter::full(*capacity));
        Self {
            rules: Vec::new(),
            meters: capacities.iter().map(meter).collect(),
        }
    }

    /// Throttles these calls until [`release`](Self::release).
    pub(super) fn throttle(&mut self, calls: Calls, throttling: Throttling) {
        self.release(&calls);
        self.rules.push((calls, throttling));
    }

    pub(super) fn release(&mut self, calls: &Calls) {
        self.rules.retain(|(rule, _)| rule != calls);
    }

    /// Gives a table a full capacity, or takes its limit away.
    pub(super) fn limit(&mut self, table: &str, capacity: Option<Capacity>) {
        match capacity {
            Some(capacity) => self.meters.insert(table.to_owned(), Meter::full(capacity)),
            None => self.meters.remove(table),
        };
    }

    /// Judges each access of a request; `None` for the ones that are not throttled.
    pub(super) fn judge(&mut self, request: &Request<'_>, tables: &Tables, now: SystemTime) -> Vec<Option<Throttling>> {
        let mut spoken_for = BTreeMap::new();
        let accesses = request.accesses().into_iter();
        let verdicts = accesses.map(|access| {
            self.ruled(&access, tables)
                .or_else(|| self.without_unit(access, request.plane(), &mut spoken_for, now))
        });
        verdicts.collect()
    }

    /// Asks for the capacity that a call consumes, if it counts and the caller does not ask for it; then
    /// [`charge`](Self::charge) is told the reply.
    pub(super) fn meter(&self, request: &mut Request<'_>) -> Metering {
        let counts = request.plane() != Plane::Control
            && request
                .accesses()
                .iter()
                .any(|access| access.table.is_some_and(|table| self.meters.contains_key(table)));
        match request.text("ReturnConsumedCapacity") {
            Some("TOTAL" | "INDEXES") if counts => Metering::Asked,
            None | Some("NONE") if counts => {
                request
                    .fields
                    .insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
                Metering::Added
            }
            _ => Metering::Off,
        }
    }

    /// Charges what a reply reports as consumed, and removes what the caller did not ask for.
    pub(super) fn charge(&mut self, metering: Metering, plane: Plane, reply: &mut Fields) {
        let consumed = match metering {
            Metering::Off => return,
            Metering::Asked => reply.get("ConsumedCapacity").cloned(),
            Metering::Added => reply.remove("ConsumedCapacity"),
        };
        let consumed = match consumed {
            Some(Value::Array(tables)) => tables,
            Some(table) => vec![table],
            None => Vec::new(),
        };
        for table in consumed {
            let name = table.get("TableName").and_then(Value::as_str);
            let units = table.get("CapacityUnits").and_then(Value::as_f64);
            if let (Some(name), Some(units)) = (name, units) {
                self.charge_table(name, plane, units);
            }
        }
    }

    /// Charges a write whose condition failed: a unit for each item, whatever its size.
    pub(super) fn charge_failed_condition(&mut self, request: &Request<'_>) {
        for access in request.accesses() {
            if let Some(table) = access.table {
                self.charge_table(table, request.plane(), 1.0);
            }
        }
    }

    fn ruled(&self, access: &Access<'_>, tables: &Tables) -> Option<Throttling> {
        let key = tables.partition_key(access);
        let mut rules = self.rules.iter();
        let (_, throttling) = rules.find(|(calls, _)| calls.include(access, key))?;
        Some(*throttling)
    }

    fn without_unit<'a>(
        &mut self,
        access: Access<'a>,
        plane: Plane,
        spoken_for: &mut BTreeMap<&'a str, u32>,
        now: SystemTime,
    ) -> Option<Throttling> {
        let table = access.table?;
        let meter = self.meters.get_mut(table)?;
        let throttling = meter.throttling;
        let spoken_for = spoken_for.entry(table).or_default();
        if bucket(meter, plane)?.has_unit_beside(*spoken_for, now) {
            *spoken_for += 1;
            return None;
        }
        Some(throttling)
    }

    fn charge_table(&mut self, table: &str, plane: Plane, units: f64) {
        if let Some(bucket) = self.meters.get_mut(table).and_then(|meter| bucket(meter, plane)) {
            bucket.charge(units);
        }
    }
}

/// Whether the consumed capacity of a call counts, and whether its caller wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metering {
    Off,
    Asked,
    Added,
}

fn bucket(meter: &mut Meter, plane: Plane) -> Option<&mut Bucket> {
    match plane {
        Plane::Read => Some(&mut meter.reads),
        Plane::Write => Some(&mut meter.writes),
        Plane::Control => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::dynamodb::engine::fields;

    /// A table `leases` with the key `id`.
    fn tables() -> Tables {
        let description = fields(json!({ "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }] }));
        let mut tables = Tables::default();
        tables.create("leases", &description, UNIX_EPOCH, Duration::ZERO);
        tables
    }

    fn update(id: &str) -> Request<'static> {
        let call = json!({ "TableName": "leases", "Key": { "id": { "S": id } } });
        Request::new("UpdateItem", fields(call))
    }

    fn batch(ids: &[&str]) -> Request<'static> {
        let key = |id: &&str| json!({ "DeleteRequest": { "Key": { "id": { "S": id } } } });
        let deletes: Vec<Value> = ids.iter().map(key).collect();
        Request::new(
            "BatchWriteItem",
            fields(json!({ "RequestItems": { "leases": deletes } })),
        )
    }

    fn judge(admission: &mut Admission, request: &Request<'_>) -> Vec<Option<Throttling>> {
        admission.judge(request, &tables(), UNIX_EPOCH)
    }

    fn limited(units: u32) -> Admission {
        let capacity = Capacity::on_demand(units, units);
        Admission::new(&BTreeMap::from([("leases".to_owned(), capacity)]))
    }

    #[test]
    fn a_rule_throttles_the_calls_it_is_for_until_it_is_released() {
        let mut admission = Admission::default();
        let calls = Calls::of("UpdateItem").with_key("a");
        admission.throttle(calls.clone(), Throttling::Account);
        assert_eq!(judge(&mut admission, &update("a")), [Some(Throttling::Account)]);
        assert_eq!(judge(&mut admission, &update("b")), [None]);
        admission.release(&calls);
        assert_eq!(judge(&mut admission, &update("a")), [None]);
    }

    #[test]
    fn a_later_rule_for_the_same_calls_replaces_the_earlier() {
        let mut admission = Admission::default();
        admission.throttle(Calls::all(), Throttling::Account);
        admission.throttle(Calls::all(), Throttling::OnDemand);
        assert_eq!(judge(&mut admission, &update("a")), [Some(Throttling::OnDemand)]);
        admission.release(&Calls::all());
        assert_eq!(judge(&mut admission, &update("a")), [None]);
    }

    #[test]
    fn each_entry_of_a_batch_needs_a_unit() {
        let mut admission = limited(2);
        let verdicts = judge(&mut admission, &batch(&["a", "b", "c"]));
        assert_eq!(verdicts, [None, None, Some(Throttling::OnDemand)]);
    }

    #[test]
    fn what_a_reply_reports_is_charged_to_reads_or_to_writes() {
        let mut admission = limited(2);
        let mut reply = fields(json!({ "ConsumedCapacity": [{ "TableName": "leases", "CapacityUnits": 1.5 }] }));
        admission.charge(Metering::Asked, Plane::Write, &mut reply);
        assert_eq!(judge(&mut admission, &update("a")), [Some(Throttling::OnDemand)]);
        let get = Request::new("GetItem", fields(json!({ "TableName": "leases" })));
        assert_eq!(judge(&mut admission, &get), [None]);
        assert!(reply.contains_key("ConsumedCapacity"));
    }

    #[test]
    fn only_what_the_caller_did_not_ask_for_is_removed() {
        let mut admission = limited(2);
        let mut request = update("a");
        assert_eq!(admission.meter(&mut request), Metering::Added);
        assert_eq!(request.text("ReturnConsumedCapacity"), Some("TOTAL"));
        assert_eq!(admission.meter(&mut request), Metering::Asked, "now it is asked for");
        let mut reply = fields(json!({ "ConsumedCapacity": { "TableName": "leases", "CapacityUnits": 1.0 } }));
        admission.charge(Metering::Added, Plane::Write, &mut reply);
        assert!(reply.is_empty());

        let mut elsewhere = Request::new("GetItem", fields(json!({ "TableName": "other" })));
        assert_eq!(admission.meter(&mut elsewhere), Metering::Off);
    }

    #[test]
    fn a_table_without_a_limit_takes_everything() {
        let mut admission = limited(0);
        assert_eq!(judge(&mut admission, &update("a")), [Some(Throttling::OnDemand)]);
        admission.limit("leases", None);
        assert_eq!(judge(&mut admission, &update("a")), [None]);
    }
}
