//! Pure: AWS JSON 1.1, the encoding of requests and responses.

use std::fmt::{self, Display};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use serde_json::error::Category;

use super::error::ServiceError;

/// How the message of a violated constraint starts, here and in the service.
pub(super) const VIOLATION: &str = "1 validation error detected: ";

/// Reads the body of a request. Unknown members are ignored, as the service does.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => ServiceError::serialization(error.to_string()),
        Category::Data => misfit(&error.to_string()),
    })
}

/// Sorts out the JSON that does not fit the operation. serde tells the reason only in the text of its error.
fn misfit(message: &str) -> ServiceError {
    if let Some(member) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return ServiceError::validation(format!(
            "{VIOLATION}Value null at '{}' failed to satisfy constraint: Member must not be null",
            member_name(member)
        ));
    }
    if message.starts_with(VIOLATION) {
        let position = message.rfind(" at line ").unwrap_or(message.len());
        return ServiceError::validation(message.get(..position).unwrap_or(message));
    }
    ServiceError::serialization(message)
}

/// The service's messages write members with a small initial: `partitionKey` for `PartitionKey`.
fn member_name(field: &str) -> String {
    let mut characters = field.chars();
    characters
        .next()
        .map(|initial| initial.to_ascii_lowercase())
        .into_iter()
        .chain(characters)
        .collect()
}

/// Writes the body of a response.
pub(super) fn encode<T: Serialize>(response: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "strings, numbers, lists and structs always have a JSON form"
    )]
    serde_json::to_vec(response).expect("a response has a JSON form")
}

/// Reads a blob: base64, decoded from the text in place.
pub(super) fn blob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    struct Base64;

    impl Visitor<'_> for Base64 {
        type Value = Bytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a blob in base64")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
            STANDARD.decode(text).map(Bytes::from).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Base64)
}

/// Writes a blob.
pub(super) fn as_blob<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(data))
}

/// Writes the text form, for numbers that travel as strings.
pub(super) fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads one of a set of names into the value that stands for it.
pub(super) fn one_of<'de, D, T>(deserializer: D, member: &str, names: &[(&str, T)]) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Copy,
{
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    names
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            D::Error::custom(format!(
                "{VIOLATION}Value '{text}' at '{member}' failed to satisfy constraint: Member must satisfy enum value \
             set: [{}]",
                names.join(", ")
            ))
        })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Sample {
        partition_key: String,
        #[serde(deserialize_with = "blob")]
        data: Bytes,
    }

    fn refusal(body: &str) -> ServiceError {
        decode::<Sample>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_body_is_read_and_its_unknown_members_are_ignored() {
        let sample: Sample = decode(br#"{"PartitionKey":"k","Data":"aGk=","StreamId":"reserved"}"#).unwrap();
        assert_eq!(
            sample,
            Sample {
                partition_key: "k".to_owned(),
                data: Bytes::from_static(b"hi")
            }
        );
    }

    #[test]
    fn what_is_no_json_or_of_another_type_is_a_serialization_exception() {
        for body in ["", "{", "nonsense", "[]", r#"{"PartitionKey":7,"Data":""}"#] {
            assert_eq!(refusal(body).code, "SerializationException", "{body}");
        }
    }

    #[test]
    fn base64_with_a_foreign_character_or_without_its_padding_is_a_serialization_exception() {
        for data in ["a", "aGk", "a.k=", "aGk=="] {
            assert_eq!(
                refusal(&format!(r#"{{"PartitionKey":"k","Data":"{data}"}}"#)).code,
                "SerializationException"
            );
        }
    }

    #[test]
    fn a_missing_member_is_a_validation_exception_that_names_it() {
        let error = refusal(r#"{"Data":""}"#);
        assert_eq!(error.code, "ValidationException");
        assert_eq!(
            error.message,
            "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"
        );
    }
}
