//! Pure: CBOR to AWS JSON and back.
//!
//! CBOR says of a value what it is, JSON leaves it to the reader: a blob is base64 there, a moment a number of seconds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use ciborium::de::Error;
use serde_json::{Map, Number, Value as Json};

/// CBOR's tag of a moment. Source: RFC 8949, <https://www.rfc-editor.org/rfc/rfc8949#section-3.4.2>.
const EPOCH_TIME: u64 = 1;

/// How moments are written in CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Epoch {
    /// Seconds since 1970, as RFC 8949 has it.
    Seconds,
    /// Milliseconds since 1970, as the older protocols of AWS have it.
    Millis,
}

/// Reads one CBOR value as AWS JSON.
pub(super) fn to_json(mut body: &[u8], epoch: Epoch) -> Result<Vec<u8>, String> {
    let cbor: Cbor = ciborium::from_reader(&mut body).map_err(|error| explain(&error))?;
    if !body.is_empty() {
        return Err(format!("{} bytes follow the CBOR value", body.len()));
    }
    Ok(json(cbor, epoch)?.to_string().into_bytes())
}

/// Writes AWS JSON of a service as CBOR.
pub(super) fn from_json(body: &[u8], epoch: Epoch) -> Vec<u8> {
    let json = serde_json::from_slice(body).unwrap_or_default();
    let mut written = Vec::new();
    #[expect(clippy::expect_used, reason = "a vector takes whatever is written to it")]
    ciborium::into_writer(&cbor("", json, epoch), &mut written).expect("a value is written");
    written
}

fn explain<Io>(error: &Error<Io>) -> String {
    match error {
        Error::Io(_) => "the body ends within a CBOR value".to_owned(),
        Error::Syntax(at) => format!("the body is not CBOR: byte {at} is out of place"),
        Error::Semantic(_, reason) => format!("the body is not CBOR: {reason}"),
        Error::RecursionLimitExceeded => "the body is nested too deeply".to_owned(),
    }
}

fn json(value: Cbor, epoch: Epoch) -> Result<Json, String> {
    Ok(match value {
        Cbor::Null => Json::Null,
        Cbor::Bool(value) => value.into(),
        Cbor::Text(text) => text.into(),
        Cbor::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Cbor::Float(number) => float(number),
        Cbor::Integer(number) => {
            let number = Number::from_i128(number.into()).ok_or("a number has more than 64 bits")?;
            number.into()
        }
        Cbor::Array(items) => {
            let items = items.into_iter().map(|item| json(item, epoch));
            items.collect::<Result<Vec<_>, _>>()?.into()
        }
        Cbor::Map(members) => members
            .into_iter()
            .map(|(name, value)| {
                let name = name
                    .into_text()
                    .map_err(|_other| "the name of a member is not a text")?;
                Ok((name, json(value, epoch)?))
            })
            .collect::<Result<Map<_, _>, String>>()?
            .into(),
        Cbor::Tag(EPOCH_TIME, moment) => seconds(&json(*moment, epoch)?, epoch)?,
        Cbor::Tag(_, value) => json(*value, epoch)?,
        _ => return Err("the body has a value of an unknown kind".to_owned()),
    })
}

/// A number in AWS JSON, where those that are none are texts.
fn float(number: f64) -> Json {
    Number::from_f64(number).map_or_else(
        || {
            let text = match (number.is_nan(), number > 0.0) {
                (true, _) => "NaN",
                (false, true) => "Infinity",
                (false, false) => "-Infinity",
            };
            text.into()
        },
        Json::from,
    )
}

fn seconds(moment: &Json, epoch: Epoch) -> Result<Json, String> {
    let number = moment.as_f64().ok_or("a moment is not a number")?;
    Ok(match epoch {
        Epoch::Seconds => moment.clone(),
        Epoch::Millis => float(number / 1_000.0),
    })
}

/// The member's name tells what JSON does not.
fn cbor(name: &str, value: Json, epoch: Epoch) -> Cbor {
    match value {
        Json::Null => Cbor::Null,
        Json::Bool(value) => value.into(),
        Json::Number(number) if name.ends_with("Timestamp") => {
            Cbor::Tag(EPOCH_TIME, Box::new(moment(number.as_f64().unwrap_or_default(), epoch)))
        }
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or_default().into(),
        },
        Json::String(text) if name == "Data" => match STANDARD.decode(&text) {
            Ok(bytes) => Cbor::Bytes(bytes),
            Err(_no_base64) => text.into(),
        },
        Json::String(text) => text.into(),
        Json::Array(items) => Cbor::Array(items.into_iter().map(|item| cbor("", item, epoch)).collect()),
        Json::Object(members) => Cbor::Map(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = cbor(&name, value, epoch);
                    (name.into(), value)
                })
                .collect(),
        ),
    }
}

fn moment(seconds: f64, epoch: Epoch) -> Cbor {
    match epoch {
        Epoch::Seconds => seconds.into(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a moment has whole milliseconds, and `as` saturates"
        )]
        Epoch::Millis => ((seconds * 1_000.0).round() as i64).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Cbor, epoch: Epoch) -> Json {
        let mut body = Vec::new();
        ciborium::into_writer(value, &mut body).unwrap();
        serde_json::from_slice(&to_json(&body, epoch).unwrap()).unwrap()
    }

    fn written(value: &Json) -> Cbor {
        ciborium::from_reader(&*from_json(value.to_string().as_bytes(), Epoch::Millis)).unwrap()
    }

    #[test]
    fn a_blob_is_base64_in_json() {
        assert_eq!(read(&Cbor::Bytes(b"hi".to_vec()), Epoch::Millis), json!("aGk="));
        let record = written(&json!({ "Data": "aGk=", "PartitionKey": "aGk=" }));
        let expected = Cbor::Map(vec![
            ("Data".into(), Cbor::Bytes(b"hi".to_vec())),
            ("PartitionKey".into(), "aGk=".into()),
        ]);
        assert_eq!(record, expected);
    }

    #[test]
    fn a_moment_is_seconds_in_json_whatever_it_is_in_cbor() {
        let moment = |number: Cbor| Cbor::Tag(EPOCH_TIME, Box::new(number));
        let millis = moment(1_459_799_926_480_u64.into());
        assert_eq!(read(&millis, Epoch::Millis), json!(1_459_799_926.48));
        assert_eq!(read(&moment(1.5.into()), Epoch::Seconds), json!(1.5));
        let record = written(&json!({ "ApproximateArrivalTimestamp": 1_459_799_926.48 }));
        assert_eq!(record, Cbor::Map(vec![("ApproximateArrivalTimestamp".into(), millis)]));
    }

    #[test]
    fn numbers_that_are_none_are_texts_in_json() {
        let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Cbor::from);
        let expected = json!(["NaN", "Infinity", "-Infinity"]);
        assert_eq!(read(&Cbor::Array(numbers.to_vec()), Epoch::Seconds), expected);
    }

    #[test]
    fn what_is_no_cbor_or_has_no_json_is_refused() {
        let too_deep = vec![0x81; 100_000];
        let no_text_as_a_name = [0xa1, 0x01, 0x01];
        let two_values = [0xa0, 0xa0];
        let endless_length = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for body in [
            &b""[..],
            b"\xff",
            &too_deep,
            &no_text_as_a_name,
            &two_values,
            &endless_length,
        ] {
            assert!(to_json(body, Epoch::Millis).is_err(), "{:?}", body.get(..9));
        }
    }
}
