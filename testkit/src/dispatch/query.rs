//! Pure: the AWS query protocol, a form with a reply in XML, as far as PutMetricData needs it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::refusal::{Refusal, fault_of};

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// How deep parameters may be nested. Our choice: PutMetricData's own have at most nine parts.
const MAX_PARTS: usize = 16;

/// The operation that a form asks for.
pub(super) fn action(body: &[u8]) -> Result<String, Refusal> {
    let mut fields = form_urlencoded::parse(body);
    match fields.find(|(name, _value)| name == "Action") {
        Some((_name, action)) => Ok(action.into_owned()),
        None => Err(Refusal::unknown_operation("the form has no Action")),
    }
}

/// The form in AWS JSON: `MetricData.member.1.Value=2` is `{"MetricData":[{"Value":2.0}]}`.
pub(super) fn to_json(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut root = Node::default();
    for (name, text) in form_urlencoded::parse(body) {
        // An empty text stands for an empty list; what may not be empty is then found missing.
        if matches!(&*name, "Action" | "Version") || text.is_empty() {
            continue;
        }
        let path: Vec<&str> = name.split('.').collect();
        if path.len() > MAX_PARTS {
            return Err(format!("{name} has more than {MAX_PARTS} parts"));
        }
        let leaf = if is_number(&path) {
            number(&text).ok_or_else(|| format!("{name} is not a number"))?
        } else {
            Value::from(text.into_owned())
        };
        root.insert(&path, leaf);
    }
    Ok(Value::from(root).to_string().into_bytes())
}

/// The reply to a call that succeeded; none here has more to say.
pub(super) fn output(operation: &str, request_id: &str) -> Vec<u8> {
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></{operation}Response>"
    )
    .into_bytes()
}

/// The reply to a call that failed.
pub(super) fn refusal(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let code = match refusal.code.as_str() {
        "UnknownOperationException" => "InvalidAction",
        "SerializationException" => "MalformedInput",
        code => code,
    };
    let (fault, code, message) = (fault_of(refusal.status), escaped(code), escaped(&refusal.message));
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    .into_bytes()
}

/// A part of a form, on its way to JSON.
#[derive(Debug, Default)]
struct Node {
    leaf: Option<Value>,
    branches: BTreeMap<String, Self>,
}

impl Node {
    fn insert(&mut self, path: &[&str], leaf: Value) {
        match path.split_first() {
            None => self.leaf = Some(leaf),
            Some((part, rest)) => self.branches.entry((*part).to_owned()).or_default().insert(rest, leaf),
        }
    }
}

impl From<Node> for Value {
    fn from(mut node: Node) -> Self {
        if let Some(leaf) = node.leaf {
            return leaf;
        }
        let Some(members) = node.branches.remove("member") else {
            let fields = node.branches.into_iter().map(|(name, field)| (name, Self::from(field)));
            return Self::Object(fields.collect::<Map<_, _>>());
        };
        let mut members: Vec<_> = members.branches.into_iter().collect();
        members.sort_by_key(|(index, _member)| index.parse().unwrap_or(u32::MAX));
        members.into_iter().map(|(_index, member)| Self::from(member)).collect()
    }
}

/// Whether the parameter at this path is a number. A form does not tell.
fn is_number(path: &[&str]) -> bool {
    match path {
        [.., "Dimensions", "member", _, "Value"] => false,
        [
            ..,
            "Value" | "SampleCount" | "Sum" | "Minimum" | "Maximum" | "StorageResolution",
        ] => true,
        [.., "Values" | "Counts", "member", _] => true,
        _ => false,
    }
}

/// A number in AWS JSON, where those that are none are texts.
fn number(text: &str) -> Option<Value> {
    let number: f64 = text.parse().ok()?;
    let finite = number.is_finite().then(|| Value::from(number));
    Some(finite.unwrap_or_else(|| Value::from(text)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn json_of(form: &str) -> Value {
        serde_json::from_slice(&to_json(form.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn members_become_lists_in_the_order_of_their_numbers() {
        let form = "Namespace=a+b&MetricData.member.10.MetricName=z&MetricData.member.9.MetricName=%C3%A4";
        let expected = json!({ "Namespace": "a b", "MetricData": [{ "MetricName": "ä" }, { "MetricName": "z" }] });
        assert_eq!(json_of(form), expected);
    }

    #[test]
    fn what_is_a_number_is_told_by_its_place() {
        let form = "MetricData.member.1.Value=1.5&MetricData.member.1.Dimensions.member.1.Value=7\
                    &MetricData.member.1.Counts.member.1=2&MetricData.member.1.StatisticValues.Sum=NaN";
        let datum = json!({
            "Value": 1.5,
            "Dimensions": [{ "Value": "7" }],
            "Counts": [2.0],
            "StatisticValues": { "Sum": "NaN" },
        });
        assert_eq!(json_of(form), json!({ "MetricData": [datum] }));
    }

    #[test]
    fn no_number_where_one_belongs_and_too_deep_a_path_are_refused() {
        assert!(to_json(b"MetricData.member.1.Value=many").is_err());
        assert!(to_json("a.".repeat(100_000).as_bytes()).is_ok(), "it has no value");
        assert!(to_json(format!("{}b=1", "a.".repeat(MAX_PARTS)).as_bytes()).is_err());
    }

    #[test]
    fn a_refusal_is_escaped_and_says_whose_fault_it_is() {
        let refused = Refusal::new(StatusCode::BAD_REQUEST, "InvalidParameterValue", "1 < 2 & 3");
        let xml = String::from_utf8(refusal(&refused, "r")).unwrap();
        assert!(
            xml.contains("<Type>Sender</Type><Code>InvalidParameterValue</Code><Message>1 &lt; 2 &amp; 3</Message>"),
            "{xml}"
        );
    }
}
