//! `CloudEvents` 1.0 in the binary mode of its Kafka binding: the attributes of an event are headers `ce_…` of its record, and the value is its data.

use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};

use crate::model::hexadecimal::hexadecimal;

/// The header that says that a record is an event in binary mode.
pub const MARK: &str = "ce_specversion";
const PREFIX: &str = "ce_";
/// Bytes of the digest that an id is made of.
const ID_BYTES: usize = 16;

/// Why headers and a value are no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryModeError {
    /// An attribute that is no text.
    #[error("the header `{0}` is no UTF-8")]
    Attribute(String),
    /// A value that is no JSON.
    #[error("the data of a CloudEvent in binary mode is no JSON: {0}")]
    Data(String),
}

/// The event in structured mode: one JSON object with the attributes of `headers` and `data`, the value. Headers that are no attributes are left out.
pub fn in_structured_mode<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>, value: &[u8]) -> Result<Vec<u8>, BinaryModeError> {
    let mut object = b"{".to_vec();
    for (name, attribute) in headers {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        let attribute = std::str::from_utf8(attribute).map_err(|_| BinaryModeError::Attribute(name.to_owned()))?;
        // A value quoted as JSON does is JSON; a header that is there twice is a key that is there twice, which is refused as in any record.
        object.extend(format!("{}:{},", serde_json::Value::from(key), serde_json::Value::from(attribute)).bytes());
    }
    // Nothing beside one value: else a value could bring attributes of its own.
    serde_json::from_slice::<IgnoredAny>(value).map_err(|error| BinaryModeError::Data(error.to_string()))?;
    object.extend_from_slice(b"\"data\":");
    object.extend_from_slice(value);
    object.push(b'}');
    Ok(object)
}

/// What says the events of a group: a URI reference.
#[must_use]
pub fn source(group_id: &str) -> String {
    format!("/stickiness/{group_id}")
}

/// The headers of a record that is published as an event of type `schema`, such as `stickiness.transitions.v1`, from `source`, about `key`; the value is of `content_type`. Nothing in them depends on
/// when it is sent: the same record has the same id.
#[must_use]
pub fn headers((source, schema, content_type): (&str, &str, &str), key: &[u8], value: &[u8]) -> [(&'static str, Vec<u8>); 7] {
    let mut digest = Sha256::new();
    for part in [schema.as_bytes(), &[0], key, &[0], value] {
        digest.update(part);
    }
    let id = hexadecimal(&digest.finalize()[..ID_BYTES]);
    [
        (MARK, b"1.0".to_vec()),
        ("ce_id", id.into_bytes()),
        ("ce_source", source.as_bytes().to_vec()),
        ("ce_type", schema.as_bytes().to_vec()),
        ("ce_subject", key.to_vec()),
        ("ce_partitionkey", key.to_vec()),
        ("content-type", content_type.as_bytes().to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn structured(headers: &[(&str, &[u8])], value: &[u8]) -> Result<String, BinaryModeError> {
        in_structured_mode(headers.iter().copied(), value).map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn attributes_and_data_make_an_object() {
        let headers: [(&str, &[u8]); 4] = [(MARK, b"1.0"), ("ce_subject", b"a\"b"), ("traceparent", &[255]), ("ce_type", b"activity")];
        let expected = r#"{"specversion":"1.0","subject":"a\"b","type":"activity","data":{"channel":"web"}}"#;
        assert_eq!(structured(&headers, br#"{"channel":"web"}"#).as_deref(), Ok(expected));
        for value in [&b"{}, \"time\":\"2026-01-01T00:00:00Z\""[..], b"", b"{", b"\xff"] {
            assert!(matches!(structured(&headers, value), Err(BinaryModeError::Data(_))), "{value:?}");
        }
        assert_eq!(structured(&[("ce_id", &[255])], b"{}"), Err(BinaryModeError::Attribute("ce_id".to_owned())));
    }

    #[test]
    fn an_event_in_binary_mode_is_that_in_structured_mode() {
        let decoder = Settings::read("[input]\nformat = \"cloudevents\"", []).expect("settings").decoder();
        let headers: [(&str, &[u8]); 5] =
            [(MARK, b"1.0"), ("ce_id", b"e1"), ("ce_type", b"order_placed"), ("ce_subject", b"ada"), ("ce_time", b"2026-01-31T12:00:00Z")];
        let binary = structured(&headers, br#"{"amount": 12.5}"#).expect("an event");
        let event = decoder.decode_json(binary.as_bytes()).expect("decoded");
        assert_eq!((event.user_id.as_ref(), event.event_id.as_ref()), ("ada", "e1"));
        let twice = [headers.as_slice(), &[("ce_subject", b"bob")]].concat();
        let twice = structured(&twice, b"{}").expect("an object");
        assert!(decoder.decode_json(twice.as_bytes()).is_err(), "a key that is there twice is malformed");
    }

    #[test]
    fn ids_are_of_what_is_said() {
        let id =
            |key: &[u8], value: &[u8]| headers(("/stickiness/shop", "stickiness.metrics.v1", "application/json"), key, value)[1].1.clone();
        assert_eq!(id(b"all", b"{}"), id(b"all", b"{}"));
        assert_ne!(id(b"all", b"{}"), id(b"all", b"{ }"));
        assert_ne!(id(b"a", b"b{}"), id(b"ab", b"{}"));
        assert_eq!(id(b"all", b"{}").len(), 32);
    }
}
