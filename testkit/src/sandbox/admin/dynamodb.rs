//! What a test in another language can do to DynamoDB, see [`DynamoDb`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::{read, unknown};
use crate::dispatch::Refusal;
use crate::dynamodb::{Calls, Capacity, DynamoDb, Throttling};
use crate::sandbox::host::Host;

/// [`Calls`] in JSON: those that fit all that is said; `{}` stands for every call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallsForm {
    action: Option<String>,
    table: Option<String>,
    index: Option<String>,
    key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottleForm {
    #[serde(default)]
    calls: Option<CallsForm>,
    #[serde(default, rename = "as")]
    throttling: ThrottlingForm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ThrottlingForm {
    #[default]
    Provisioned,
    OnDemand,
    Account,
}

/// A table's capacity in JSON; without one, the table takes everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitForm {
    table: String,
    capacity: Option<CapacityForm>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CapacityForm {
    read_units: u32,
    write_units: u32,
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    #[default]
    Provisioned,
    OnDemand,
}

/// Does to DynamoDB what no client can do.
pub(super) fn control(host: &Host, what: &str, body: &[u8]) -> Result<Value, Refusal> {
    match what {
        "throttle" => {
            let ThrottleForm { calls, throttling } = read(body)?;
            let calls = calls.map_or_else(|| Ok(Calls::all()), Calls::try_from)?;
            visit(host, |dynamodb| dynamodb.throttle(calls, throttling.into()))
        }
        "release" => on_calls(host, body, |dynamodb, calls| dynamodb.release(&calls)),
        "deny" => on_calls(host, body, DynamoDb::deny),
        "allow" => on_calls(host, body, |dynamodb, calls| dynamodb.allow(&calls)),
        "limit" => {
            let LimitForm { table, capacity } = read(body)?;
            let capacity = capacity.map(Capacity::from);
            visit(host, |dynamodb| dynamodb.limit(&table, capacity))
        }
        _ => Err(unknown(what)),
    }
}

fn on_calls(host: &Host, body: &[u8], act: impl FnOnce(&mut DynamoDb, Calls)) -> Result<Value, Refusal> {
    let calls = read::<CallsForm>(body)?.try_into()?;
    visit(host, |dynamodb| act(dynamodb, calls))
}

fn visit(host: &Host, act: impl FnOnce(&mut DynamoDb)) -> Result<Value, Refusal> {
    host.services.dynamodb(act);
    Ok(json!({}))
}

impl TryFrom<CallsForm> for Calls {
    type Error = Refusal;

    fn try_from(form: CallsForm) -> Result<Self, Refusal> {
        let all = form.action.map_or_else(Self::all, Self::of);
        let of_table = match (form.table, form.index) {
            (Some(table), Some(index)) => all.on_index(table, index),
            (Some(table), None) => all.on_table(table),
            (None, None) => all,
            (None, Some(index)) => return Err(super::refusal(&format!("index {index:?} needs its table"))),
        };
        Ok(match form.key {
            Some(key) => of_table.with_key(key),
            None => of_table,
        })
    }
}

impl From<ThrottlingForm> for Throttling {
    fn from(form: ThrottlingForm) -> Self {
        match form {
            ThrottlingForm::Provisioned => Self::Provisioned,
            ThrottlingForm::OnDemand => Self::OnDemand,
            ThrottlingForm::Account => Self::Account,
        }
    }
}

impl From<CapacityForm> for Capacity {
    fn from(form: CapacityForm) -> Self {
        match form.mode {
            Mode::Provisioned => Self::provisioned(form.read_units, form.write_units),
            Mode::OnDemand => Self::on_demand(form.read_units, form.write_units),
        }
    }
}
