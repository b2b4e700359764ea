//! `PutRecords` of which some entries fail: they are taken out of the request and put back into the reply as failures.

use serde_json::{Map, Value, json};

use crate::sim::Entries;

/// A `PutRecords` request without its chosen entries.
#[derive(Debug)]
pub(super) struct Split {
    request: Map<String, Value>,
    chosen: Vec<usize>,
}

impl Split {
    /// Takes the chosen entries out. `None` if the body is no `PutRecords` request or no entry is chosen.
    pub(super) fn new(body: &[u8], entries: &Entries) -> Option<Self> {
        let mut request: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let records = request.get_mut("Records")?.as_array_mut()?;
        let chosen: Vec<usize> = (0..records.len()).filter(|&index| entries.contain(index)).collect();
        let mut index = 0..;
        records.retain(|_| index.next().is_none_or(|index| !entries.contain(index)));
        (!chosen.is_empty()).then_some(Self { request, chosen })
    }

    /// The body for the service; `None` when no entry is left to put.
    pub(super) fn remaining(&self) -> Option<Vec<u8>> {
        let some_left = self
            .request
            .get("Records")?
            .as_array()
            .is_some_and(|records| !records.is_empty());
        some_left.then(|| Value::Object(self.request.clone()).to_string().into_bytes())
    }

    /// The reply to the whole request, from the service's reply to the remaining one (`None` if it was not asked).
    pub(super) fn merge(self, reply: Option<&[u8]>, code: &str) -> Vec<u8> {
        let mut reply: Map<String, Value> = reply
            .and_then(|reply| serde_json::from_slice(reply).ok())
            .unwrap_or_default();
        let mut results = match reply.remove("Records") {
            Some(Value::Array(results)) => results,
            _ => Vec::new(),
        };
        let refused_by_service = reply.get("FailedRecordCount").and_then(Value::as_u64).unwrap_or(0);
        let injected = u64::try_from(self.chosen.len()).unwrap_or(u64::MAX);
        // The places ascend, so each insertion finds all the earlier entries in front of it.
        for place in self.chosen {
            let failure = json!({ "ErrorCode": code, "ErrorMessage": format!("injected: {code}") });
            results.insert(place.min(results.len()), failure);
        }
        reply.insert(
            "FailedRecordCount".to_owned(),
            json!(refused_by_service.saturating_add(injected)),
        );
        reply.insert("Records".to_owned(), Value::Array(results));
        Value::Object(reply).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = br#"{"StreamName":"s","Records":[{"Data":"a"},{"Data":"b"},{"Data":"c"},{"Data":"d"}]}"#;

    fn merged(entries: &Entries, reply: &Value) -> Value {
        let split = Split::new(REQUEST, entries).unwrap();
        let reply = reply.to_string();
        serde_json::from_slice(&split.merge(Some(reply.as_bytes()), "InternalFailure")).unwrap()
    }

    #[test]
    fn failures_come_back_at_their_places() {
        let split = Split::new(REQUEST, &Entries::Every(2)).unwrap();
        let remaining: Value = serde_json::from_slice(&split.remaining().unwrap()).unwrap();
        assert_eq!(remaining["Records"], json!([{ "Data": "a" }, { "Data": "c" }]));

        let reply =
            json!({ "FailedRecordCount": 0, "Records": [{ "SequenceNumber": "1" }, { "SequenceNumber": "2" }] });
        let reply = merged(&Entries::Every(2), &reply);
        assert_eq!(reply["FailedRecordCount"], 2);
        let codes: Vec<_> = reply["Records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["ErrorCode"].as_str())
            .collect();
        assert_eq!(codes, [None, Some("InternalFailure"), None, Some("InternalFailure")]);
    }

    #[test]
    fn the_services_own_failures_are_counted_too() {
        let throttled = json!({ "ErrorCode": "ProvisionedThroughputExceededException" });
        let reply = json!({ "FailedRecordCount": 1, "Records": [throttled, {}, {}] });
        assert_eq!(merged(&Entries::At(vec![3]), &reply)["FailedRecordCount"], 2);
    }

    #[test]
    fn a_request_that_fails_whole_is_not_sent() {
        let split = Split::new(REQUEST, &Entries::All).unwrap();
        assert!(split.remaining().is_none());
        let reply: Value = serde_json::from_slice(&split.merge(None, "InternalFailure")).unwrap();
        assert_eq!(reply["Records"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn other_requests_are_left_alone() {
        assert!(Split::new(b"{}", &Entries::All).is_none());
        assert!(Split::new(b"no JSON", &Entries::All).is_none());
        assert!(Split::new(REQUEST, &Entries::At(vec![9])).is_none());
    }
}
