//! Pure: faults in JSON, as a test in another language writes them.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::FaultRule;
use crate::dispatch::Service;
use crate::sim::{Entries, Fault};

/// A [`FaultRule`] in JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleForm {
    service: Service,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(default = "once")]
    times: NonZeroU32,
    fault: FaultForm,
}

const fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// A [`Fault`] in JSON: `"requestLost"`, or a member of an object, such as `{"delay":{"millis":500}}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum FaultForm {
    None,
    Delay { millis: u64 },
    Duplicated { millis: u64 },
    RequestLost,
    ReplyLost,
    RequestHangs,
    ReplyHangs,
    Error { status: u16, code: String, message: String },
    FailEntries { entries: EntriesForm, code: String },
    Intercepted { status: u16, largest: usize },
}

/// [`Entries`] in JSON: `"all"`, `{"every":3}` or `{"at":[0,2]}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum EntriesForm {
    All,
    Every(usize),
    At(Vec<usize>),
}

impl From<RuleForm> for FaultRule {
    fn from(form: RuleForm) -> Self {
        let rule = Self::new(form.service, form.fault.into()).times(form.times.get());
        match form.operation {
            Some(operation) => rule.operation(operation),
            None => rule,
        }
    }
}

impl From<&FaultRule> for RuleForm {
    fn from(rule: &FaultRule) -> Self {
        Self {
            service: rule.service,
            operation: rule.operation.clone(),
            times: NonZeroU32::new(rule.times).unwrap_or(NonZeroU32::MIN),
            fault: rule.fault.clone().into(),
        }
    }
}

impl From<FaultForm> for Fault {
    fn from(form: FaultForm) -> Self {
        match form {
            FaultForm::None => Self::None,
            FaultForm::Delay { millis } => Self::Delay(Duration::from_millis(millis)),
            FaultForm::Duplicated { millis } => Self::Duplicated(Duration::from_millis(millis)),
            FaultForm::RequestLost => Self::RequestLost,
            FaultForm::ReplyLost => Self::ReplyLost,
            FaultForm::RequestHangs => Self::RequestHangs,
            FaultForm::ReplyHangs => Self::ReplyHangs,
            FaultForm::Error { status, code, message } => Self::Error { status, code, message },
            FaultForm::FailEntries { entries, code } => Self::FailEntries {
                entries: match entries {
                    EntriesForm::All => Entries::All,
                    EntriesForm::Every(nth) => Entries::Every(nth),
                    EntriesForm::At(places) => Entries::At(places),
                },
                code,
            },
            FaultForm::Intercepted { status, largest } => Self::Intercepted { status, largest },
        }
    }
}

impl From<Fault> for FaultForm {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::None => Self::None,
            Fault::Delay(longer) => Self::Delay { millis: millis(longer) },
            Fault::Duplicated(later) => Self::Duplicated { millis: millis(later) },
            Fault::RequestLost => Self::RequestLost,
            Fault::ReplyLost => Self::ReplyLost,
            Fault::RequestHangs => Self::RequestHangs,
            Fault::ReplyHangs => Self::ReplyHangs,
            Fault::Error { status, code, message } => Self::Error { status, code, message },
            Fault::FailEntries { entries, code } => Self::FailEntries {
                entries: match entries {
                    Entries::All => EntriesForm::All,
                    Entries::Every(nth) => EntriesForm::Every(nth),
                    Entries::At(places) => EntriesForm::At(places),
                },
                code,
            },
            Fault::Intercepted { status, largest } => Self::Intercepted { status, largest },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rule(fault: &Value) -> Result<FaultRule, serde_json::Error> {
        let form = json!({ "service": "DynamoDB", "operation": "GetItem", "times": 2, "fault": fault });
        serde_json::from_value::<RuleForm>(form).map(FaultRule::from)
    }

    #[test]
    fn every_fault_is_read_back_as_it_was_written() {
        for fault in [
            Fault::None,
            Fault::Delay(Duration::from_millis(5)),
            Fault::Duplicated(Duration::from_millis(5)),
            Fault::RequestLost,
            Fault::ReplyLost,
            Fault::RequestHangs,
            Fault::ReplyHangs,
            Fault::throttled(),
            Fault::FailEntries {
                entries: Entries::All,
                code: "InternalFailure".to_owned(),
            },
            Fault::FailEntries {
                entries: Entries::Every(2),
                code: "InternalFailure".to_owned(),
            },
            Fault::Intercepted {
                status: 413,
                largest: 65_536,
            },
        ] {
            let written = serde_json::to_value(FaultForm::from(fault.clone())).unwrap();
            assert_eq!(rule(&written).unwrap().fault, fault, "{written}");
        }
    }

    #[test]
    fn a_fault_reads_like_the_documentation() {
        let failed = rule(&json!({ "failEntries": { "entries": { "at": [0, 2] }, "code": "InternalFailure" } }));
        let entries = Entries::At(vec![0, 2]);
        let code = "InternalFailure".to_owned();
        let expected = FaultRule::new(Service::DynamoDb, Fault::FailEntries { entries, code });
        assert_eq!(failed.unwrap(), expected.operation("GetItem").times(2));
    }

    #[test]
    fn nonsense_is_refused() {
        for form in [
            json!({}),
            json!({ "service": "SQS", "fault": "requestLost" }),
            json!({ "service": "Kinesis", "fault": "earthquake" }),
            json!({ "service": "Kinesis", "fault": "requestLost", "times": 0 }),
            json!({ "service": "Kinesis", "fault": "requestLost", "operations": [] }),
            json!({ "service": "Kinesis", "fault": { "delay": { "seconds": 1 } } }),
        ] {
            assert!(serde_json::from_value::<RuleForm>(form.clone()).is_err(), "{form}");
        }
    }
}
